// A file of counts, in parts that the Worker takes whole or not at all.
//
// A file may be of any size. It is cut where a record ends; what is in the records, the Worker reads.

import { createReadStream } from "node:fs";
import { Failure } from "./failure.js";

/** From how many bytes on a part is sent. The Worker takes 4 MiB. */
const PART = 2 << 20;
/** The same for posts. The Worker takes 20,000, and a chunk of the file has 11,000 at the most. */
const POSTS = 8000;
const CHUNK = 64 << 10;

/** Tells the format as the Worker does, by how the file begins. */
export async function formatOf(file) {
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
export function parts(file, format) {
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
    if (pending.length > PART + CHUNK) throw new Failure(`line ${line}: this record is too long`);
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
    if (this.#pending.length > PART) throw new Failure(`line ${this.#beginLine}: this post is too long`);
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
    throw new Failure(`line ${this.#line} is not of JSON with posts`);
  }

  finish() {
    if (!this.#isOver) throw new Failure(`line ${this.#line}: the file ends too early`);
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

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
