// What is printed. Titles, names and messages come from servers and pages, so no terminal may act on them.

/** Control characters but for tabs, and those that turn the direction of a line around. */
const UNSAFE = /[^\P{Cc}\t]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

// Whoever reads may have had enough (`| head`). The error of a write is told by the write.
process.stdout.on("error", () => {});

/** A text in one line, as a terminal may show it. */
export const printable = (text) => String(text).replace(UNSAFE, "\ufffd");

/** The same for a text of several lines. */
export const printableLines = (text) => String(text).split("\n").map(printable).join("\n");

/** JSON in one line, with what a terminal acts on escaped. */
export const jsonLine = (data) => JSON.stringify(data).replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Prints a result. Fails where it cannot be written, as on a full disk. */
export function print(line) {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${line}\n`, (error) => (error && !isEnough(error) ? reject(error) : resolve(undefined)));
  });
}

/** Whether a write failed because the reader has gone. */
export const isEnough = (error) => error.code === "EPIPE";
