// Views are counted exactly: under concurrency, once for each visitor and each id, across restarts
// and eviction, and for every post that may be named.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { HOSTILE, ping, read, until } from "./visitors.mjs";
import { TALLY, openDatabases, request, serve, temporaryFolder } from "./workerd.mjs";

const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000 };
const upTo = (n) => Array.from({ length: n }, (_, i) => i + 1);
const sorted = (counts) => counts.sort((a, b) => a - b);
const views = (answers) => answers.map(({ told }) => told.views);

/** Runs `work` with a Worker of its own. */
async function alone(vars, work, state) {
  const tally = await serve(TALLY, { vars: { ...VARS, ...vars }, state });
  try {
    return await work(tally);
  } finally {
    await tally.stop();
  }
}

async function counts(pinged, post, count) {
  const { status, told } = await pinged;
  assert.equal(status, 200);
  assert.deepEqual(told, { post, views: count, counted: true });
}

async function repeats(pinged, post, count) {
  const { status, told } = await pinged;
  assert.equal(status, 200);
  assert.deepEqual(told, { post, views: count, counted: false, reason: "duplicate" });
}

describe("under concurrency", () => {
  test("1,000 visitors of one post are answered 1 to 1,000, each once", () =>
    alone({}, async (tally) => {
      const answers = await Promise.all(upTo(1000).map((n) => ping(tally, "viral", n)));
      assert.deepEqual(sorted(views(answers)), upTo(1000));
      assert.ok(answers.every(({ status, told }) => status === 200 && told.counted));
      const published = await until(() => read(tally, "/views/viral"), ({ views }) => views === 1000);
      assert.deepEqual(published, { post: "viral", views: 1000 });
    }));

  test("1,000 visitors of 100 posts: each post is exact, and so is the sum", () =>
    alone({}, async (tally) => {
      const posts = upTo(100).map((n) => `post-${n}`);
      // As many views as the number in the name, in any order.
      const pings = posts.flatMap((post, i) => upTo(i % 19 + 1).map((n) => ({ post, n })));
      await Promise.all(pings.sort((a, b) => a.n - b.n).map(({ post, n }) => ping(tally, post, n)));
      const stats = await until(() => read(tally, "/stats"), ({ views }) => views === pings.length);
      assert.equal(stats.views, pings.length);
      assert.equal(stats.posts, 100);
      const all = await read(tally, `/views?${posts.map((post) => `post=${post}`).join("&")}`);
      assert.deepEqual(all, { views: Object.fromEntries(posts.map((post, i) => [post, i % 19 + 1])) });
    }));
});

describe("a repeat", () => {
  let tally;
  before(async () => (tally = await serve(TALLY, { vars: VARS })));
  after(() => tally.stop());

  test("adds nothing within DEDUPE_SECONDS, and is told", async () => {
    await counts(ping(tally, "a", 1), "a", 1);
    await repeats(ping(tally, "a", 1), "a", 1);
    await counts(ping(tally, "a", 2), "a", 2);
    await repeats(ping(tally, "a", 1), "a", 2);
    await counts(ping(tally, "b", 1), "b", 1);
    await counts(ping(tally, "a", 1, { "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Firefox/145.0" }), "a", 3);
  });

  test("50 at once of one visitor count once", async () => {
    const answers = await Promise.all(upTo(50).map(() => ping(tally, "at-once", 1)));
    assert.equal(answers.filter(({ told }) => told.counted).length, 1);
    assert.deepEqual(views(answers), upTo(50).map(() => 1));
  });

  test("the same id, 50 times at once from as many visitors, counts once", async () => {
    const answers = await Promise.all(upTo(50).map((n) => ping(tally, "ids?id=first", n)));
    assert.equal(answers.filter(({ told }) => told.counted).length, 1);
    assert.deepEqual(views(answers), upTo(50).map(() => 1));
    await counts(ping(tally, "ids?id=second", 51), "ids", 2);
    await repeats(ping(tally, "ids?id=second", 52), "ids", 2);
    // Visitor 52 has not been counted yet, and needs no id.
    await counts(ping(tally, "ids", 52), "ids", 3);
    await counts(ping(tally, `ids?id=${"é".repeat(64)}`.replaceAll("é", "%C3%A9"), 53), "ids", 4);
  });

  for (const signal of ["Sec-GPC", "DNT"]) {
    test(`is not recognized where ${signal} asks for that, except by its id`, async () => {
      const post = `private-${signal}`;
      const one = { [signal]: "1" };
      for (const n of upTo(3)) await counts(ping(tally, post, 1, one), post, n);
      await counts(ping(tally, `${post}?id=${signal}`, 1, one), post, 4);
      await repeats(ping(tally, `${post}?id=${signal}`, 1, one), post, 4);
      // No mark was kept of those.
      await counts(ping(tally, post, 1, { [signal]: "0" }), post, 5);
      await repeats(ping(tally, post, 1, { [signal]: "0" }), post, 5);
    });
  }

  test("is told by CF-Connecting-IP and by no other header", async () => {
    const others = (address) => ({
      "X-Forwarded-For": address,
      "X-Real-IP": address,
      "True-Client-IP": address,
      Forwarded: `for=${address}`,
    });
    await counts(ping(tally, "headers", 1, others("192.0.2.1")), "headers", 1);
    await repeats(ping(tally, "headers", 1, others("192.0.2.2")), "headers", 1);
    await counts(ping(tally, "headers", 2, others("192.0.2.1")), "headers", 2);
  });
});

describe("of a Worker of its own", { concurrency: true }, () => {
  test("DEDUPE_SECONDS = 1: a visitor counts again after a second", () =>
    alone({ DEDUPE_SECONDS: 1 }, async (tally) => {
      // Two pings within one second: where the clock went on between them, another try.
      let pinged;
      for (let n = 1; n <= 5 && pinged?.told.counted !== false; n++) {
        await ping(tally, `a${n}`, 1);
        pinged = await ping(tally, `a${n}`, 1);
      }
      const { post } = pinged.told;
      await repeats(pinged, post, 1);
      await sleep(1100);
      await counts(ping(tally, post, 1), post, 2);
    }));

  test("DEDUPE_SECONDS = 0: every ping counts, but an id only once", () =>
    alone({ DEDUPE_SECONDS: 0 }, async (tally) => {
      for (const n of upTo(5)) await counts(ping(tally, "a", 1), "a", n);
      await counts(ping(tally, "a?id=x", 1), "a", 6);
      await repeats(ping(tally, "a?id=x", 1), "a", 6);
    }));

  test("visitors and ids are still known after a restart, and after eviction", async () => {
    const state = temporaryFolder();
    const known = async (tally, count) => {
      await repeats(ping(tally, "a", 1), "a", count);
      await repeats(ping(tally, "a?id=x", 9), "a", count);
    };
    await alone({}, async (tally) => {
      await counts(ping(tally, "a", 1), "a", 1);
      await counts(ping(tally, "a?id=x", 2), "a", 2);
      await known(tally, 2);
    }, state);
    await alone({}, async (tally) => {
      await known(tally, 2);
      await counts(ping(tally, "a", 3), "a", 3);
      if (openDatabases(tally) !== undefined) assert.equal(openDatabases(tally), 1, "the ledger is in memory");
      // An idle object is evicted after about ten seconds.
      assert.ok(!(await until(() => openDatabases(tally), (n) => n === 0, 30)), "the ledger was evicted");
      if (openDatabases(tally) === undefined) await sleep(15_000);
      await known(tally, 3);
      await repeats(ping(tally, "a", 3), "a", 3);
      await counts(ping(tally, "a", 4), "a", 4);
    }, state);
  });

  test("an id that looks hostile is counted, read and published like any other", () =>
    alone({}, async (tally) => {
      for (const post of HOSTILE) {
        await counts(ping(tally, encodeURIComponent(post), 1), post, 1);
        await repeats(ping(tally, encodeURIComponent(post), 1), post, 1);
      }
      await counts(ping(tally, "a/b/c", 2), "a/b/c", 2);
      await ping(tally, "%", 2).then(({ status }) => assert.equal(status, 400));
      const stats = await until(() => read(tally, "/stats"), ({ views }) => views === HOSTILE.length + 1);
      assert.equal(stats.posts, HOSTILE.length);
      const count = (post) => (post === "a/b/c" ? 2 : 1);
      for (const post of HOSTILE) {
        const name = encodeURIComponent(post);
        assert.deepEqual(await read(tally, `/views/${name}`), { post, views: count(post) });
        const { body } = await request(tally.url, `/views?post=${name}`);
        assert.equal(body, `{"views":{${JSON.stringify(post)}:${count(post)}}}`);
      }
      const { posts } = await read(tally, "/top?limit=100");
      const others = HOSTILE.filter((post) => post !== "a/b/c").map((post) => Buffer.from(post)).sort(Buffer.compare);
      assert.deepEqual(posts, ["a/b/c", ...others.map(String)].map((post) => ({ post, views: count(post) })));
      const written = ({ entries }) => Object.keys(entries).length === HOSTILE.length + 2;
      const { entries } = await until(() => tally.kv(), written);
      delete entries[":head"];
      delete entries[":owner"];
      assert.deepEqual(new Map(Object.entries(entries)), new Map(HOSTILE.map((post) => [post, `${count(post)}`])));
    }));
});
