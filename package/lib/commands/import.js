// `tally import`: takes a file of counts into a Tally, whatever its size.
//
// The file is sent in parts, first only to be checked: where a line cannot be taken in, its number is told
// and nothing has changed. Every part has an id that follows from the file, so the same command can be run
// again after a break, in every mode.

import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT, Failure, unreachable } from "../failure.js";
import { formatOf, parts } from "../records.js";
import { isCount } from "../tally.js";

/** How long to wait before a part is sent again, in milliseconds. */
const PAUSES = [500, 1000, 2000, 4000];
/** How long the Worker may take for a part, in milliseconds. */
const PATIENCE = 60_000;

export async function importFile(tally, file, { mode, format: named, dryRun }) {
  const size = sizeOf(file);
  const format = named ?? (await formatOf(file));
  const hash = createHash("sha256").update(`${mode} ${format} `);
  const send = (part, query) => sent(tally, `mode=${mode}&format=${format}&${query}`, part);

  const check = progress("checked", size);
  let posts = 0;
  for await (const part of parts(file, format)) {
    hash.update(part.body);
    posts += await send(part, "dry=1");
    check(part.end, posts);
  }
  if (!posts) throw new Failure(`there are no posts in ${file}`);
  if (dryRun) return told(tally, 0, posts, `${plural(posts)} can be imported; nothing has changed`);
  const id = hash.digest("hex").slice(0, 32);
  const report = progress("imported", size);
  let done = 0;
  let number = 0;
  for await (const part of parts(file, format)) {
    try {
      done += await send(part, `id=${id}-${number++}`);
    } catch (error) {
      throw new Failure(`${error.message}\n${done} of ${posts} posts are imported. Run the same command again${mode === "add" ? " within a day" : ""}: what was imported is not imported twice.`, error);
    }
    report(part.end, done);
  }
  return told(tally, done, posts, `${plural(done)} imported into ${tally.url}`);
}

const plural = (posts) => `${posts} post${posts === 1 ? "" : "s"}`;
const told = ({ url }, imported, posts, text) => ({ data: { url, posts, imported }, text });

function sizeOf(file) {
  const found = statSync(file, { throwIfNoEntry: false });
  // It is read more than once.
  if (!found?.isFile()) throw new Failure(`${file} cannot be read, or is not a file`, { code: "no_file" });
  return found.size;
}

/** Tells how far it is: a line that is written again on a terminal, elsewhere a line every ten percent. */
function progress(verb, size) {
  let last = 0;
  return (bytes, posts) => {
    const percent = size ? Math.floor((100 * bytes) / size) : 100;
    const line = `${verb} ${posts} posts, ${percent}%`;
    if (process.stderr.isTTY) process.stderr.write(`\r${line}${bytes >= size ? "\n" : ""}`);
    else if (percent >= last + 10) console.error(line);
    last = percent - (percent % 10);
  };
}

/** Sends a part; how many posts it has. What may pass is tried again, which changes nothing twice. */
async function sent(tally, query, part) {
  for (let attempt = 0; ; attempt++) {
    const { status, answer } = await post(tally, `/import?${query}`, part.body);
    if (status === 200 && isCount(answer?.posts)) return answer.posts;
    const passes = status === 0 || status === 429 || status === 503;
    if (passes && attempt < PAUSES.length) await sleep(PAUSES[attempt]);
    else throw refusal(status, answer?.error, part, tally);
  }
}

async function post(tally, path, body) {
  try {
    const response = await tally.asOwner(path, { method: "POST", body, signal: AbortSignal.timeout(PATIENCE) });
    return { status: response.status, answer: await tally.objectIn(response) };
  } catch (error) {
    if (error.exit !== EXIT.unreachable) throw error;
    return { status: 0 };
  }
}

function refusal(status, error, part, tally) {
  const { url } = tally;
  if (status === 0) return unreachable(`${url} does not answer`);
  if (status === 404) return new Failure(`${url} has no import: it has no ADMIN_TOKEN, or is not a Tally; ${tally.tokenFix}`, { code: "no_owner" });
  if (typeof error?.code !== "string" || typeof error.message !== "string") return unreachable(`${url} does not answer as Tally does (${status})`);
  const { code, message } = error;
  if (code === "unauthorized") return tally.stranger();
  if (code === "invalid_encoding") return new Failure(`lines ${part.line} to ${part.lastLine}: ${message}`, { code });
  if (!["invalid_import", "future_time"].includes(code)) return new Failure(message, { code });
  return new Failure(message.replace(/\d+/, (line) => part.lineOf(Number(line))), { code });
}
