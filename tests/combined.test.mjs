// Combined calls: what arrives while a call of a counter or of the ledger is on its way leaves together in
// the next; every answer stays exact and its own, whoever leaves and whatever fails.

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { combined } from "../src/lanes.js";
import { ping as pingAs, until, visitor } from "./visitors.mjs";
import { ROOT, request, serve } from "./workerd.mjs";

const MAX = Number.MAX_SAFE_INTEGER;

let tally;
before(async () => (tally = await serve(`${ROOT}/build/fault/deploy/fault.js`)));
// With SIGKILL, because a call hangs in the end.
after(() => tally.stop("SIGKILL"));

const get = (path) => request(tally.url, path);
const increment = (name, amount = 1) => get(`/increment?name=${name}&amount=${amount}`);
const counted = ({ body }) => Number(/count: (-?\d+)$/.exec(body)?.[1]);
const calls = async () => JSON.parse((await get("/calls")).body);
const sum = (numbers) => numbers.reduce((sum, n) => sum + n, 0);
const all = (n, work) => Promise.all(Array.from({ length: n }, (_, i) => work(i)));

test("hundreds at once share a few calls, and each gets its own number", async () => {
  await increment("far-many");
  const before = await calls();
  const counts = (await all(500, () => increment("far-many"))).map(counted);
  assert.deepEqual(counts.sort((a, b) => a - b), Array.from({ length: 500 }, (_, n) => n + 2));
  const after = await calls();
  assert.ok(after.calls - before.calls <= 8, `${after.calls - before.calls} calls`);
  assert.ok(after.largest >= 100 && after.largest <= 256, `${after.largest} in one call`);
});

test("each amount is counted as if it came alone", async () => {
  const amounts = [5, -3, 11, 0, -20, 7, 100, 42];
  const counts = (await all(amounts.length, (n) => increment("far-amounts", amounts[n]))).map(counted);
  assert.equal(counted(await get("/?name=far-amounts")), sum(amounts));
  // The first left alone, the others together, in the order in which they came.
  const orders = counts.map((count, n) => [count - amounts[n], count]);
  let at = 0;
  for (let left = [...orders]; left.length; ) {
    const next = left.findIndex(([before]) => before === at);
    assert.ok(next >= 0, `no increment started at ${at}: ${JSON.stringify(orders)}`);
    at = left.splice(next, 1)[0][1];
  }
});

test("reads share calls too, and each tells all that was counted before", async () => {
  await increment("far-read", 5);
  const before = await calls();
  const first = all(100, () => get("/?name=far-read"));
  await sleep(350);
  const counting = increment("far-read", 7);
  const second = all(100, () => get("/?name=far-read"));
  assert.equal(counted(await counting), 12);
  const third = await all(100, () => get("/?name=far-read"));
  assert.ok((await first).every((answer) => counted(answer) === 5));
  assert.ok((await second).every((answer) => [5, 12].includes(counted(answer))));
  assert.ok(third.every((answer) => counted(answer) === 12));
  const after = await calls();
  assert.ok(after.calls - before.calls <= 10, `${after.calls - before.calls} calls`);
});

test("one that leaves the range fails alone", async () => {
  await increment("far-range", MAX - 10);
  const answers = await all(30, (n) => increment("far-range", n % 3 ? 1000 : n === 0 ? 1 : -1));
  assert.ok(answers.every(({ status }, n) => status === (n % 3 ? 409 : 200)), JSON.stringify(answers.map(({ status }) => status)));
  assert.equal(counted(await get("/?name=far-range")), MAX - 10 + 1 - 9);
});

test("where the object breaks, those who wait are told at once, and the next are served", async () => {
  assert.equal(counted(await increment("far-broken")), 1);
  const begun = Date.now();
  const waiting = all(20, () => increment("far-broken"));
  await sleep(100);
  await get("/fault?in=call&name=B");
  const statuses = (await waiting).map(({ status }) => status);
  assert.ok(statuses.every((status) => [200, 503].includes(status)), `${statuses}`);
  assert.ok(Date.now() - begun < 3000, `${Date.now() - begun} ms`);
  assert.equal((await increment("far-broken")).status, 200);
});

test("clients that leave harm nobody: 600 at once, two of three leave, the first ones too", async () => {
  for (let round = 0; round < 3; round++) {
    const before = counted(await get("/?name=far-left"));
    const stay = [];
    const leave = [];
    for (let n = 0; n < 600; n++) {
      if (n % 3 === 2) stay.push(increment("far-left"));
      else leave.push(leaving("/increment?name=far-left", (n % 7) * 60));
      if (n % 100 === 0) await sleep(20);
    }
    const counts = (await Promise.all(stay)).map(counted);
    await Promise.all(leave);
    assert.equal(new Set(counts).size, 200, "each its own");
    assert.ok(counts.every(Number.isFinite));
    await sleep(400);
    const begun = Date.now();
    const last = counted(await increment("far-left"));
    assert.ok(Date.now() - begun < 1000, "the lane is free");
    assert.ok(last - before > 200 && last - before <= 601, `${last - before}`);
  }
});

test("where whoever made the call leaves, and whoever was to make the next, the others are served", async () => {
  await increment("far-leaders");
  await areServed(() => increment("far-leaders"), "/increment?name=far-leaders");
});

test("a call whose answer is lost is not made again", async () => {
  const answers = await all(50, () => increment("far-lost"));
  assert.ok(answers.every(({ status }) => status === 503));
  assert.equal(counted(await get("/?name=far-lost")), 50);
});

test("a call that never answers: those who wait are told so within 5 s, and the next are served", async () => {
  const { calls: made } = await calls();
  // The next call is answered, the one after it is not.
  if (made % 2) await increment("other");
  const begun = Date.now();
  await increment("hung");
  const waiting = [increment("hung")];
  await sleep(10);
  waiting.push(...Array.from({ length: 50 }, () => increment("hung")));
  const statuses = (await Promise.all(waiting)).map(({ status }) => status);
  assert.ok(statuses.every((status) => [200, 503].includes(status)), `${statuses}`);
  assert.ok(statuses.includes(503), "one was not answered");
  assert.ok(Date.now() - begun < 5000, `${Date.now() - begun} ms`);
  const again = await Promise.race([increment("hung"), increment("hung"), sleep(5000)]);
  assert.equal(again.status, 200);
});

test("a counter 100 ms away: the median reader waits less than one and a half round trips", async () => {
  await increment("100-ms");
  await isQuick(() => increment("100-ms"));
});

describe("pings", () => {
  const AGENT = { "User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)" };
  let visitors = 0;
  let post = 0;
  const ping = (post, headers, n = visitors++) => pingAs(tally, post, n, headers);
  const ledger = (settings = "away=0&hangs=0") => get(`/ledger?${settings}`);
  const upTo = (n, from = 1) => Array.from({ length: n }, (_, i) => from + i);
  const sorted = (numbers) => numbers.toSorted((a, b) => a - b);

  // While the ledger takes over what is in Workers KV, it wants pings of new posts one by one.
  before(async () => {
    const made = async () => {
      const { calls: before } = await calls();
      await all(20, () => ping("first"));
      return (await calls()).calls - before;
    };
    assert.ok((await until(made, (calls) => calls < 10)) < 10);
  });
  beforeEach(async () => {
    await ledger();
    await ping((post = `post-${visitors}`));
    await ledger("away=300");
  });
  after(() => ledger());

  test("hundreds at once share a few calls, and each gets its own number", async () => {
    const before = await calls();
    const answers = await all(500, () => ping(post));
    assert.ok(answers.every(({ told }) => told.counted && told.post === post));
    assert.deepEqual(sorted(answers.map(({ told }) => told.views)), upTo(500, 2));
    const after = await calls();
    assert.ok(after.calls - before.calls <= 8, `${after.calls - before.calls} calls`);
    assert.ok(after.largest >= 100 && after.largest <= 256, `${after.largest} in one call`);
  });

  test("of each visitor's pings in a call one counts, and the others are told that they are repeats", async () => {
    const first = visitors;
    visitors += 50;
    const answers = await all(200, (n) => ping(post, {}, first + (n % 50)));
    const counted = answers.filter(({ told }) => told.counted).map(({ told }) => told.views);
    assert.deepEqual(sorted(counted), upTo(50, 2));
    const repeats = answers.filter(({ told }) => !told.counted);
    assert.ok(repeats.every(({ told }) => told.reason === "duplicate" && told.views > 1 && told.views <= 51));
    assert.equal((await ping(post)).told.views, 52);
  });

  test("an id counts once, also within a call", async () => {
    const answers = await all(60, (n) => ping(`${post}?id=${post}-${n % 20}`));
    assert.equal(answers.filter(({ told }) => told.counted).length, 20);
    assert.equal(answers.filter(({ told }) => told.reason === "duplicate").length, 40);
  });

  test("crawlers and pages fetched ahead are told so, and do not count", async () => {
    const kinds = [[{}, undefined], [AGENT, "bot"], [{ "Sec-Purpose": "prefetch" }, "prefetch"]];
    const answers = await all(120, (n) => ping(post, kinds[n % 3][0]));
    for (const [n, { status, told }] of answers.entries()) {
      assert.equal(status, 200);
      assert.equal(told.reason, kinds[n % 3][1]);
      assert.equal(told.counted, told.reason === undefined);
      assert.ok(told.views >= 1 && told.views <= 41);
    }
    assert.deepEqual(sorted(answers.filter(({ told }) => told.counted).map(({ told }) => told.views)), upTo(40, 2));
  });

  test("each post of a call gets its own numbers", async () => {
    const posts = upTo(10).map((n) => `${post}/${n}`);
    const answers = await all(200, (n) => ping(posts[n % 10]));
    for (const post of posts) {
      const views = answers.filter(({ told }) => told.post === post).map(({ told }) => told.views);
      assert.deepEqual(sorted(views), upTo(20));
    }
  });

  test("one that fails does so alone", async () => {
    const answers = await all(90, (n) => ping(n % 3 || n === 0 ? post : `bad-${n}`));
    const failed = answers.filter(({ status }) => status !== 200);
    assert.equal(failed.length, 29);
    assert.ok(failed.every(({ status, told }) => status === 400 && told.error.code === "invalid_post"));
    const views = answers.filter(({ status }) => status === 200).map(({ told }) => told.views);
    assert.deepEqual(sorted(views), upTo(61, 2));
  });

  test("clients that leave harm nobody: 600 at once, two of three leave, the first ones too", async () => {
    for (let round = 0; round < 3; round++) {
      const before = (await ping(post)).told.views;
      const stay = [];
      const leave = [];
      for (let n = 0; n < 600; n++) {
        if (n % 3 === 2) stay.push(ping(post));
        else leave.push(leaving(`/views/${post}`, (n % 7) * 60, { method: "POST", headers: visitor(visitors++) }));
        if (n % 100 === 0) await sleep(20);
      }
      const views = (await Promise.all(stay)).map(({ told }) => told.views);
      await Promise.all(leave);
      assert.ok(views.every(Number.isFinite));
      assert.equal(new Set(views).size, 200, "each its own");
      await sleep(400);
      const begun = Date.now();
      const last = (await ping(post)).told.views;
      assert.ok(Date.now() - begun < 1000, "the lane is free");
      assert.ok(last - before > 200 && last - before <= 601, `${last - before}`);
    }
  });

  test("where whoever made the call leaves, and whoever was to make the next, the others are served", () =>
    areServed(() => ping(post), `/views/${post}`, { method: "POST", headers: visitor(visitors++) }));

  test("where the object breaks, those who wait are told at once, and the next are served", async () => {
    const begun = Date.now();
    const waiting = all(20, () => ping(post));
    await sleep(350);
    await get("/fault?in=call&name=B");
    const statuses = (await waiting).map(({ status }) => status);
    assert.ok(statuses.every((status) => [200, 503].includes(status)), `${statuses}`);
    assert.ok(Date.now() - begun < 3000, `${Date.now() - begun} ms`);
    const { status, told } = await ping(post);
    assert.equal(status, 200);
    assert.ok(told.views <= 22);
  });

  test("a call whose answer is lost is not made again", async () => {
    await ledger("loses=50");
    const answers = await all(50, () => ping(post));
    assert.ok(answers.every(({ status }) => status === 503));
    await ledger("loses=0");
    assert.equal((await ping(post)).told.views, 1 + 50 + 1);
  });

  test("a call that never answers: all are told so within 5 s, the next are served, and nothing counts twice", async () => {
    for (const alone of [true, false]) {
      await ledger("away=50&hangs=1");
      const before = (alone ? 0 : 1) + (await count());
      const begun = Date.now();
      const waiting = [ping(post)];
      if (!alone) {
        await sleep(10);
        waiting.push(...Array.from({ length: 300 }, () => ping(post)));
      }
      const answers = await Promise.all(waiting);
      assert.ok(Date.now() - begun < 5000, `${Date.now() - begun} ms`);
      assert.ok(answers.every(({ status }) => [200, 503].includes(status)));
      assert.ok(answers.some(({ status }) => status === 503), "one was not answered");
      const views = answers.filter(({ status }) => status === 200).map(({ told }) => told.views);
      assert.equal(new Set(views).size, views.length);
      const last = (await ping(post)).told.views;
      assert.ok(last - before <= waiting.length + 1, `${last - before} of ${waiting.length}`);
    }

    /** The post's views, of a ping that does not hang. */
    async function count() {
      await ledger("hangs=0");
      const { told } = await ping(post);
      await ledger("hangs=1");
      return told.views;
    }
  });

  test("a ledger 100 ms away: the median reader waits less than one and a half round trips", async () => {
    await ledger("away=100");
    await isQuick(() => ping(post));
  });
});

describe("a lane", () => {
  const context = { waitUntil: (promise) => promise };
  const echo = { one: async (item) => item, many: async (items) => items };

  test("whose object throws at once tells that, and goes on", async () => {
    const lanes = new Map();
    const fail = () => {
      throw new RangeError("no such object");
    };
    const told = await all(20, () => combined(lanes, "a", 1, context, { one: fail, many: fail }));
    assert.ok(told.every((error) => error instanceof RangeError));
    assert.equal(await combined(lanes, "a", 2, context, echo), 2);
  });

  test("has a second call where the first is lost, and a third when that is given up", async () => {
    const lanes = new Map();
    const lost = { one: () => new Promise(() => {}), many: () => new Promise(() => {}) };
    const begun = Date.now();
    const first = [combined(lanes, "a", 1, context, lost)];
    await sleep(100);
    assert.equal(await combined(lanes, "a", 2, context, echo), 2);
    first.push(combined(lanes, "a", 3, context, lost));
    await sleep(100);
    const third = combined(lanes, "a", 4, context, echo);
    assert.ok((await Promise.all(first)).every((error) => error instanceof Error));
    assert.equal(await third, 4);
    assert.ok(Date.now() - begun < 5000);
  });

  test("is not kept waiting by a clock that was set back or forward", async (t) => {
    const { now } = Date;
    t.after(() => (Date.now = now));
    for (const jump of [-86_400_000, 86_400_000]) {
      const lanes = new Map();
      const slow = { one: (item) => sleep(300, item), many: (items) => sleep(300, items) };
      const first = combined(lanes, "a", 1, context, slow);
      Date.now = () => now() + jump;
      const begun = performance.now();
      assert.equal(await combined(lanes, "a", 2, context, echo), 2);
      assert.ok(performance.now() - begun < 100, "the first counts as lost");
      assert.equal(await first, 1);
      assert.deepEqual(await all(20, (n) => combined(lanes, "a", n, context, echo)), Array.from({ length: 20 }, (_, n) => n));
      assert.ok(performance.now() - begun < 1000);
      Date.now = now;
    }
  });

  test("is not kept for ever", async () => {
    const lanes = new Map();
    for (let n = 0; n < 5000; n++) assert.equal(await combined(lanes, `name-${n}`, n, context, echo), n);
    assert.ok(lanes.size <= 1000, `${lanes.size}`);
  });
});

/** The first two leave while the call of the first is on its way, and nobody comes later than that. */
async function areServed(ask, path, options) {
  const left = [leaving(path, 100, options)];
  await sleep(10);
  left.push(leaving(path, 100, options));
  await sleep(10);
  const begun = Date.now();
  const answers = await all(10, ask);
  assert.ok(answers.every(({ status }) => status === 200), `${answers.map(({ status }) => status)}`);
  assert.ok(Date.now() - begun < 2000, `${Date.now() - begun} ms`);
  await Promise.all(left);
}

/** 300 readers who come one by one over three seconds: half of them wait for less than 150 ms. */
async function isQuick(ask) {
  const waits = await all(300, async () => {
    await sleep(Math.random() * 3000);
    const begun = performance.now();
    assert.equal((await ask()).status, 200);
    return performance.now() - begun;
  });
  const median = waits.sort((a, b) => a - b)[150];
  assert.ok(median >= 100 && median < 150, `${median} ms`);
}

/**
 * A client that resets its connection after so many milliseconds, if it has no answer then: workerd cancels
 * the request at once. One that only closes it is noticed when it is answered.
 */
function leaving(path, after, options = {}) {
  const { hostname, port } = new URL(tally.url);
  return new Promise((resolve) => {
    const sent = http.request({ hostname, port, path, agent: false, ...options }, (answer) => answer.resume().on("end", resolve));
    sent.on("error", resolve).end();
    setTimeout(() => sent.socket?.resetAndDestroy(), after);
  });
}
