// `tally export`: every post with its views, to standard output or into a file.

import { createWriteStream, renameSync, rmSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Failure, reasonOf } from "../failure.js";

/** How long a large site may take, in milliseconds. */
const PATIENCE = 600_000;

export async function exportAll(tally, { format, output }) {
  const signal = AbortSignal.timeout(PATIENCE);
  const answer = await tally.asOwner(`/export?format=${format}`, { signal });
  if (answer.status === 404) {
    throw new Failure(`${tally.url} has no export: it has no ADMIN_TOKEN, or is no Tally; \`tally token\` sets one`, { code: "no_owner" });
  }
  if (!answer.ok) await tally.json(answer);
  try {
    if (!output) {
      await pipeline(Readable.fromWeb(answer.body), process.stdout, { end: false });
      return {};
    }
    const bytes = await write(answer.body, output);
    return { data: { url: tally.url, file: output, bytes }, text: `${output} (${bytes} bytes)` };
  } catch (error) {
    throw new Failure(`the export broke off (${reasonOf(error)})`);
  }
}

/** Writes a file that is whole or not there. */
async function write(body, file) {
  const partial = `${file}.part`;
  try {
    const target = createWriteStream(partial);
    await pipeline(Readable.fromWeb(body), target);
    renameSync(partial, file);
    return target.bytesWritten;
  } finally {
    rmSync(partial, { force: true });
  }
}
