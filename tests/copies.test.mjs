// Large sites, which are published in parts; and what one deployment makes of what another has published.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ping, read, until } from "./visitors.mjs";
import { TALLY, request, serve, temporaryFolder } from "./workerd.mjs";

const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000, DEDUPE_SECONDS: 0, ADMIN_TOKEN: "secret", LISTS: "/0, /none" };
const OWNER = { Authorization: "Bearer secret" };
const DAY = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);

/** Posts with names as long as they may be, so that few of them make a large site. */
const name = (n) => `/${`${n}`.padEnd(511, "x")}`;
const encoded = (n) => encodeURIComponent(name(n));
const views = (n) => n + 1;

async function withServer(options, work) {
  const tally = await serve(TALLY, { ...options, vars: VARS });
  try {
    return await work(tally);
  } finally {
    await tally.stop();
  }
}

/** Gives a Tally so many posts, and waits until they are published. */
async function fill(tally, posts) {
  for (let from = 0; from < posts; from += 5000) {
    const some = Array.from({ length: Math.min(5000, posts - from) }, (_, i) => from + i);
    const body = some.map((n) => JSON.stringify({ post: name(n), views: views(n), days: { [DAY]: views(n) } })).join("\n");
    const { status, body: answer } = await request(tally.url, "/import?mode=replace", { method: "POST", headers: OWNER, body });
    assert.equal(status, 200, answer);
  }
  const stats = await until(() => read(tally, "/stats"), (stats) => stats.posts === posts && stats.oldest === stats.published, 30);
  assert.equal(stats.posts, posts);
}

const exported = async (tally) => (await request(tally.url, "/export?format=ndjson", { headers: OWNER })).body.split("\n").sort();

describe("a large site", () => {
  test("is published in parts, and every read of it is right", () =>
    withServer({}, async (tally) => {
      await fill(tally, 10_000);
      const { entries } = await tally.kv();
      const parts = Object.keys(entries).filter((key) => key.startsWith(":page:"));
      assert.ok(parts.length >= 5 && parts.length <= 16, `${parts.length} parts`);
      for (const [key, value] of Object.entries(entries)) assert.ok(value.length < 2 << 20, key);
      const some = Array.from({ length: 100 }, (_, i) => i * 97);
      for (const _ of [1, 2]) {
        const { status, body } = await request(tally.url, `/views?${some.slice(0, 25).map((n) => `post=${encoded(n)}`).join("&")}`);
        assert.equal(status, 200);
        assert.deepEqual(JSON.parse(body).views, Object.fromEntries(some.slice(0, 25).map((n) => [name(n), views(n)])));
        for (const n of some) assert.equal((await read(tally, `/views/${encoded(n)}`)).views, views(n));
      }
      assert.equal((await read(tally, "/views/unknown")).views, 0);
      const { days } = await read(tally, `/history?days=2&post=${encoded(4711)}`);
      assert.equal(days[0].views, views(4711));
      const top = async (query) => (await read(tally, `/top?limit=100${query}`)).posts.map(({ post }) => post);
      const last = Array.from({ length: 100 }, (_, i) => name(9999 - i));
      for (const query of ["", "&period=week", "&period=month"]) assert.deepEqual(await top(query), last);
      assert.deepEqual(await top("&period=day"), []);
      assert.deepEqual(await top("&prefix=/0"), [name(0)]);
      assert.deepEqual(await top("&prefix=/none&period=week"), []);
      const refused = await request(tally.url, "/top?prefix=/1");
      assert.equal(refused.status, 400);
      assert.equal(JSON.parse(refused.body).error.code, "unknown_list");
      const { told } = await ping(tally, encoded(5), 1);
      assert.equal(told.views, views(5) + 1);
      const path = `/views/${encoded(5)}`;
      assert.equal((await until(() => read(tally, path), (post) => post.views > views(5))).views, views(5) + 1);
    }));
});

describe("a part that is missing or damaged", () => {
  test("is an error for its posts, and never a zero; the others are right", async () => {
    const published = await withServer({}, async (tally) => {
      await fill(tally, 6000);
      return tally.kv("GET", "/bytes");
    });
    const [missing, damaged] = Object.keys(published).filter((key) => key.startsWith(":page:"));
    delete published[missing];
    published[damaged] = Buffer.from(published[damaged], "base64").subarray(0, -1).toString("base64");
    await withServer({}, async (tally) => {
      await tally.kv("PUT", "/bytes", published);
      const seen = new Set();
      for (let n = 0; n < 40; n++) {
        const { status, body } = await request(tally.url, `/views/${encoded(n)}`);
        const told = JSON.parse(body);
        if (status === 200) assert.equal(told.views, views(n));
        seen.add(told.error?.code ?? status);
      }
      assert.deepEqual([...seen].sort(), [200, "unpublished", "unreadable"]);
      assert.equal((await read(tally, "/stats")).posts, 6000);
    });
  });
});

describe("what was published", () => {
  for (const posts of [3, 6000]) {
    test(`restores ${posts} posts of a ledger that has lost its storage`, async () => {
      const [published, before] = await withServer({}, async (tally) => {
        await fill(tally, posts);
        await request(tally.url, `/views/${encoded(1)}`, { method: "POST", headers: { "User-Agent": "Googlebot" } });
        await until(() => read(tally, "/stats"), (stats) => stats.not_counted.bot === 1);
        return [await tally.kv("GET", "/bytes"), await exported(tally)];
      });
      await withServer({}, async (tally) => {
        await tally.kv("PUT", "/bytes", published);
        // Its part is read before it is counted.
        assert.equal((await ping(tally, encoded(2), 1)).told.views, views(2) + 1);
        const stats = await until(() => read(tally, "/stats"), (stats) => stats.views === 1 + (posts * (posts + 1)) / 2, 30);
        assert.equal(stats.views, 1 + (posts * (posts + 1)) / 2);
        assert.equal(stats.not_counted.bot, 1);
        assert.equal((await request(tally.url, `/views/${encoded(2)}`, { method: "PUT", headers: OWNER, body: `${views(2)}` })).status, 200);
        const withoutToday = (lines) => lines.filter((line) => !line.includes(name(2)));
        const after = await until(() => exported(tally), (lines) => lines.length === before.length, 30);
        assert.deepEqual(withoutToday(after), withoutToday(before));
      });
    });
  }

  test("is not overwritten by a second deployment, which says so", async () => {
    const state = temporaryFolder();
    const first = await withServer({ state }, async (tally) => {
      await fill(tally, 3);
      return tally.kv("GET", "/bytes");
    });
    // The second one has lost its storage, so it goes on in the place of the first.
    const second = await withServer({}, async (tally) => {
      await tally.kv("PUT", "/bytes", first);
      await ping(tally, "second", 1);
      await until(() => read(tally, "/views/second"), ({ views }) => views === 1);
      return tally.kv("GET", "/bytes");
    });
    assert.notEqual(second[":owner"], first[":owner"]);
    await withServer({ state }, async (tally) => {
      await tally.kv("PUT", "/bytes", second);
      assert.equal((await ping(tally, "first", 1)).told.views, 1);
      const refused = await until(() => tally.kv(), ({ entries }) => entries[":refused"]);
      assert.match(refused.entries[":refused"], /^\d+$/);
      const { refused: since } = await until(() => read(tally, "/stats"), ({ refused }) => refused);
      assert.ok(Math.abs(new Date(since) - Date.now()) < 60_000, since);
      assert.match(tally.log(), /another deployment/);
      const { ":refused": _, ...after } = await tally.kv("GET", "/bytes");
      assert.deepEqual(after, second);
      assert.equal((await read(tally, "/views/first")).views, 0);
      assert.equal((await read(tally, "/views/second")).views, 1);
    });
  });

  test("is left alone where it cannot be read", () =>
    withServer({}, async (tally) => {
      await tally.kv("PUT", "/entries", { ":head": "of a newer version", 142: "7" });
      assert.equal((await ping(tally, "142", 1)).told.views, 8);
      assert.equal((await request(tally.url, "/stats")).status, 503);
      await until(() => tally.log(), (log) => /cannot be read/.test(log));
      const { entries } = await tally.kv();
      assert.equal(entries[":head"], "of a newer version");
      assert.equal(entries["142"], "7");
    }));
});
