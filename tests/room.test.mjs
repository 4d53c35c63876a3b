// What strangers may add to a blog that goes on, and how its owner gets rid of it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ping, read, until } from "./visitors.mjs";
import { ROOT, TALLY, request, serve, temporaryFolder } from "./workerd.mjs";

const SECRET = "correct horse battery staple-1a2b3c4d";
const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000, DEDUPE_SECONDS: 0, ADMIN_TOKEN: SECRET };
const HOUR = 3_600_000;

async function alone(vars, work, { main = TALLY, ...options } = {}) {
  const tally = await serve(main, { vars: { ...VARS, ...vars }, rateLimit: false, ...options });
  try {
    return await work(tally);
  } finally {
    await tally.stop();
  }
}

/** Sends a request as the owner. */
const own = ({ url }, method, path, body) => request(url, path, { method, body, headers: { Authorization: `Bearer ${SECRET}` } });

/** A test that must not run into the next hour, in which as many posts may be new again, waits for that hour. */
async function withinAnHour() {
  const left = HOUR - (Date.now() % HOUR);
  if (left < 60_000) await sleep(left + 100);
}

/** Pings a post from another network each time. */
const networks = { next: 0 };
const elsewhere = (tally, post, headers) => ping(tally, post, 256 * networks.next++, headers);

function refused({ status, headers, told }) {
  assert.equal(status, 429, JSON.stringify(told));
  assert.equal(told.error.code, "new_posts");
  const seconds = Number(headers["retry-after"]);
  assert.ok(seconds >= 1 && seconds <= 3600, headers["retry-after"]);
  assert.equal(headers["cache-control"], "no-store");
}

describe("new posts", () => {
  test("of one network are few, and of others go on", () =>
    alone({ NEW_POSTS_PER_HOUR: 500 }, async (tally) => {
      await withinAnHour();
      // Addresses of one network, of which every other one asks not to be known.
      const here = (post, n) => ping(tally, post, n % 256, n % 2 ? { DNT: "1" } : {});
      for (let n = 0; n < 30; n++) assert.deepEqual((await here(`new-${n}`, n)).told, { post: `new-${n}`, views: 1, counted: true });
      for (const n of [30, 31]) refused(await here(`new-${n}`, n));
      refused(await ping(tally, "new-30", 2, { "Sec-GPC": "1" }));
      assert.equal((await here("new-7", 40)).told.views, 2);
      networks.next = 1;
      for (const headers of [{}, { DNT: "1" }]) assert.equal((await elsewhere(tally, `other-${networks.next}`, headers)).told.views, 1);
      const { not_counted: skipped } = await until(() => read(tally, "/stats"), ({ views }) => views === 33);
      assert.ok(Object.values(skipped).every((count) => count === 0), "nothing is noted of what was refused");
    }));

  test("of a network whose hash is 0 count, too", () =>
    alone({}, async (tally) => {
      const zero = { "CF-Connecting-IP": "2001:ed18:3c0f::1", DNT: "1" };
      assert.deepEqual((await ping(tally, "new", 0, zero)).told, { post: "new", views: 1, counted: true });
    }));

  test("are all that a network is told for, of readers who ask not to be tracked", () =>
    alone({}, async (tally) => {
      /** What the ledger was told in the pings that came of one. */
      const told = async (n, headers) => {
        const { pings: before } = await read(tally, "/operations");
        assert.ok((await ping(tally, "hello", n, headers)).told.counted);
        return (await read(tally, "/operations")).pings.slice(before.length);
      };
      const nobody = ["hello", null, null, ""];
      const [first, again] = await told(1, { DNT: "1" });
      assert.deepEqual(first, nobody);
      assert.deepEqual(again.slice(0, 3), ["hello", null, null]);
      assert.match(again[3], /^\d+$/);
      for (const headers of [{ DNT: "1" }, { "Sec-GPC": "1" }]) assert.deepEqual(await told(2, headers), [nobody]);
      const [[, , address, agent]] = await told(3);
      assert.deepEqual([address, /Chrome/.test(agent)], ["10.0.0.3", true]);
    }, { main: `${ROOT}/build/counted/counted.js` }));

  for (const LEDGERS of [1, 4]) {
    test(`of a flood are few in an hour, beside a blog that goes on; ${LEDGERS} ledgers, which are killed`, async () => {
      const vars = { NEW_POSTS_PER_HOUR: 40, LEDGERS };
      const state = temporaryFolder();
      await withinAnHour();
      let readers = 0;
      const both = async (tally, from) => {
        const flood = Array.from({ length: 200 }, (_, n) => elsewhere(tally, `flood-${from + n}`));
        const blog = Array.from({ length: 100 }, (_, n) => elsewhere(tally, `blog-${n % 4}`));
        const answers = await Promise.all(flood);
        answers.filter(({ status }) => status !== 200).forEach(refused);
        const views = (await Promise.all(blog)).map(({ told }) => told);
        assert.ok(views.every(({ counted }) => counted));
        readers += 25;
        for (let n = 0; n < 4; n++) {
          const all = views.filter(({ post }) => post === `blog-${n}`).map(({ views }) => views);
          assert.equal(Math.max(...all), readers, "the blog's readers count exactly");
        }
        return answers.filter(({ status }) => status === 200).length;
      };
      await alone(vars, async (tally) => {
        for (let n = 0; n < 4; n++) assert.equal((await own(tally, "PUT", `/views/blog-${n}`, "0")).status, 200);
        assert.equal((await own(tally, "POST", "/import?mode=replace", JSON.stringify({ "blog-0": 1, "blog-1": 1, "blog-2": 1, "blog-3": 1 }))).status, 200);
        readers = 1;
        const added = await both(tally, 0);
        assert.equal(added, 40);
        await tally.stop("SIGKILL");
      }, { state });
      await alone(vars, async (tally) => {
        assert.equal(await both(tally, 1000), 0, "a restart gives out no more");
        refused(await elsewhere(tally, "mine"));
        assert.equal((await own(tally, "PUT", "/views/mine", "5")).status, 200);
        assert.equal((await elsewhere(tally, "mine")).told.views, 6);
      }, { state });
    });
  }
});

describe("the owner deletes many posts", () => {
  async function removed(tally, query) {
    const { status, body } = await own(tally, "DELETE", `/views?${query}`);
    assert.equal(status, 200, body);
    return JSON.parse(body);
  }

  for (const LEDGERS of [1, 4]) {
    test(`by prefix and by views; ${LEDGERS} ledgers`, () =>
      alone({ LEDGERS }, async (tally) => {
        const posts = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`/wp-owner-${n}`, 1]));
        assert.equal((await own(tally, "POST", "/import", JSON.stringify(posts))).status, 200);
        await Promise.all(Array.from({ length: 300 }, (_, n) => elsewhere(tally, `%2Fwp-${n}`)));
        for (const post of ["%2Fwp-1", "hello", "once"]) await elsewhere(tally, post);
        await elsewhere(tally, "hello");
        await until(() => read(tally, "/stats"), ({ posts }) => posts === 352, 20);
        const few = { posts: 299, views: 299 };
        assert.deepEqual(await removed(tally, "prefix=/wp-&views=1&dry=1"), { ...few, dry: true });
        assert.deepEqual(await removed(tally, "prefix=%2Fwp-&views=1"), { ...few, dry: false });
        assert.deepEqual(await removed(tally, "prefix=/wp-&views=1"), { posts: 0, views: 0, dry: false });
        assert.deepEqual(await removed(tally, "views=1&dry=1"), { posts: 1, views: 1, dry: true });
        assert.deepEqual(await removed(tally, "prefix=/wp-"), { posts: 51, views: 52, dry: false });
        const { views } = await until(() => read(tally, "/stats"), ({ posts }) => posts === 2, 20);
        assert.equal(views, 3);
        const { posts: top } = await until(() => read(tally, "/top"), ({ posts }) => posts.length === 2, 20);
        assert.deepEqual(top, [{ post: "hello", views: 2 }, { post: "once", views: 1 }]);
      }));
  }

  test("only with the token, and only what was named", () =>
    alone({}, async (tally) => {
      await elsewhere(tally, "once");
      const wrong = await request(tally.url, "/views?views=1", { method: "DELETE" });
      assert.equal(wrong.status, 401);
      for (const query of ["", "?prefix=", "?dry=1", "?views=0", "?views=x", "?prefix=a&dry=yes", "?prefx=a&views=1", "?prefix=a&prefix=b", "?prefix=a&from=x", "?prefix=a&from=1:0", "?prefix=a&from=0:zz", "?prefix=a&from="]) {
        const { status, body } = await own(tally, "DELETE", `/views${query}`);
        assert.equal(status, 400, query);
        assert.equal(JSON.parse(body).error.code, "invalid_filter", query);
      }
      assert.equal((await elsewhere(tally, "once")).told.views, 2, "nothing was deleted");
    }));
});

test("who can add posts is told with the setting that says it", async () => {
  await alone({}, async (tally) => {
    assert.deepEqual((await read(tally, "/stats")).new_posts, { from: "anyone", setting: "SITE_URL" });
  });
  await alone({ ALLOWED_ORIGINS: "https://blog.example" }, async (tally) => {
    assert.equal((await read(tally, "/stats")).new_posts, undefined);
  });
});
