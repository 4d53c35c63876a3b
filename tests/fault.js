// Tally, with ways to make it fail: those of src/edge/fault.rs (`/fault`), and objects over a storage that
// is slow or fails (`/slow`, `/full`, `/lost`), which answer what happened, in order; `/caller` what the
// caller of an object sees.

import tally, { Ledger as SoundLedger, Counter as Sound } from "../build/fault/src/entry.js";
import * as rust from "../build/fault/build/tally.js";

/** How often objects were called, and for how many at once. */
let calls = 0;
let largest = 0;
/**
 * How many milliseconds the ledger is away, how many calls from now on it never answers, and of how many the
 * answer is lost.
 */
const ledger = { away: 0, hangs: 0, loses: 0 };

export default {
  async fetch(request, env, context) {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/calls") return Response.json({ calls, largest });
    if (pathname === "/ledger") {
      for (const [name, value] of new URLSearchParams(search)) ledger[name] = Number(value);
      largest = 0;
      return Response.json(ledger);
    }
    if (pathname === "/caller") return Response.json(await called(env.COUNTERS.getByName(search)));
    if (pathname in storages) return Response.json(await storages[pathname]());
    return tally.fetch(request, env, context);
  },
};

function lost(answer) {
  if (ledger.loses > 0 && ledger.loses--) throw new Error("the answer is lost");
  return answer;
}

const never = () => new Promise(() => setInterval(() => {}, 1000));
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Ledger extends SoundLedger {
  async ping(...ping) {
    await this.#away();
    return lost(await super.ping(...ping));
  }

  async skip(...pings) {
    await this.#away();
    return super.skip(...pings);
  }

  /** Takes posts that begin with `bad` for others that cannot be. */
  async pings(fields) {
    await this.#away();
    largest = Math.max(largest, fields.length / 5);
    return lost(await super.pings(fields.map((field, n) => (n % 5 === 0 && field.startsWith("bad") ? "" : field))));
  }

  async #away() {
    calls++;
    if (ledger.away) await sleep(ledger.away);
    if (ledger.hangs > 0 && ledger.hangs--) await never();
  }

  /** Takes its time for all but the beginning. */
  async exported(ledgers, format, cursor) {
    if (cursor) await new Promise((resolve) => setTimeout(resolve, 5000));
    return super.exported(ledgers, format, cursor);
  }
}

export class Counter extends Sound {
  fault(way) {
    return super.fault(way, this.ctx.storage);
  }

  /** An object `far…` takes its time before the instance is needed, `100-ms…` less; `hung…` answers every second time. */
  async getCounterValue() {
    await this.#away();
    return super.getCounterValue();
  }

  async increment(amount) {
    await this.#away();
    return this.#lost(await super.increment(amount));
  }

  async incrementEach(amounts) {
    await this.#away();
    largest = Math.max(largest, amounts.length);
    return this.#lost(await super.incrementEach(amounts));
  }

  #lost(answer) {
    if (this.ctx.id.name.startsWith("far-lost")) throw new Error("the answer is lost");
    return answer;
  }

  async #away() {
    calls++;
    const { name } = this.ctx.id;
    if (name.startsWith("far")) await sleep(300);
    if (name.startsWith("100-ms")) await sleep(100);
    if (name.startsWith("hung") && calls % 2 === 0) await never();
  }
}

/** What the calls of an object come to that are on their way as it breaks. */
async function called(counter) {
  const told = async (call) => {
    try {
      const answer = await call;
      return answer instanceof Response ? `${answer.status} ${await answer.text()}` : `${answer}`;
    } catch (error) {
      return `${error.name}: ${error.message}`;
    }
  };
  // The first write is watched, and those that come meanwhile wait.
  const fetch = () => counter.fetch("http://counter/increment");
  const calls = [fetch(), fetch(), counter.increment(), counter.fault("call")];
  return Promise.all(calls.map(told));
}

const storages = {
  /** Writes arrive when they are told to. */
  async "/slow"() {
    const { counter, events, call, arrive } = over({});
    call("a", () => counter.increment());
    call("b", () => counter.increment(2));
    call("c", () => counter.decrement(3));
    call("read", () => counter.getCounterValue());
    await arrive();
    call("d", () => counter.increment(10));
    await arrive();
    await arrive();
    call("e", () => counter.increment());
    await settled();
    return events;
  },

  /** Every second write is refused. */
  async "/full"() {
    let writes = 0;
    const put = () => {
      if (++writes % 2 === 0) throw new Error("the disk is full");
    };
    const { counter, events, call, arrive } = over({ put });
    call("a", () => counter.increment());
    call("b", () => counter.increment());
    call("c", () => counter.increment());
    await arrive();
    await call("read", () => counter.getCounterValue());
    await call("d", () => counter.increment());
    return events;
  },

  /** The write is lost on its way. */
  async "/lost"() {
    const { counter, events, call, lose } = over({});
    call("a", () => counter.increment());
    call("b", () => counter.increment());
    await lose();
    return events;
  },
};

/** A Rust object over a storage of ours, and a log of its writes and answers. */
function over({ put }) {
  const events = [];
  let stored;
  let watched = Promise.withResolvers();
  const kv = {
    get: () => stored,
    put(key, value) {
      put?.();
      stored = value;
      events.push(`${key} = ${value}`);
    },
  };
  const counter = new rust.Counter({ storage: { kv, sync: () => watched.promise } });
  const next = (settle) => async () => {
    await settled();
    const { [settle]: now } = watched;
    watched = Promise.withResolvers();
    now(new Error("lost"));
    await settled();
  };
  const call = async (name, method) => {
    try {
      events.push(`${name}: ${await method()}`);
    } catch (error) {
      events.push(`${name}: ${error}`);
    }
  };
  return { counter, events, call, arrive: next("resolve"), lose: next("reject") };
}

/** When all that can happen by itself has happened. */
function settled() {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
