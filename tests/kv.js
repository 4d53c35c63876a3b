// What stands beside the Worker on bare workerd: a namespace of Workers KV, a rate limit, a data set.
//
// workerd turns the calls of a namespace into HTTP requests; this answers them from memory, counts
// them, and fails when it is told to. The entrypoint `control` is for the tests:
//
//   GET /                  {"mode", "operations": {"get", "put", "delete", "list"}, "entries": {key: text}, "points"}
//   PUT /mode/MODE         ok | fail (500) | busy (429) | stall (never answers) | lose (a write is acknowledged and
//                          lost) | old (a read is answered with what was there before the last write)
//   PUT /entries           takes {key: text} and adds it
//   GET /bytes             {key: base64} of everything, PUT adds it
//   DELETE /               empties everything
//   PUT /limit/N           pings that an address may send, from now on

import { WorkerEntrypoint } from "cloudflare:workers";

const entries = new Map();
/** What was there before the last write of each key. */
const before = new Map();
const points = [];
let operations;
let mode = "ok";
let left = new Map();
let limit = Infinity;
reset();

function reset() {
  entries.clear();
  operations = { get: 0, put: 0, delete: 0, list: 0 };
}

export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const key = decodeURIComponent(pathname.slice(1));
    const operation = operationOf(request.method, key);
    const body = await request.arrayBuffer();
    if (operation !== "bulk") operations[operation]++;
    if (mode === "stall") return new Promise((resolve) => setTimeout(() => resolve(new Response(null, { status: 500 })), 60_000));
    if (mode === "fail") return new Response("it is broken", { status: 500 });
    if (mode === "busy") return new Response("too many", { status: 429 });
    return answers[operation](key, body, searchParams);
  },
};

function operationOf(method, key) {
  if (method === "GET") return key ? "get" : "list";
  return { POST: "bulk", PUT: "put", DELETE: "delete" }[method];
}

const answers = {
  get: (key) => (look(key) ? new Response(look(key)) : new Response("not found", { status: 404 })),
  put(key, body) {
    if (mode === "lose") return new Response();
    before.set(key, entries.get(key));
    entries.set(key, body);
    return new Response();
  },
  delete(key) {
    entries.delete(key);
    return new Response();
  },
  bulk(_, body) {
    const { keys } = JSON.parse(text(body));
    operations.get += keys.length;
    return Response.json(Object.fromEntries(keys.map((key) => [key, look(key) ? text(look(key)) : null])));
  },
  list(_, __, params) {
    const all = [...entries.keys()].sort();
    const start = Number(params.get("cursor") ?? 0);
    const keys = all.slice(start, start + 1000).map((name) => ({ name }));
    const end = start + keys.length;
    return Response.json({ keys, list_complete: end >= all.length, ...(end < all.length && { cursor: `${end}` }) });
  },
};

const look = (key) => (mode === "old" ? before : entries).get(key);
const base64 = (bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(""));
const text = (bytes) => new TextDecoder().decode(bytes);

export const control = {
  async fetch(request) {
    const [, what, value] = new URL(request.url).pathname.split("/");
    if (request.method === "DELETE") reset();
    if (what === "mode") mode = value;
    if (what === "limit") {
      limit = Number(value);
      left = new Map();
    }
    if (what === "bytes" && request.method === "GET") {
      return Response.json(Object.fromEntries([...entries].map(([key, bytes]) => [key, base64(bytes)])));
    }
    if (what === "bytes") {
      for (const [key, value] of Object.entries(await request.json())) {
        entries.set(key, Uint8Array.from(atob(value), (char) => char.charCodeAt(0)).buffer);
      }
    }
    if (what === "entries") {
      for (const [key, value] of Object.entries(await request.json())) {
        entries.set(key, new TextEncoder().encode(value).buffer);
      }
    }
    const all = Object.fromEntries([...entries].map(([key, bytes]) => [key, text(bytes)]));
    return Response.json({ mode, operations, entries: all, points });
  },
};

/** The rate limit, which never forgets. */
export class Limit extends WorkerEntrypoint {
  limit({ key }) {
    left.set(key, (left.get(key) ?? limit) - 1);
    return { success: left.get(key) >= 0 };
  }
}

/** A data set of Analytics Engine. */
export class Points extends WorkerEntrypoint {
  writeDataPoint(point) {
    points.push(point);
  }
}
