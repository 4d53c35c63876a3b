// Several ledgers share the posts: every answer stays exact while their number is raised and lowered, and
// what spans all posts tells of all.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ping, read, until, visitor } from "./visitors.mjs";
import { TALLY, request, serve, temporaryFolder } from "./workerd.mjs";

const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000, ADMIN_TOKEN: "t" };
const OWNER = { Authorization: "Bearer t" };
const upTo = (n) => Array.from({ length: n }, (_, i) => i);
let visitors = 0;

/** A site that outlives its Workers: storage, and a namespace of Workers KV in a process of its own. */
async function site(work) {
  const kv = await serve(TALLY);
  const state = temporaryFolder();
  const start = (LEDGERS, vars, reader) =>
    serve(TALLY, { state, namespace: kv.namespace, vars: { ...VARS, LEDGERS, ...vars }, reader });
  try {
    return await work(start, kv);
  } finally {
    await kv.stop();
  }
}

/** The same where the Worker is started anew for each number of ledgers. */
async function withEach(numbers, work) {
  await site(async (start, kv) => {
    for (const ledgers of numbers) {
      const tally = await start(ledgers);
      try {
        await work(tally, ledgers, kv);
      } finally {
        await tally.stop();
      }
    }
  });
}

const asOwner = ({ url }, path, options) => request(url, path, { headers: OWNER, ...options });

/** Waits until readers are told of so many ledgers. */
async function settled(tally, ledgers, seconds = 30) {
  const { ledgers: told = 1 } = await until(() => read(tally, "/stats"), ({ ledgers: told = 1 }) => told === ledgers, seconds);
  assert.equal(told, ledgers);
}

/** An answer that says that nothing was done, because posts are on their way. */
const isMoving = ({ status, body }) => status === 503 && JSON.parse(body).error.code === "moving";

/** Asks again while posts are on their way. */
async function once(ask) {
  return until(ask, (answer) => !isMoving(answer), 30);
}

test("what spans all posts tells of all, with 1, 4, 16, 5 and 1 ledgers", () => {
  const posts = upTo(60).map((n) => `post-${n}`);
  const counts = Object.fromEntries(posts.map((post) => [post, 0]));
  /** What was counted by pings, which have a time. */
  const today = { ...counts };
  return withEach([1, 4, 16, 5, 1], async (tally, ledgers) => {
    for (const [n, post] of posts.entries()) {
      for (const _ of upTo(1 + (n % 3))) {
        const { status, told } = await ping(tally, post, visitors++);
        assert.equal(status, 200);
        assert.deepEqual(told, { post, views: ++counts[post], counted: true });
        today[post]++;
      }
    }
    await settled(tally, ledgers);
    const sum = Object.values(counts).reduce((a, b) => a + b);
    const stats = await until(() => read(tally, "/stats"), ({ views }) => views === sum, 20);
    assert.equal(stats.views, sum);
    assert.equal(stats.posts, Object.values(counts).filter(Boolean).length);
    const { views } = await read(tally, `/views?${posts.map((post) => `post=${post}`).join("&")}`);
    assert.deepEqual(views, counts);
    for (const [period, counted] of [["all", counts], ["day", today], ["month", today]]) {
      const first = Object.entries(counted).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, 20);
      const top = await read(tally, `/top?limit=20&period=${period}`);
      assert.deepEqual(top.posts, first.map(([post, views]) => ({ post, views })), period);
    }
    const ofDays = async (path) => (await read(tally, path)).days.reduce((sum, { views }) => sum + views, 0);
    assert.equal(await ofDays("/history?days=2"), Object.values(today).reduce((a, b) => a + b));
    assert.equal(await ofDays("/history?post=post-7&days=2"), today["post-7"]);

    // The owner sets, deletes, exports and imports.
    assert.equal((await once(() => asOwner(tally, "/views/post-5", { method: "DELETE" }))).status, 200);
    counts["post-5"] = today["post-5"] = 0;
    assert.equal((await once(() => asOwner(tally, "/views/post-6", { method: "PUT", body: "70" }))).status, 200);
    counts["post-6"] = 70;
    const exported = async () => JSON.parse((await once(() => asOwner(tally, "/export"))).body).posts;
    const byPost = (records) => Object.fromEntries(records.map(({ post, views }) => [post, views]));
    const some = Object.fromEntries(Object.entries(counts).filter(([, views]) => views));
    assert.deepEqual(byPost(await exported()), some);
    const csv = (await once(() => asOwner(tally, "/export?format=csv"))).body.trim().split("\r\n");
    assert.equal(csv[0], "post,views,hours,days");
    assert.equal(csv.length, 1 + Object.keys(some).length);
    const body = JSON.stringify(Object.fromEntries(posts.map((post) => [post, 1])));
    const id = `import-${ledgers}-${visitors}`;
    for (const _ of upTo(2)) {
      const answer = await once(() => asOwner(tally, `/import?mode=add&id=${id}`, { method: "POST", body }));
      assert.equal(answer.status, 200, answer.body);
    }
    for (const post of posts) counts[post]++;
    assert.deepEqual(byPost(await exported()), counts);
  });
});

test("a repeat is one, whichever ledger counted the view: ids, visitors and imports", () =>
  withEach([1, 4, 16, 4, 1], async (tally, ledgers) => {
    const posts = upTo(40).map((n) => `post-${n}`);
    const body = JSON.stringify(Object.fromEntries(posts.map((post) => [post, 1000])));
    await settled(tally, ledgers);
    const imported = await once(() => asOwner(tally, "/import?mode=add&id=the-import", { method: "POST", body }));
    assert.equal(imported.status, 200, imported.body);
    for (const [n, post] of posts.entries()) {
      const known = await ping(tally, post, 50_000 + n);
      const identified = await ping(tally, `${post}?id=ping-${n}`, visitors++);
      const again = await ping(tally, `${post}?id=ping-${n}`, visitors++);
      const told = [known, identified, again].map(({ told: { views, counted } }) => [views, counted]);
      const isFirst = ledgers === 1 && told[0][1];
      assert.deepEqual(told, isFirst ? [[1001, true], [1002, true], [1002, false]] : [[1002, false], [1002, false], [1002, false]], post);
    }
  }));

test("Workers of several versions may run side by side, and ask the right ledger", () =>
  site(async (start, kv) => {
    const counts = new Map();
    const count = async (tally, times) => {
      for (const n of upTo(times)) {
        const post = `post-${n % 20}`;
        const { told } = await ping(tally, post, visitors++);
        counts.set(post, (counts.get(post) ?? 0) + 1);
        assert.deepEqual(told, { post, views: counts.get(post), counted: true });
      }
    };
    for (const [ledgers, other] of [[1, 4], [4, 1], [16, 4], [2, 64]]) {
      const tally = await start(ledgers, {}, { LEDGERS: other });
      try {
        for (const _ of upTo(10)) {
          await count({ url: tally.url }, 20);
          await count({ url: tally.reader }, 20);
          await sleep(300);
        }
        await settled(tally, ledgers);
        await count({ url: tally.reader }, 20);
        // What is of all posts needs to know how many ledgers there are.
        const exported = await asOwner({ url: tally.reader }, "/export");
        assert.ok(isMoving(exported), `${exported.status}`);
        const imported = await asOwner({ url: tally.reader }, "/import", { method: "POST", body: '{"post-1":1000000}' });
        assert.ok(isMoving(imported), `${imported.status}`);
        assert.equal((await asOwner({ url: tally.reader }, "/views/post-1", { method: "PUT", body: "5" })).status, 200);
        counts.set("post-1", 5);
      } finally {
        await tally.stop();
      }
    }
  }));

test("raised and lowered under load, with workerd killed at random moments, no answer is wrong", { timeout: 170_000 }, () =>
  site(async (start) => {
    const posts = upTo(30).map((n) => new Post(`/posts/a-post-with-a-title-${n}`));
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    const random = randomOf(seed);
    console.log(`SEED=${seed}`);
    for (const ledgers of [1, 4, 16, 4]) {
      for (let round = 0; round < 5; round++) {
        const tally = await start(ledgers);
        let alive = true;
        const clients = upTo(24).map(async () => {
          while (alive) await visit(tally, posts[Math.floor(random() ** 2 * posts.length)], random);
        });
        // A change takes some seconds, so that a kill may come at any moment of it.
        await sleep(200 + random() * 2500);
        await tally.stop("SIGKILL");
        alive = false;
        await Promise.all(clients);
      }
      const tally = await start(ledgers);
      await settled(tally, ledgers, 60);
      for (const post of posts) await post.check(tally);
      await tally.stop();
    }
  }));

/** Sends a view, or one again that was answered, and notes what it comes to. */
async function visit(tally, post, random) {
  if (post.ids.length && random() < 0.1) {
    const id = post.ids[Math.floor(random() * post.ids.length)];
    const again = await answer(tally, post, id);
    if (again?.status === 200) assert.equal(again.told.counted, false, `${post.id}?id=${id} was counted twice`);
    return;
  }
  const id = `id-${visitors}`;
  post.attempted++;
  const told = await answer(tally, post, id);
  if (told?.status === 200) {
    const { views, counted } = told.told;
    assert.ok(counted, `${post.id}: ${JSON.stringify(told.told)}`);
    assert.ok(!post.numbers.has(views), `${post.id}: ${views} comes twice`);
    assert.ok(views <= post.attempted, `${post.id}: ${views} of ${post.attempted} attempts`);
    post.numbers.add(views);
    post.ids.push(id);
  } else if (told && isMoving(told)) {
    post.attempted--;
  } else {
    post.lost++;
  }
}

async function answer(tally, post, id) {
  try {
    const headers = visitor(visitors++);
    const path = `/views/${encodeURIComponent(post.id)}?id=${id}`;
    const told = await request(tally.url, path, { method: "POST", headers });
    return { ...told, told: JSON.parse(told.body) };
  } catch {
    return undefined;
  }
}

class Post {
  numbers = new Set();
  ids = [];
  attempted = 0;
  lost = 0;

  constructor(id) {
    this.id = id;
  }

  /** A number is missing only where its answer was lost. */
  async check(tally) {
    this.attempted++;
    const { status, told } = await ping(tally, encodeURIComponent(this.id), visitors++);
    assert.equal(status, 200);
    this.numbers.add(told.views);
    assert.ok(told.views <= this.attempted);
    assert.equal(Math.max(...this.numbers), told.views, `${this.id}: an acknowledged view is gone`);
    const missing = told.views - this.numbers.size;
    assert.ok(missing <= this.lost, `${this.id}: ${missing} numbers are missing, ${this.lost} answers were lost`);
  }
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
function randomOf(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
