// `npm run import -- FILE [ADDRESS]`: takes a file of counts into a Tally, whatever its size.
//
//   FILE                 json, ndjson or csv, as an export is, or the tutorial's {"142":"2"}
//   ADDRESS              http://localhost:8787, if none is given
//   --mode=max           what becomes of posts that are there: max, add or replace
//   --format=            json, ndjson or csv, if it is not to be told from how the file begins
//   ADMIN_TOKEN          in the environment: the owner's token
//
// The file is sent in parts that the Worker takes whole or not at all, first only to be checked: where a
// line cannot be taken in, its number is told and nothing has changed. Every part has an id that
// follows from the file, so the same command can be run again after a break, in every mode.

import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "./shell.mjs";

/** From how many bytes on a part is sent. The Worker takes 4 MiB. */
const PART = 2 << 20;
/** The same for posts. The Worker takes 20,000, and a chunk of the file has 11,000 at the most. */
const POSTS = 8000;
const CHUNK = 64 << 10;
/** How long to wait before a part is sent again, in milliseconds. */
const PAUSES = [500, 1000, 2000, 4000];
const USAGE = "usage: ADMIN_TOKEN=… npm run import -- FILE [ADDRESS] [--mode=max|add|replace] [--format=json|ndjson|csv]";

/** What went wrong, in words for the one who runs this. */
class Refusal extends Error {}

async function main() {
  const { file, address, mode, format: named } = parse(process.argv.slice(2));
  const token = process.env.ADMIN_TOKEN;
  if (!token) throw new Refusal("the token of the owner has to be in the environment, as ADMIN_TOKEN");
  const size = sizeOf(file);
  const format = named ?? (await formatOf(file));
  const hash = createHash("sha256").update(`${mode} ${format} `);
  const send = (part, query) => sent(address, token, `mode=${mode}&format=${format}&${query}`, part);

  const check = progress("checked", size);
  let posts = 0;
  for await (const part of parts(file, format)) {
    hash.update(part.body);
    posts += await send(part, "dry=1");
    check(part.end, posts);
  }
  if (!posts) throw new Refusal(`there are no posts in ${file}`);
  const id = hash.digest("hex").slice(0, 32);
  const report = progress("imported", size);
  let done = 0;
  let number = 0;
  for await (const part of parts(file, format)) {
    try {
      done += await send(part, `id=${id}-${number++}`);
    } catch (error) {
      throw new Refusal(`${error.message}\n${done} of ${posts} posts are imported. Run the same command again${mode === "add" ? " within a day" : ""}: what was imported is not imported twice.`);
    }
    report(part.end, done);
  }
  console.log(`${done} posts imported into ${address}`);
}

function parse(args) {
  const options = Object.fromEntries(args.filter((arg) => arg.startsWith("--")).map((arg) => arg.slice(2).split("=")));
  const [file, address = "http://localhost:8787", ...more] = args.filter((arg) => !arg.startsWith("--"));
  const { mode = "max", format, ...others } = options;
  const isRight =
    file && !more.length && !Object.keys(others).length && URL.canParse(address) && /^https?:/.test(address) &&
    ["max", "add", "replace"].includes(mode) && (format === undefined || ["json", "ndjson", "csv"].includes(format));
  if (!isRight) throw new Refusal(USAGE);
  return { file, address, mode, format };
}

function sizeOf(file) {
  try {
    return statSync(file).size;
  } catch {
    throw new Refusal(`${file} cannot be read`);
  }
}

/** Tells how far it is: a line that is written again on a terminal, elsewhere a line every ten percent. */
function progress(verb, size) {
  let told = 0;
  return (bytes, posts) => {
    const percent = size ? Math.floor((100 * bytes) / size) : 100;
    const line = `${verb} ${posts} posts, ${percent}%`;
    if (process.stderr.isTTY) process.stderr.write(`\r${line}${bytes >= size ? "\n" : ""}`);
    else if (percent >= told + 10) console.error(line);
    told = percent - (percent % 10);
  };
}

/** Sends a part; how many posts it has. What may pass is tried again, which changes nothing twice. */
async function sent(address, token, query, part) {
  for (let attempt = 0; ; attempt++) {
    const { status, text } = await post(new URL(`/import?${query}`, address), token, part.body);
    const answer = json(text);
    if (status === 200 && Number.isInteger(answer?.posts)) return answer.posts;
    const passes = status === 0 || status === 429 || status === 503;
    if (passes && attempt < PAUSES.length) await sleep(PAUSES[attempt]);
    else throw new Refusal(reason(status, answer?.error, part, address));
  }
}

async function post(url, token, body) {
  try {
    const headers = { Authorization: `Bearer ${token}` };
    // The token is for this host, and for no other one.
    const response = await fetch(url, { method: "POST", headers, body, redirect: "manual" });
    return { status: response.status, text: await response.text() };
  } catch {
    return { status: 0, text: "" };
  }
}

function reason(status, error, part, address) {
  if (status === 0) return `${address} does not answer`;
  if (status === 404) return `${address} has no import: it has no ADMIN_TOKEN, or is no Tally`;
  if (!error) return `${address} does not answer as Tally does (${status})`;
  const { code, message } = error;
  if (code === "invalid_encoding") return `lines ${part.line} to ${part.lastLine}: ${message}`;
  if (!["invalid_import", "future_time"].includes(code)) return message;
  return message.replace(/\d+/, (line) => part.lineOf(Number(line)));
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Tells the format as the Worker does, by how the file begins. */
async function formatOf(file) {
  let text = "";
  for await (const chunk of createReadStream(file, { end: PART })) text += chunk.toString("utf8");
  text = text.replace(/^\ufeff/, "").trimStart();
  if (!text.startsWith("{")) return "csv";
  const first = json(text.split("\n", 1)[0]);
  return first && "post" in first && "views" in first ? "ndjson" : "json";
}

/**
 * The parts of a file: `body`, `end`, its end in the file, `line` and `lastLine` there, and `lineOf`, the
 * line in the file of one in the body.
 */
function parts(file, format) {
  const isEnd = { ndjson: () => (byte) => byte === NEWLINE, csv: endOfRecord }[format];
  return isEnd ? partsOfLines(file, isEnd()) : partsOfDocument(file);
}

const [NEWLINE, RETURN, QUOTE, COMMA, BACKSLASH] = ['\n', '\r', '"', ",", "\\"].map((char) => char.charCodeAt(0));

/** Tells the bytes that end a record of CSV: newlines, but not those within quotes. */
function endOfRecord() {
  const mark = [0xef, 0xbb, 0xbf];
  let isQuoted = false;
  // Whether a quote here would begin a cell.
  let begins = true;
  return (byte) => {
    if (byte === mark.shift()) return false;
    mark.length = 0;
    if (byte === QUOTE && (begins || isQuoted)) isQuoted = !isQuoted;
    // A quote after a quoted cell's end doubles it.
    begins = !isQuoted && (byte === COMMA || byte === NEWLINE || byte === RETURN || byte === QUOTE);
    return byte === NEWLINE && !isQuoted;
  };
}

async function* partsOfLines(file, isEnd) {
  let pending = Buffer.alloc(0);
  let line = 1;
  let end = 0;
  const take = (bytes) => {
    const body = pending.subarray(0, bytes);
    pending = pending.subarray(bytes);
    const first = line;
    line += newlines(body);
    end += bytes;
    return { body, end, line: first, lastLine: line, lineOf: (n) => first + n - 1 };
  };
  let posts = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK })) {
    let at = pending.length;
    pending = Buffer.concat([pending, chunk]);
    for (; at < pending.length; at++) {
      if (!isEnd(pending[at])) continue;
      posts++;
      if (at < PART && posts < POSTS) continue;
      yield take(at + 1);
      at = -1;
      posts = 0;
    }
    if (pending.length > PART + CHUNK) throw new Refusal(`line ${line}: this record is too long`);
  }
  if (pending.length) yield take(pending.length);
}

function newlines(bytes) {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

/** The parts of a JSON document, each a document of its own with some of the posts. */
async function* partsOfDocument(file) {
  const document = new Document();
  let end = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK })) {
    document.read(chunk);
    end += chunk.length;
    if (document.bytes >= PART || document.posts >= POSTS) yield document.take(end);
  }
  document.finish();
  if (document.bytes) yield document.take(end);
}

/** Cuts a JSON document into the posts in it. It knows where they begin and end; the Worker reads them. */
class Document {
  bytes = 0;
  #items = [];
  #pending = Buffer.alloc(0);
  #line = 1;
  #depth = 0;
  #isPosts = false;
  #isText = false;
  #isEscaped = false;
  #isOver = false;
  #begin = 0;
  #beginLine = 1;
  #hasItems = false;
  #afterPosts = false;

  get posts() {
    return this.#items.length;
  }

  read(chunk) {
    let at = this.#pending.length;
    this.#pending = Buffer.concat([this.#pending, chunk]);
    for (; at < this.#pending.length; at++) this.#step(this.#pending[at], at);
    this.#pending = this.#pending.subarray(this.#begin);
    this.#begin = 0;
    if (this.#pending.length > PART) throw new Refusal(`line ${this.#beginLine}: this post is too long`);
  }

  #step(byte, at) {
    if (byte === NEWLINE) this.#line++;
    if (this.#isText) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === BACKSLASH) this.#isEscaped = true;
      else if (byte === QUOTE) this.#isText = false;
      return;
    }
    if (byte === QUOTE) this.#isText = true;
    const char = String.fromCharCode(byte);
    const level = this.#isPosts ? 2 : 1;
    if (this.#isOver && !/\s/.test(char)) this.#fail();
    if (char === "{" || char === "[") this.#open(char, at);
    else if (char === "}" || char === "]") this.#close(char, at, level);
    else if (char === "," && this.#depth === level) {
      this.#item(at, false);
      this.#next(at);
    }
  }

  #open(char, at) {
    if (this.#depth === 0) {
      if (char === "[" || this.#text(at).replace("\ufeff", "").trim()) this.#fail();
      this.#next(at);
    }
    this.#depth++;
    if (this.#depth === 2 && char === "[" && /^\s*"posts"\s*:\s*$/.test(this.#text(at))) {
      this.#isPosts = true;
      this.#hasItems = false;
      this.#next(at);
    }
  }

  #close(char, at, level) {
    if (this.#depth === level) {
      if (char !== (this.#isPosts ? "]" : "}")) this.#fail();
      this.#item(at, !this.#hasItems);
      this.#next(at);
      // After a list of posts nothing of it is left.
      this.#hasItems = false;
      this.#isOver = !this.#isPosts;
      this.#isPosts = false;
    }
    this.#depth--;
    if (this.#depth < 0) this.#fail();
  }

  /** Notes what stands before `at`; it may be nothing where that is all that there is. */
  #item(at, mayBeEmpty) {
    const text = this.#text(at);
    if (text.trim()) {
      this.#items.push({ text, line: this.#beginLine, isPost: this.#isPosts });
      this.bytes += at - this.#begin;
      this.#hasItems = true;
    } else if (!mayBeEmpty && !this.#afterPosts) this.#fail();
    this.#afterPosts = this.#isPosts && this.#pending[at] !== COMMA;
  }

  #text(at) {
    return this.#pending.toString("utf8", this.#begin, at);
  }

  #next(at) {
    this.#begin = at + 1;
    this.#beginLine = this.#line;
  }

  #fail() {
    throw new Refusal(`line ${this.#line} is not of JSON with posts`);
  }

  finish() {
    if (!this.#isOver) throw new Refusal(`line ${this.#line}: the file ends too early`);
  }

  take(end) {
    const items = this.#items;
    this.#items = [];
    this.bytes = 0;
    const starts = [];
    let body = "{";
    let line = 1;
    for (const isPost of [false, true]) {
      const some = items.filter((item) => item.isPost === isPost);
      if (isPost) body += body.length > 1 ? ',"posts":[' : '"posts":[';
      for (const [n, item] of some.entries()) {
        body += n ? ",\n" : "\n";
        starts.push([++line, item.line]);
        body += item.text;
        line += item.text.split("\n").length - 1;
      }
    }
    body += "\n]}";
    const lineOf = (n) => {
      const [from, to] = starts.findLast(([start]) => start <= n) ?? starts[0];
      return to + n - from;
    };
    return { body: Buffer.from(body), end, line: items[0].line, lastLine: this.#line, lineOf };
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  fail(error.message);
}
