// Reading: counts, the top list, histories and totals, from the published copy alone and kept by
// caches; and what is refused, with its reason and without changing anything.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ping, read, until } from "./visitors.mjs";
import { TALLY, openDatabases, request, serve } from "./workerd.mjs";

const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000, DEDUPE_SECONDS: 0 };
const HOUR = 3_600_000;
const hour = (ago) => new Date(Date.now() - ago * HOUR).toISOString().slice(0, 13);
const day = (ago) => hour(24 * ago).slice(0, 10);
const OWNER = { Authorization: "Bearer secret" };

describe("what was published", () => {
  let tally;
  const get = (path, headers) => request(tally.url, path, { headers });
  before(async () => {
    tally = await serve(TALLY, { vars: { ...VARS, ADMIN_TOKEN: "secret" } });
    const records = [
      { post: "today", views: 15, hours: { [hour(2)]: 5 }, days: { [day(0)]: 5 } },
      { post: "week", views: 17, days: { [day(3)]: 7 } },
      { post: "month", views: 19, days: { [day(3)]: 1, [day(20)]: 8 } },
      { post: "old", views: 21 },
      ...Array.from({ length: 120 }, (_, i) => ({ post: `p${i}`, views: 3, hours: { [hour(0)]: 1 }, days: { [day(0)]: 1 } })),
    ];
    const body = records.map((record) => JSON.stringify(record)).join("\n");
    const { status } = await request(tally.url, "/import?format=ndjson", { method: "POST", headers: OWNER, body });
    assert.equal(status, 200);
    await until(() => read(tally, "/stats"), ({ posts }) => posts === 124);
  });
  after(() => tally.stop());

  test("one post, and one that was never seen", async () => {
    assert.equal((await get("/views/old")).body, '{"post":"old","views":21}');
    const { status, body, headers } = await get("/views/unseen%20%F0%9F%A6%80");
    assert.equal(status, 200);
    assert.equal(body, '{"post":"unseen 🦀","views":0}');
    assert.equal(headers["content-type"], "application/json");
  });

  test("up to 100 posts at once, in the order that they are asked in", async () => {
    assert.equal((await get("/views?post=week&post=unseen&post=old")).body, '{"views":{"week":17,"unseen":0,"old":21}}');
    const posts = Array.from({ length: 100 }, (_, i) => `p${i + 15}`);
    const { views } = await read(tally, `/views?post=${posts.join("&post=")}`);
    assert.deepEqual(Object.entries(views), posts.map((post, i) => [post, i < 105 ? 3 : 0]));
    const doubled = await get("/views?post=old&post=week&post=old");
    assert.equal(doubled.status, 200);
    assert.deepEqual(JSON.parse(doubled.body), { views: { old: 21, week: 17 } });
  });

  test("the top list: ten of all time, most first, ties by post", async () => {
    const top = await read(tally, "/top");
    const ties = Array.from({ length: 120 }, (_, i) => `p${i}`).sort();
    const first = [["old", 21], ["month", 19], ["week", 17], ["today", 15]];
    const all = [...first, ...ties.map((post) => [post, 3])].map(([post, views]) => ({ post, views }));
    assert.deepEqual(top, { period: "all", posts: all.slice(0, 10) });
    assert.deepEqual((await read(tally, "/top?period=all&limit=1")).posts, all.slice(0, 1));
    assert.deepEqual((await read(tally, "/top?limit=100")).posts, all.slice(0, 100));
  });

  test("the top list of a day, a week and a month", async () => {
    const top = async (period) => {
      const { posts, period: told } = await read(tally, `/top?limit=3&period=${period}`);
      assert.equal(told, period);
      return posts.map(({ post, views }) => [post, views]);
    };
    assert.deepEqual(await top("day"), [["today", 5], ["p0", 1], ["p1", 1]]);
    assert.deepEqual(await top("week"), [["week", 7], ["today", 5], ["month", 1]]);
    assert.deepEqual(await top("month"), [["month", 9], ["week", 7], ["today", 5]]);
  });

  test("the days of a post, and of the site", async () => {
    const history = await read(tally, "/history?post=month&days=5");
    const days = [4, 3, 2, 1, 0].map((ago) => ({ day: day(ago), views: ago === 3 ? 1 : 0 }));
    assert.deepEqual(history, { post: "month", days });
    const site = await read(tally, "/history");
    const views = { [day(0)]: 125, [day(3)]: 8, [day(20)]: 8 };
    const last = Array.from({ length: 30 }, (_, i) => day(29 - i));
    assert.deepEqual(site, { days: last.map((day) => ({ day, views: views[day] ?? 0 })) });
    assert.deepEqual((await read(tally, "/history?days=1&post=unseen")).days, [{ day: day(0), views: 0 }]);
  });

  test("the totals", async () => {
    const { published, oldest, kv, not_counted_since: since, ...rest } = await read(tally, "/stats");
    assert.equal(oldest, published);
    assert.ok(new Date(since) <= new Date(published) && Date.now() - new Date(since) < 600_000, since);
    const skipped = { duplicate: 0, bot: 0, prefetch: 0, origin: 0, flood: 0, unknown: 0 };
    const adopted = { posts: 0, left: 0 };
    const open = { from: "anyone", setting: "SITE_URL" };
    assert.deepEqual(rest, { views: 72 + 360, posts: 124, not_counted: skipped, adopted, new_posts: open });
    assert.equal(kv.budget, 1_000_000);
    assert.ok(Math.abs(new Date(published) - Date.now()) < 120_000);
    const { operations } = await tally.kv();
    assert.ok(kv.writes > 0 && kv.writes <= operations.put, `${kv.writes} of ${operations.put}`);
  });

  for (const path of ["/views/old", "/views?post=old&post=week", "/top", "/history?post=old", "/stats"]) {
    test(`${path} may be kept by browsers and caches`, async () => {
      const { status, headers, body } = await get(path);
      assert.equal(status, 200);
      assert.equal(headers["access-control-allow-origin"], "*");
      assert.match(headers["cache-control"], /^public, max-age=1\b/);
      const tag = headers.etag;
      assert.match(tag, /^"[^"]+"$/);
      for (const known of [tag, `W/${tag}`, `"other", ${tag}`, `W/"other",W/${tag} , "x"`, "*"]) {
        const again = await get(path, { "If-None-Match": known });
        assert.equal(again.status, 304, known);
        assert.equal(again.body, "");
        assert.equal(again.headers.etag, tag);
        assert.equal(again.headers["cache-control"], headers["cache-control"]);
        assert.equal(again.headers["access-control-allow-origin"], "*");
      }
      for (const known of ['"other"', tag.slice(1, -1), `x${tag}`, ""]) {
        assert.equal((await get(path, { "If-None-Match": known })).body, body, known);
      }
      const head = await request(tally.url, path, { method: "HEAD" });
      assert.equal(head.status, 200);
      assert.equal(head.body, "");
      assert.equal(head.headers.etag, tag);
    });
  }

  test("a tag changes with the count", async () => {
    const before = await get("/views/tagged");
    await ping(tally, "tagged", 1);
    const known = { "If-None-Match": before.headers.etag };
    const changed = await until(() => get("/views/tagged", known), ({ status }) => status === 200);
    assert.equal(changed.body, '{"post":"tagged","views":1}');
    assert.notEqual(changed.headers.etag, before.headers.etag);
  });
});

test("many reads are one of Workers KV and none of the ledger", async () => {
  const tally = await serve(TALLY, { vars: { ...VARS, PUBLISH_SECONDS: 300 } });
  try {
    await ping(tally, "a", 1);
    await until(() => tally.kv(), ({ entries }) => entries.a);
    assert.deepEqual(await read(tally, "/views/a"), { post: "a", views: 1 });
    const paths = ["/views/a", "/views?post=a&post=b", "/top", "/top?period=day", "/history?post=a", "/stats"];
    const before = (await tally.kv()).operations;
    for (let n = 0; n < 50; n++) assert.equal((await request(tally.url, paths[n % paths.length])).status, 200);
    const { operations } = await tally.kv();
    assert.ok(operations.get - before.get <= 1, `${operations.get - before.get} reads of Workers KV`);
    assert.deepEqual({ ...operations, get: 0 }, { ...before, get: 0 });
    if (openDatabases(tally) === undefined) return;
    assert.equal(openDatabases(tally), 1, "the ledger is in memory");
    assert.equal(await until(() => openDatabases(tally), (n) => n === 0, 30), 0, "the ledger was evicted");
    for (const path of paths) assert.equal((await request(tally.url, path)).status, 200);
    assert.equal(openDatabases(tally), 0, "no read has woken it");
    await ping(tally, "a", 2);
    assert.equal(openDatabases(tally), 1);
  } finally {
    await tally.stop();
  }
});

describe("what is refused", () => {
  let tally;
  before(async () => (tally = await serve(TALLY, { vars: VARS })));
  after(() => tally.stop());

  const x = (n) => "x".repeat(n);
  const posts = (n) => Array.from({ length: n }, (_, i) => `post=${i}`).join("&");
  const ALL = "GET, HEAD, POST, PUT, DELETE, OPTIONS";
  // For paths of a post, GET and POST are asked.
  const wrongPosts = [
    ["/views/", "invalid_post"],
    ["/views/%E0%A4%A", "invalid_encoding"],
    ["/views/%", "invalid_encoding"],
    ["/views/%zz", "invalid_encoding"],
    ["/views/%4", "invalid_encoding"],
    ["/views/%+1", "invalid_encoding"],
    ["/views/%FF", "invalid_encoding"],
    ["/views/%ED%A0%80", "invalid_encoding"],
    ["/views/%C0%AF", "invalid_encoding"],
    ["/views/%00", "invalid_post"],
    ["/views/a%00b", "invalid_post"],
    ["/views/a%0Ab", "invalid_post"],
    ["/views/%7F", "invalid_post"],
    ["/views/%C2%85", "invalid_post"],
    ["/views/:head", "invalid_post"],
    ["/views/%3Ahead", "invalid_post"],
    ["/views/:", "invalid_post"],
    [`/views/${x(513)}`, "invalid_post"],
    [`/views/${"%C3%A9".repeat(256)}x`, "invalid_post"],
    [`/views/${x(8000)}`, "invalid_post"],
  ];
  const wrong = [
    ...wrongPosts.flatMap(([path, code]) => ["GET", "HEAD", "POST"].map((method) => [method, path, 400, code])),
    ["GET", "/views", 400, "missing_post"],
    ["GET", "/views?", 400, "missing_post"],
    ["GET", "/views?posts=a", 400, "missing_post"],
    ["GET", "/views?post=", 400, "invalid_post"],
    ["GET", "/views?post", 400, "invalid_post"],
    ["GET", "/views?post=a&post=:b", 400, "invalid_post"],
    ["GET", "/views?post=a%00", 400, "invalid_post"],
    ["GET", `/views?post=${x(513)}`, 400, "invalid_post"],
    ["GET", "/views?post=%FF", 400, "invalid_encoding"],
    ["GET", "/views?post=a&post=%E0%A4%A", 400, "invalid_encoding"],
    ["GET", "/views?post=%", 400, "invalid_encoding"],
    ["GET", `/views?${posts(101)}`, 400, "too_many_in_request"],
    ["GET", `/views?${posts(1000)}`, 400, "too_many_in_request"],
    ...["-1", "0", "101", "1e3", "", "1.5", "x", "0x10", "99999999999999999999", "%00"].map((limit) =>
      ["GET", `/top?limit=${limit}`, 400, "invalid_limit"]),
    ["GET", "/top?limit=%FF", 400, "invalid_encoding"],
    ...["year", "Day", "", "day%20", "__proto__"].map((period) => ["GET", `/top?period=${period}`, 400, "invalid_period"]),
    ...["31", "0", "-1", "", "x"].map((days) => ["GET", `/history?days=${days}`, 400, "invalid_days"]),
    ["GET", "/history?post=:a", 400, "invalid_post"],
    ["GET", "/history?post=", 400, "invalid_post"],
    ["GET", "/history?post=a&post=b", 400, "too_many_in_request"],
    ["POST", "/views/a?id=", 400, "invalid_id"],
    ["POST", "/views/a?id", 400, "invalid_id"],
    ["POST", `/views/a?id=${x(129)}`, 400, "invalid_id"],
    ["POST", `/views/a?id=${"%C3%A9".repeat(64)}x`, 400, "invalid_id"],
    ["POST", "/views/a?id=%FF", 400, "invalid_encoding"],
    ...["POST", "PUT", "DELETE", "PATCH"].flatMap((method) =>
      ["/top", "/history", "/stats", "/export"].map((path) => [method, path, 405, "method_not_allowed", "GET, HEAD, OPTIONS"])),
    ...["GET", "HEAD", "PUT", "DELETE", "PATCH"].map((method) => [method, "/import", 405, "method_not_allowed", "POST, OPTIONS"]),
    ["PATCH", "/views/a", 405, "method_not_allowed", ALL],
    ["PROPFIND", "/views/a", 405, "method_not_allowed", ALL],
  ];

  /** Answers what was counted and what was not, once a ping of the post `mark` has been published. */
  async function counted(mark) {
    await ping(tally, mark, 1);
    await until(() => read(tally, `/views/${mark}`), ({ views }) => views === 1);
    const { views, posts, not_counted: skipped } = await read(tally, "/stats");
    return { views, posts, skipped: Object.values(skipped).reduce((a, b) => a + b) };
  }

  test("is told by status, code and sentence, and changes nothing", async () => {
    for (const [method, path, status, code, allow] of wrong) {
      const name = `${method} ${path.slice(0, 60)}`;
      const answer = await request(tally.url, path, { method, headers: { "CF-Connecting-IP": "192.0.2.1" } });
      assert.equal(answer.status, status, name);
      assert.equal(answer.headers["content-type"], "application/json", name);
      assert.equal(answer.headers["cache-control"], "no-store", name);
      assert.equal(answer.headers["access-control-allow-origin"], "*", name);
      assert.equal(answer.headers.allow, allow, name);
      if (method === "HEAD") continue;
      const { error, ...more } = JSON.parse(answer.body);
      assert.deepEqual({ ...error, message: "" }, { code, message: "" }, name);
      assert.ok(error.message.length > 10, name);
      assert.deepEqual(more, {});
    }
    assert.deepEqual(await counted("mark"), { views: 1, posts: 1, skipped: 0 });
  });

  test("a ping with a large body; one with a small body counts", async () => {
    const before = await counted("mark-2");
    const headers = { "CF-Connecting-IP": "192.0.2.1", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Firefox/145.0" };
    const send = (size) => request(tally.url, "/views/large", { method: "POST", headers, body: x(size) });
    for (const size of [2000, 1_000_000]) {
      const { status, body } = await send(size);
      assert.equal(status, 413);
      assert.equal(JSON.parse(body).error.code, "body_too_large");
    }
    assert.deepEqual(await counted("mark-3"), { views: before.views + 1, posts: before.posts + 1, skipped: 0 });
    assert.deepEqual(JSON.parse((await send(100)).body), { post: "large", views: 1, counted: true });
  });
});

test("no bytes are too odd for an answer", { timeout: 3_600_000 }, async () => {
  const tally = await serve(TALLY, { vars: { ...VARS, ADMIN_TOKEN: "secret" } });
  let seed = Number(process.env.SEED ?? 1);
  // A linear congruential generator, of which the high bits are good enough.
  const below = (n) => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32 * n) | 0;
  const one = (list) => list[below(list.length)];
  const bytes = (most, from, to) => Array.from({ length: below(most) }, () => String.fromCharCode(from + below(to - from))).join("");
  const noise = () => one([
    () => bytes(40, 0x21, 0x100),
    () => Array.from({ length: below(12) }, () => `%${one(["", "0", "00", "80", "E2", "C3%A9", "F0%9F", "2e", "2F", "5c", "25"])}`).join(""),
    () => Array.from({ length: below(12) }, () => one(["..", ".", "/", "\\", "?", "&", "=", "#", "post=", "limit=", "id=", "a", "9", "-"])).join(""),
  ])();
  const methods = ["GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "SEARCH", "TRACE"];
  const bases = ["/views/", "/views/a?id=", "/views?post=", "/views?", "/top?limit=", "/top?period=", "/history?post=", "/history?days=", "/export?format=", "/import?mode=", "/import?format=csv&", "/import?format=ndjson&", "/import", "/export", "/stats?", "/views"];
  const names = ["CF-Connecting-IP", "User-Agent", "Origin", "If-None-Match", "Accept", "Sec-Purpose", "DNT", "Access-Control-Request-Method", "X-Moz"];
  try {
    const statuses = new Map();
    for (let n = 0; n < 400 * (process.env.FUZZ ?? 1); n++) {
      const [method, path] = [one(methods), one(bases) + noise()];
      const headers = Object.fromEntries(names.filter(() => below(3) === 0).map((name) => [name, bytes(30, 0x20, 0x7f) + bytes(5, 0xa0, 0x100)]));
      if (below(2)) headers.Authorization = one(["Bearer secret", "Bearer secret", `Bearer ${bytes(9, 0x21, 0x7f)}`, bytes(30, 0xa0, 0x100)]);
      const body = method === "POST" || method === "PUT" ? Buffer.from(one([bytes(200, 0, 256), `{"a":${bytes(9, 0x20, 0x7f)}}`, `a,${below(9)},${bytes(9, 0x20, 0x7f)}`, ""]), "latin1") : undefined;
      const { status, body: answer } = await request(tally.url, path, { method, headers, body });
      assert.ok(status < 500, `${status} ${answer} for ${method} ${JSON.stringify(path)} ${JSON.stringify(headers)}`);
      if (status >= 400 && method !== "HEAD" && answer.startsWith("{")) assert.ok(JSON.parse(answer).error.code);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    for (const status of [200, 400, 401]) assert.ok(statuses.get(status) > 2, `${status}: ${statuses.get(status)}`);
    assert.deepEqual((await ping(tally, "after", 1)).told, { post: "after", views: 1, counted: true });
    assert.doesNotMatch(tally.log(), /panicked|uncaught/i);
  } finally {
    await tally.stop();
  }
});
