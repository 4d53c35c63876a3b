// Combined calls: what arrives while a call of a counter is on its way leaves together in the next; every
// answer stays exact and its own, whoever leaves and whatever fails.

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
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

test("a call that never answers: those who wait are told so within 5 s, and the next are served", async () => {
  const { calls: made } = await calls();
  // The next call is answered, the one after it is not.
  if (made % 2) await increment("other");
  const begun = Date.now();
  await increment("hung");
  const lost = leaving("/increment?name=hung", 8000);
  await sleep(10);
  const waiting = all(50, () => increment("hung"));
  const statuses = (await waiting).map(({ status }) => status);
  assert.ok(statuses.every((status) => [200, 503].includes(status)), `${statuses}`);
  assert.ok(Date.now() - begun < 5000, `${Date.now() - begun} ms`);
  await sleep(4100);
  const again = await Promise.race([increment("hung"), increment("hung"), sleep(5000)]);
  assert.equal(again.status, 200);
  await lost;
});

/** A client that closes its connection after so many milliseconds, if it has no answer then. */
function leaving(path, after) {
  const { hostname, port } = new URL(tally.url);
  return new Promise((resolve) => {
    const sent = http.get({ hostname, port, path, agent: false }, (answer) => answer.resume().on("end", resolve));
    sent.on("error", resolve);
    setTimeout(() => sent.destroy(), after);
  });
}
