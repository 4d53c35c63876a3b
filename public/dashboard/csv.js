// What the dashboard shows, as a file that a spreadsheet opens.

/** Saves rows, the first of which are the names of the columns. */
export function save(name, rows) {
  const body = rows.map((row) => row.map(cell).join(",")).join("\r\n");
  const url = URL.createObjectURL(new Blob(["\ufeff", body, "\r\n"], { type: "text/csv;charset=utf-8" }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  // The browser has it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** One that would begin a formula gets an apostrophe, as in the export. */
function cell(value) {
  const text = /^[=+\-@\t\r]/.test(value) && typeof value !== "number" ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
