// `tally export`: every post with its views, to standard output or into a file.

import { createWriteStream, existsSync, realpathSync, renameSync, rmSync, statSync } from "node:fs";
import { PassThrough, Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { EXIT, Failure, reasonOf, usage } from "../failure.js";
import { isEnough, printableLines } from "../terminal.js";

/** How long a large site may take, in milliseconds. */
const PATIENCE = 600_000;
const TYPES = { json: "application/json", ndjson: "application/x-ndjson", csv: "text/csv" };

export async function exportAll(tally, { format, output, json }) {
  if (json && !output && format !== "json") throw usage(`with --json, ${format} needs --output`);
  const signal = AbortSignal.timeout(PATIENCE);
  const answer = await tally.asOwner(`/export?format=${format}`, { signal });
  if (answer.status === 404) {
    throw new Failure(`${tally.url} has no export: it has no ADMIN_TOKEN, or is not a Tally; ${tally.tokenFix}`, { code: "no_owner" });
  }
  if (!answer.ok) await tally.json(answer);
  // Another server answers anything with a page.
  const type = answer.headers.get("Content-Type") ?? "";
  if (!type.startsWith(TYPES[format])) throw tally.silence(new Error(type || "no type"));
  try {
    if (!output) {
      const through = process.stdout.isTTY ? forTerminal() : new PassThrough();
      await pipeline(Readable.fromWeb(answer.body), through, process.stdout, { end: false });
      return {};
    }
    const bytes = await write(answer.body, output);
    return { data: { url: tally.url, file: output, bytes }, text: `${output} (${bytes} bytes)` };
  } catch (error) {
    if (isEnough(error)) return {};
    throw new Failure(`the export failed (${reasonOf(error)}); ${output ? `${output} is unchanged` : "what was printed is incomplete"}`, { code: "broken_off" });
  }
}

/** Names of posts must not act on a terminal. */
function forTerminal() {
  const decoder = new TextDecoder();
  return new Transform({
    transform: (chunk, _, done) => done(null, printableLines(decoder.decode(chunk, { stream: true }).replaceAll("\r\n", "\n"))),
  });
}

/** Writes a file that is whole or not there, also where the command is ended meanwhile. */
async function write(body, output) {
  const file = existsSync(output) ? realpathSync(output) : output;
  // A device is written to, not replaced.
  if (existsSync(file) && !statSync(file).isFile()) {
    const target = createWriteStream(file);
    await pipeline(Readable.fromWeb(body), target);
    return target.bytesWritten;
  }
  const partial = `${file}.${process.pid}.part`;
  const remove = () => rmSync(partial, { force: true });
  const stop = () => {
    remove();
    process.exit(EXIT.cancelled);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, stop);
  try {
    const target = createWriteStream(partial, { flags: "wx", flush: true });
    await pipeline(Readable.fromWeb(body), target);
    renameSync(partial, file);
    return target.bytesWritten;
  } finally {
    remove();
    for (const signal of signals) process.off(signal, stop);
  }
}
