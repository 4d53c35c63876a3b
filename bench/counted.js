// Tally with its operations counted, for cost.mjs and tests: calls of the ledger and its alarms,
// rows that it writes. Where it simulates, the clock is the ledger's own, and so are the alarms;
// everything else, storage first of all, is real.
//
//   GET /evict                             forgets the ledger in memory
//   GET /publish                           publishes as if an hour had passed
//   GET /operations                        {"requests", "rows"} since the start, and what single "pings" have told
//   GET /simulate?views=&seconds=&posts=   the same, of that many isolated views at even distances

import tally, { Counter, Ledger as Plain } from "../src/entry.js";

export { Counter };

export default {
  async fetch(request, env, context) {
    const { pathname, searchParams } = new URL(request.url);
    const ledger = env.LEDGER.getByName("0");
    if (pathname === "/operations") return Response.json(await ledger.operations());
    if (pathname === "/publish") return Response.json(await ledger.publish());
    if (pathname === "/evict") {
      await ledger.evict().catch(() => {});
      return new Response();
    }
    if (pathname === "/simulate") {
      const [views, seconds, posts] = ["views", "seconds", "posts"].map((name) => Number(searchParams.get(name)));
      return Response.json(await ledger.simulate(views, seconds, posts));
    }
    return tally.fetch(request, env, context);
  },
};

const counts = { requests: 0, rows: 0, pings: [] };
/** While a simulation runs, when the alarm is to come. */
let alarm;
let simulating = false;
let hours = 0;

/** Workers KV that takes anything and has nothing. */
const stub = {
  get: async () => null,
  put: async () => {},
  delete: async () => {},
  list: async () => ({ keys: [], list_complete: true }),
};

export class Ledger extends Plain {
  constructor(ctx, env) {
    super(ctx, env.STUB ? { ...env, VIEWS: stub } : env);
    const { storage } = ctx;
    counting(storage, "setAlarm", (at) => {
      alarm = at;
      return simulating ? Promise.resolve() : undefined;
    });
    counting(storage.kv, "put");
    counting(storage.kv, "delete");
  }

  operations() {
    return counts;
  }

  evict() {
    this.ctx.abort("evicted");
  }

  async publish() {
    const later = (hours += 1) * 3_600_000 + Date.now();
    const now = Date.now;
    Date.now = () => later;
    await this.alarm();
    Date.now = now;
  }

  async simulate(views, seconds, posts) {
    simulating = true;
    const before = { ...counts };
    const now = Date.now;
    // From midnight on, so that a day is one day of the budget.
    const start = Math.ceil(now() / 86_400_000) * 86_400_000;
    for (let n = 0; n < views; n++) {
      const at = start + (n * seconds * 1000) / views;
      while (alarm !== undefined && alarm <= at) {
        const due = alarm;
        alarm = undefined;
        Date.now = () => due;
        await this.alarm();
      }
      Date.now = () => at;
      await this.ping(`/posts/a-post-with-a-title-${(n * 7919) % posts}`, undefined, `10.0.${n >> 8}.${n & 255}`, "a browser");
      // The next one comes when this one is written.
      await this.ctx.storage.sync();
    }
    Date.now = now;
    simulating = false;
    return { requests: counts.requests - before.requests, rows: counts.rows - before.rows };
  }
}

for (const method of ["ping", "pings", "skip", "claim", "judged", "alarm"]) {
  const plain = Ledger.prototype[method];
  Ledger.prototype[method] = function (...args) {
    counts.requests++;
    if (method === "ping" && counts.pings.length < 100) counts.pings.push(args);
    return plain.apply(this, args);
  };
}

/** Counts the calls of a method as rows; `instead` may answer them. */
function counting(object, method, instead = () => undefined) {
  const prototype = Object.getPrototypeOf(object);
  const plain = prototype[method];
  prototype[method] = function (...args) {
    counts.rows++;
    return instead(...args) ?? plain.apply(this, args);
  };
}
