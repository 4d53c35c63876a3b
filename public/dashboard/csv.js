// What the dashboard shows, as a file that a spreadsheet opens.

/** Saves rows, the first of which are the names of the columns. */
export function save(name, rows) {
  const body = rows.map((row) => row.map(cell).join(",")).join("\r\n");
  const url = URL.createObjectURL(new Blob(["\ufeff", body, "\r\n"], { type: "text/csv;charset=utf-8" }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  // The browser has it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * A text that would begin a formula gets an apostrophe, as in the export; so does what stands behind a semicolon,
 * at which a spreadsheet splits cells in some languages.
 */
function cell(value) {
  if (typeof value === "number") return String(value);
  const text = String(value).replace(/(^|;)(?=\s*[=+\-@\t\r])/g, "$1'");
  return /[",;\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
