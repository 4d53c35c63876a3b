// What fails: a panic costs what was on its way in the Wasm instance, which is told so; an increment is
// answered only after its write, and refused where that fails.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as instance from "../src/instance.js";
import { read, until } from "./visitors.mjs";
import { ROOT, request, serve } from "./workerd.mjs";

const FAULT = `${ROOT}/build/fault/deploy/fault.js`;
const TOKEN = "correct horse battery staple-9f8e7d6c";
const MESSAGE = "The counter did not answer; the count may or may not have changed";
const IN_JSON = JSON.stringify({ error: { code: "unavailable", message: MESSAGE } });
const UNAVAILABLE = `Error: ${MESSAGE}`;
/** The ways of src/edge/fault.rs: those that its request dies of, and those that come after its answer. */
const AT_ONCE = ["call", "future", "storage", "overflow", "start"];
const LATER = ["task", "closure", "answer", "alarm"];

let tally;
before(async () => (tally = await serve(FAULT, { vars: { PUBLISH_SECONDS: 1, DEDUPE_SECONDS: 0, KV_WRITES_PER_DAY: 100_000, ADMIN_TOKEN: TOKEN } })));
after(() => tally.stop());

const get = (path, options) => request(tally.url, path, options);
const panics = () => tally.log().match(/^panicked/gm).length;
const ping = (post) => get(`/views/${post}`, { method: "POST" });

describe("a panic", () => {
  for (const way of AT_ONCE) {
    for (const at of ["", "&name=A"]) {
      test(`is answered with 503, and the next request is served: ${way}${at}`, async () => {
        const name = encodeURIComponent(way + at);
        for (const n of [1, 2]) {
          assert.equal((await get(`/increment?name=${name}`)).body, `Durable Object '${way}${at}' count: ${n}`);
          const { status, body } = await get(`/fault?in=${way}${at}`);
          assert.deepEqual([status, body], [503, at ? IN_JSON : MESSAGE]);
        }
        // The object was in memory, made by an instance that is gone.
        assert.match((await get(`/?name=${name}`)).body, /count: 2$/);
      });
    }
  }

  test("is told in the log, with where it was and its stack", () => {
    assert.match(tally.log(), /panicked at src.edge.fault\.rs:\d+:\d+:\s+a fault was asked for\s+Stack:\s+Error\s+at /);
  });

  test("is told to the callers of an object, and to those whose writes wait", async () => {
    const told = JSON.parse((await get("/caller")).body);
    assert.deepEqual(told, ["200 1", `503 ${MESSAGE}`, UNAVAILABLE, UNAVAILABLE]);
  });

  test("is told where a counter's answer is made, in its format", async () => {
    for (const [accept, body] of [["text/plain", MESSAGE], ["application/json", IN_JSON]]) {
      await get("/fault?in=answer");
      const answer = await get("/increment?name=answer", { headers: { accept } });
      assert.deepEqual([answer.status, answer.body], [503, body]);
      assert.equal(answer.headers["cache-control"], "no-store");
    }
    assert.match((await get("/?name=answer")).body, /count: 2$/);
  });

  test("leaves alone what waits for nothing of the instance", async () => {
    const waiting = get("/decrement?name=far");
    await sleep(100);
    for (const fault of ["/fault?in=call", "/fault?in=call&name=B"]) assert.equal((await get(fault)).status, 503);
    assert.equal((await waiting).body, "Durable Object 'far' count: -1");
  });

  test("cuts an export short that is being sent, at once", async () => {
    const owner = { Authorization: `Bearer ${TOKEN}` };
    const posts = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`${n}-${"x".repeat(100)}`, 1]));
    assert.equal((await get("/import", { method: "POST", headers: owner, body: JSON.stringify(posts) })).status, 200);
    const exported = assert.rejects(get("/export", { headers: owner }), { code: "ECONNRESET" });
    await sleep(500);
    const begun = Date.now();
    await get("/fault?in=call");
    await exported;
    // And not when the ledger has answered.
    assert.ok(Date.now() - begun < 3000);
  });

  test("leaves the alarm to come again, where it was on its way and where it panicked itself", async () => {
    const isPublished = (views) => until(() => read(tally, "/views/alarm"), (told) => told.views === views, 30);
    await ping("alarm");
    assert.equal((await isPublished(1)).views, 1);
    await tally.kv("PUT", "/mode/stall");
    await ping("alarm");
    await sleep(2000);
    await get("/fault?in=call");
    await tally.kv("PUT", "/mode/ok");
    assert.equal((await isPublished(2)).views, 2);
    const before = panics();
    await get("/fault?in=alarm");
    await ping("alarm");
    assert.equal((await isPublished(3)).views, 3);
    assert.equal(panics(), before + 1);
  });
});

test("20 panics under 64 connections: what they cost is told, at once, and counts stay right", async (t) => {
  const faults = [...AT_ONCE, ...LATER].flatMap((way) => [`/fault?in=${way}`, `/fault?in=${way}&name=L0`]);
  faults.push("/fault?in=call", "/fault?in=task&name=L1");
  let alive = true;
  const requests = { 200: 0, 503: 0 };
  let slowest = 0;
  const targets = Array.from({ length: 8 }, (_, n) => target(n));

  /** A counter or a post with what was told of it. */
  function target(n) {
    if (n % 4 === 3) {
      const views = ({ body }) => JSON.parse(body).views;
      return { path: `/views/L${n}`, method: "POST", refusal: IN_JSON, count: views, told: [], unknown: 0 };
    }
    const count = ({ body }) => Number(/count: (\d+)$/.exec(body)[1]);
    return { path: `/increment?name=L${n}`, refusal: MESSAGE, count, told: [], unknown: 0 };
  }

  async function ask(target) {
    const begun = Date.now();
    const answer = await get(target.path, { method: target.method });
    slowest = Math.max(slowest, Date.now() - begun);
    assert.ok([200, 503].includes(answer.status), `${target.path}: ${answer.status} ${answer.body}`);
    requests[answer.status]++;
    if (answer.status === 200) return target.told.push(target.count(answer));
    target.unknown++;
    assert.equal(answer.body, target.refusal);
    if (target.method) assert.equal(answer.headers["access-control-allow-origin"], "*");
  }

  const clients = Array.from({ length: 64 }, async (_, n) => {
    while (alive) await ask(targets[n % targets.length]);
  });
  try {
    for (const fault of faults) {
      const before = panics();
      const { status } = await get(fault);
      assert.ok([200, 503].includes(status), `${fault}: ${status}`);
      // An overflow is no panic.
      if (!fault.includes("overflow")) assert.ok((await until(panics, (now) => now > before)) > before, fault);
      await sleep(100);
    }
  } finally {
    alive = false;
    await Promise.all(clients);
  }
  t.diagnostic(`${requests[200]} answers, ${requests[503]} times 503, the slowest after ${slowest} ms`);
  assert.ok(slowest < 5000, `${slowest} ms`);

  for (const { path, method, count, told, unknown } of targets) {
    const last = count(await get(path, { method })) - 1;
    assert.equal(new Set(told).size, told.length, `${path} told a count twice`);
    assert.ok(told.length <= last && last <= told.length + unknown, `${path}: ${told.length} ≤ ${last} ≤ ${told.length + unknown}`);
    assert.ok(Math.max(...told) <= last, path);
    if (method) assert.equal((await until(() => read(tally, path), ({ views }) => views === last + 1)).views, last + 1);
  }
});

test("answers that are never asked for again do not pile up", async () => {
  let lost = 0;
  instance.use({ watch() {}, __wbg_reset_state() {} });
  for (let n = 0; n < 10_100; n++) instance.call(() => new Promise(() => {}), () => lost++);
  instance.died();
  assert.equal(await until(() => lost, (lost) => lost === 10_000), 10_000);
});

const happened = async (path) => JSON.parse((await get(path)).body);

test("an increment is answered after the write that holds it, and a lone one at once", async () => {
  assert.deepEqual(await happened("/slow"), [
    "value = 1",
    "a: 1",
    "read: 1",
    "value = 0",
    "b: 3",
    "c: 0",
    "value = 10",
    "d: 10",
    "value = 11",
    "e: 11",
  ]);
});

test("a write that fails rejects those who wait for it, and is not counted", async () => {
  assert.deepEqual(await happened("/full"), [
    "value = 1",
    "a: 1",
    `b: ${UNAVAILABLE}`,
    `c: ${UNAVAILABLE}`,
    "read: 1",
    "value = 2",
    "d: 2",
  ]);
});

test("a write that is lost rejects those who wait for the next", async () => {
  assert.deepEqual(await happened("/lost"), ["value = 1", "a: 1", `b: ${UNAVAILABLE}`]);
});
