// Tally as scale.mjs measures it: with a clock that can be moved, alarms that come when they are told
// to, and Workers KV in memory until it is flushed. Everything else is as it is deployed.
//
// What is of a ledger is of the first, alarms are of all.
//
//   GET /clock?seconds=      moves the clock
//   GET /midnight            {"next"}: in how many seconds a day begins, UTC
//   GET /alarm               runs the alarm that is due first, if one is set; {"heads", "parts", "entries",
//                            "next"}: the writes to Workers KV, and in how many seconds the next is due
//   GET /day?views=&posts=   a day of views, each of another visitor and with an id
//   GET /evict               forgets the ledger in memory
//   GET /flush               writes what is in memory to the real Workers KV
//   GET /memory              {"bytes"} of Wasm memory
//   GET /load                {"calls": {ledger: pings}} since the last time

import { memory } from "./memory.js";
import tally, { Counter, Ledger as Plain } from "../src/entry.js";

export { Counter };

const realNow = Date.now;
let ahead = 0;
Date.now = () => realNow() + ahead;

const kv = new Map();
let writes = { heads: 0, parts: 0, entries: 0 };
const inMemory = {
  async get(keys, options) {
    if (Array.isArray(keys)) return new Map(keys.map((key) => [key, kv.get(key) ?? null]));
    const value = kv.get(keys) ?? null;
    const type = options?.type ?? options;
    return value && type === "arrayBuffer" ? value.slice().buffer : value;
  },
  async put(key, value) {
    writes[key === ":head" ? "heads" : key.startsWith(":") ? "parts" : "entries"]++;
    kv.set(key, value);
  },
  async delete(key) {
    kv.delete(key);
  },
  list: async () => ({ keys: [], list_complete: true }),
};

const routes = {
  "/alarm": (_, __, env) => env.LEDGER.getByName(first()?.[0] ?? "0").alarmNow(),
  "/load"() {
    const counted = Object.fromEntries(calls);
    calls.clear();
    return { calls: counted };
  },
  "/day": (ledger, number) => ledger.day(number("views"), number("posts")),
  "/evict": (ledger) => ledger.evict().catch(() => {}),
  "/memory": () => ({ bytes: memory().buffer.byteLength }),
  "/midnight": () => ({ next: 86_400 - ((Date.now() / 1000) % 86_400) }),
  "/clock": (_, number) => (ahead += number("seconds") * 1000),
  async "/flush"(_, __, env) {
    for (const [key, value] of kv) if (key.startsWith(":")) await env.VIEWS.put(key, value);
  },
};

export default {
  async fetch(request, env, context) {
    const { pathname, searchParams } = new URL(request.url);
    const route = routes[pathname];
    // A reader's isolate has nothing in memory.
    if (!route) return tally.fetch(request, kv.size ? { ...env, VIEWS: inMemory } : env, context);
    const number = (name) => Number(searchParams.get(name));
    return Response.json((await route(env.LEDGER.getByName("0"), number, env)) ?? {});
  },
};

/** When the alarm of each ledger is to come, and whose storage is whose. */
const alarms = new Map();
const names = new Map();
/** How many pings each ledger got. */
const calls = new Map();

/** The ledger whose alarm is due first, and when. */
function first() {
  return [...alarms].sort(([, a], [, b]) => a - b)[0];
}

export class Ledger extends Plain {
  constructor(ctx, env) {
    super(ctx, { ...env, VIEWS: inMemory });
    names.set(ctx.storage, ctx.id.name);
    Object.getPrototypeOf(ctx.storage).setAlarm = async function (at) {
      alarms.set(names.get(this), Number(at));
    };
  }

  ping(...args) {
    this.#count(1);
    return super.ping(...args);
  }

  pings(fields) {
    this.#count(fields.length / 5);
    return super.pings(fields);
  }

  #count(pings) {
    const { name } = this.ctx.id;
    calls.set(name, (calls.get(name) ?? 0) + pings);
  }

  async alarmNow() {
    writes = { heads: 0, parts: 0, entries: 0 };
    if (alarms.delete(this.ctx.id.name)) await this.alarm();
    const next = first();
    return { ...writes, next: next ? (next[1] - Date.now()) / 1000 : null };
  }

  async day(views, posts) {
    for (let n = 0; n < views; n++) {
      ahead += 86_400_000 / views;
      const post = `/posts/a-post-with-a-title-${(n * 7919) % posts}`;
      const counted = this.ping(post, `ping-${n}`, `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`, "a browser");
      // Fifty of them share a write.
      if (n % 50 === 0) await counted;
      if (alarms.get("0") <= Date.now()) await this.alarmNow();
    }
  }

  evict() {
    this.ctx.abort("evicted");
  }
}
