// Publishing to Workers KV: only what has changed, within the day's budget, and later where it fails;
// and taking over, exactly once, what another program left there.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ping, read, until } from "./visitors.mjs";
import { TALLY, request, serve, temporaryFolder } from "./workerd.mjs";

const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000, DEDUPE_SECONDS: 0 };
const upTo = (n) => Array.from({ length: n }, (_, i) => i + 1);
const writes = ({ operations }) => operations.put + operations.delete;

async function alone({ vars, state }, work) {
  const tally = await serve(TALLY, { vars: { ...VARS, ...vars }, state });
  try {
    return await work(tally);
  } finally {
    await tally.stop();
  }
}

/** Pings a post, which answers this count. */
async function counts(tally, post, views) {
  const { status, told } = await ping(tally, encodeURIComponent(post), 1);
  assert.equal(status, 200);
  assert.deepEqual(told, { post, views, counted: true });
}

/** Waits until a post's published count is this. */
async function published(tally, post, views, seconds) {
  const path = `/views/${encodeURIComponent(post)}`;
  assert.deepEqual(await until(() => read(tally, path), (told) => told.views === views, seconds), { post, views });
}

describe("publishing", { concurrency: true }, () => {
  test("writes the head and the posts that changed, and nothing while nothing changes", () =>
    alone({}, async (tally) => {
      for (const n of upTo(3)) await counts(tally, "142", n);
      await counts(tally, "143", 1);
      const entries = async () => {
        const { ":head": head, ":owner": owner, ...entries } = (await tally.kv()).entries;
        return { ...entries, head: typeof head, owner: /^[0-9a-f]{32}$/.test(owner) };
      };
      const written = (count) => (entries) => entries["142"] === count && entries["143"];
      assert.deepEqual(await until(entries, written("3")), { 142: "3", 143: "1", head: "string", owner: true });
      await published(tally, "142", 3);
      const before = writes(await tally.kv());
      await sleep(3000);
      assert.equal(writes(await tally.kv()), before);
      await counts(tally, "142", 4);
      assert.deepEqual(await until(entries, written("4")), { 142: "4", 143: "1", head: "string", owner: true });
      assert.equal(writes(await tally.kv()), before + 2);
    }));

  test("comes once for all that changes in PUBLISH_SECONDS", () =>
    alone({ vars: { PUBLISH_SECONDS: 2 } }, async (tally) => {
      await counts(tally, "a", 1);
      await until(() => tally.kv(), ({ entries }) => entries.a);
      const before = writes(await tally.kv());
      for (const n of upTo(100)) await counts(tally, "a", n + 1);
      await published(tally, "a", 101);
      const after = await until(() => tally.kv(), ({ entries }) => entries.a === "101");
      assert.equal(after.entries.a, "101");
      // Two heads and two entries, where the pings took long enough for a publication amid them.
      assert.ok(writes(after) - before <= 4, `${writes(after) - before} writes`);
    }));

  test("a budget of 20 writes is not exceeded by any number of pings, and the first is for the head", () =>
    alone({ vars: { KV_WRITES_PER_DAY: 20 } }, async (tally) => {
      const end = Date.now() + 5000;
      let pings = 0;
      while (Date.now() < end) await Promise.all(upTo(50).map(() => ping(tally, `post-${pings++}`, 1)));
      assert.ok(pings > 1000);
      const { entries, operations } = await tally.kv();
      assert.ok(writes({ operations }) <= 20, `${writes({ operations })} writes`);
      assert.ok(":head" in entries);
      assert.ok((await read(tally, "/stats")).kv.writes <= 20);
    }));

  test("what the heads of the day leave of the budget goes to the posts furthest behind", async () => {
    // As many heads as the rest of the day takes, and about 40 entries.
    const rest = Math.ceil((86_400 - (Math.floor(Date.now() / 1000) % 86_400)) / 3);
    await alone({ vars: { PUBLISH_SECONDS: 3, KV_WRITES_PER_DAY: rest + 40 } }, async (tally) => {
      await counts(tally, "first", 1);
      await until(() => tally.kv(), ({ entries }) => entries.first);
      const popular = upTo(20).map((n) => `popular-${n}`);
      const posts = [...upTo(200).map((n) => `other-${n}`), ...popular, ...popular];
      await Promise.all(posts.map((post) => ping(tally, post, 1)));
      const stats = await until(() => read(tally, "/stats"), ({ views }) => views === 241);
      assert.equal(stats.views, 241);
      assert.equal(stats.kv.budget, rest + 40);
      const written = ({ entries }) => popular.every((post) => entries[post] === "2");
      const { entries } = await until(() => tally.kv(), written);
      for (const post of popular) assert.equal(entries[post], "2", post);
      await sleep(4000);
      const { operations } = await tally.kv();
      assert.ok(writes({ operations }) >= 30 && writes({ operations }) <= 50, `${writes({ operations })} writes`);
      assert.equal((await read(tally, "/views/other-200")).views, 1);
    });
  });

  test("while Workers KV fails, pings count, reads get the last copy, and publishing catches up by itself", () =>
    alone({}, async (tally) => {
      let n = 0;
      const mode = (mode) => tally.kv("PUT", `/mode/${mode}`);
      const countTen = async () => {
        for (const _ of upTo(10)) await counts(tally, "a", ++n);
      };
      await countTen();
      await published(tally, "a", 10);
      await until(() => tally.kv(), ({ entries }) => entries.a === "10");
      for (const failure of ["fail", "busy", "stall"]) {
        const last = n;
        const { operations: before } = await mode(failure);
        await countTen();
        // Whose the namespace is, is asked before anything is written.
        const tried = await until(() => tally.kv(), ({ operations }) => operations.get > before.get);
        assert.ok(tried.operations.get > before.get, "publishing is tried");
        await countTen();
        // By now what was read last is too old to be answered without asking again.
        await sleep(150);
        const reading = request(tally.url, "/views/a");
        const asked = await until(() => tally.kv(), ({ operations }) => operations.get > before.get);
        assert.ok(asked.operations.get > before.get, "Workers KV is asked");
        await mode("ok");
        // A call that stalls is given up after ten seconds.
        const { status, body } = await reading;
        assert.equal(status, 200, failure);
        assert.deepEqual(JSON.parse(body), { post: "a", views: last });
        await published(tally, "a", n);
        const { entries } = await until(() => tally.kv(), ({ entries }) => entries.a === `${n}`);
        assert.equal(entries.a, `${n}`);
      }
      await counts(tally, "a", 71);
    }));

  test("where Workers KV fails from the start, pings count, and reads are told that nothing can be read yet", () =>
    alone({}, async (tally) => {
      await tally.kv("PUT", "/mode/fail");
      for (const path of ["/views/a", "/views?post=a", "/top", "/history", "/stats"]) {
        const { status, body, headers } = await request(tally.url, path);
        assert.equal(status, 503, path);
        assert.equal(JSON.parse(body).error.code, "unpublished");
        assert.equal(headers["cache-control"], "no-store");
        assert.equal(headers["access-control-allow-origin"], "*");
      }
      for (const n of upTo(3)) await counts(tally, "a", n);
      await tally.kv("PUT", "/mode/ok");
      await published(tally, "a", 3);
    }));
});

test("where Workers KV never answers from the start, the first pings wait three seconds for it, and count", () =>
  alone({}, async (tally) => {
    await tally.kv("PUT", "/mode/stall");
    const start = Date.now();
    const first = await Promise.all(upTo(20).map((n) => ping(tally, "a", n)));
    assert.deepEqual(first.map(({ told }) => told.views).sort((a, b) => a - b), upTo(20));
    const took = Date.now() - start;
    assert.ok(2500 <= took && took <= 5000, `${took} ms`);
    await counts(tally, "a", 21);
  }));

test("a reader waits three seconds for Workers KV, and then has the last copy at once", () =>
  alone({ vars: { PUBLISH_SECONDS: 10 } }, async (tally) => {
    await counts(tally, "a", 1);
    await published(tally, "a", 1);
    await tally.kv("PUT", "/mode/stall");
    // A copy that is a second old serves while it is read again, and one that is two seconds old is not enough.
    await sleep(1100);
    let start = Date.now();
    assert.deepEqual(await read(tally, "/views/a"), { post: "a", views: 1 });
    assert.ok(Date.now() - start < 900);
    await sleep(4000);
    for (const [least, most] of [[2500, 6000], [0, 900]]) {
      start = Date.now();
      assert.deepEqual(await read(tally, "/views/a"), { post: "a", views: 1 });
      const took = Date.now() - start;
      assert.ok(least <= took && took <= most, `${took} ms`);
    }
  }));

describe("adopting", { concurrency: true }, () => {
  // Neither a count nor a text that a program would take for one.
  const NONE = { words: "abc", below: "-1", half: "1.5", empty: "", large: "9007199254740992", object: "{}", "__proto__x": "NaN", hex: "0x10" };

  test("takes over 2,500 entries, and leaves alone what is not a count", () =>
    alone({}, async (tally) => {
      const old = Object.fromEntries(upTo(2500).map((n) => [`${n}`, `${n % 97 + 1}`]));
      const others = { ":other": "5", ":": "x" };
      await tally.kv("PUT", "/entries", { ...old, ...NONE, ...others, max: "9007199254740991" });
      // The first 50 come at once.
      const first = await Promise.all(upTo(50).map((n) => ping(tally, "7", n)));
      assert.deepEqual(first.map(({ told }) => told.views).sort((a, b) => a - b), upTo(50).map((n) => n + 8));
      for (const n of [1, 96, 97, 1000, 2500]) await counts(tally, `${n}`, n % 97 + 2);
      for (const post of Object.keys(NONE)) await counts(tally, post, 1);
      for (const post of Object.keys(NONE)) await counts(tally, post, 2);
      const sum = Object.values(old).reduce((sum, views) => sum + Number(views), 0) + 55 + 2 * Object.keys(NONE).length;
      await published(tally, "object", 2);
      // The rest comes in parts.
      const { adopted, posts } = await until(() => read(tally, "/stats"), ({ adopted }) => adopted, 30);
      assert.deepEqual(adopted, { posts: 2501, left: Object.keys({ ...NONE, ...others }).length });
      assert.equal(posts, 2501 + Object.keys(NONE).length);
      await published(tally, "2499", 2499 % 97 + 1);
      const { posts: [max, ...top] } = await read(tally, "/top?limit=100");
      assert.deepEqual(max, { post: "max", views: Number.MAX_SAFE_INTEGER });
      assert.deepEqual(top.slice(0, 2), [{ post: "96", views: 98 }, { post: "1066", views: 97 }]);
      assert.equal(top.length, 99);
      const written = ({ entries }) => entries["7"] === "58" && entries["2500"] === `${2500 % 97 + 2}`;
      const { entries } = await until(() => tally.kv(), written);
      for (const [key, value] of Object.entries({ ...NONE, ...others })) assert.equal(entries[key], value, key);
      const changed = { 7: "58", ...Object.fromEntries([1, 96, 97, 1000, 2500].map((n) => [n, `${n % 97 + 2}`])) };
      for (const [key, value] of Object.entries({ ...old, ...changed })) assert.equal(entries[key], value, key);
      const { views } = await read(tally, "/history?days=1").then(({ days }) => days[0]);
      assert.equal(views, sum - Object.values(old).reduce((sum, views) => sum + Number(views), 0), "old views are of no day");
    }));

  test("happens once, whatever the namespace holds at the next start", async () => {
    const state = temporaryFolder();
    await alone({ state }, async (tally) => {
      await tally.kv("PUT", "/entries", { 1: "41", words: "abc" });
      await counts(tally, "1", 42);
      await published(tally, "1", 42);
    });
    await alone({ state }, async (tally) => {
      await tally.kv("PUT", "/entries", { 1: "500", 2: "7", words: "abc" });
      await counts(tally, "1", 43);
      await counts(tally, "2", 1);
      await counts(tally, "words", 1);
      await published(tally, "words", 1);
      assert.deepEqual((await read(tally, "/stats")).adopted, { posts: 1, left: 1 });
      const { entries } = await until(() => tally.kv(), ({ entries }) => entries["1"] === "43");
      assert.equal(entries["1"], "43");
      assert.equal(entries.words, "abc");
      await counts(tally, "1", 44);
    });
  });

  test("begins with a read, too", () =>
    alone({}, async (tally) => {
      await tally.kv("PUT", "/entries", { 1: "41" });
      const told = new Set();
      const views = async () => {
        const { status, body } = await request(tally.url, "/views/1");
        told.add(status === 200 ? JSON.parse(body).views : `${status} ${JSON.parse(body).error.code}`);
        return told;
      };
      await until(views, () => told.has(41));
      assert.deepEqual([...told], ["503 unpublished", 41]);
      assert.deepEqual((await read(tally, "/stats")).adopted, { posts: 1, left: 0 });
    }));

  test("is made up for where Workers KV fails at first", () =>
    alone({}, async (tally) => {
      await tally.kv("PUT", "/entries", { 1: "40", words: "abc" });
      await tally.kv("PUT", "/mode/fail");
      for (const n of upTo(3)) await counts(tally, "1", n);
      await counts(tally, "words", 1);
      // Two alarms come meanwhile.
      const { operations } = await tally.kv();
      const tried = await until(() => tally.kv(), (now) => now.operations.get >= operations.get + 2);
      assert.ok(tried.operations.get >= operations.get + 2);
      assert.deepEqual(tried.entries, { 1: "40", words: "abc" });
      await counts(tally, "1", 4);
      await tally.kv("PUT", "/mode/ok");
      await published(tally, "1", 44);
      await counts(tally, "1", 45);
      await published(tally, "1", 45);
      const { entries } = await until(() => tally.kv(), ({ entries }) => entries["1"] === "45");
      assert.equal(entries["1"], "45");
      assert.equal(entries.words, "abc");
      await counts(tally, "1", 46);
      assert.deepEqual((await read(tally, "/stats")).adopted, { posts: 1, left: 1 });
    }));
});
