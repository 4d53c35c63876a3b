// What an owner sees of a running Tally: lines of JSON in the log, GET /health, points in Analytics Engine; and
// that none of it tells of visitors.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { unstable_readConfig as readConfig } from "wrangler";
import { ping, until } from "./visitors.mjs";
import { ROOT, TALLY, request, serve, temporaryFolder } from "./workerd.mjs";

const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000, DEDUPE_SECONDS: 0 };

/** The lines of JSON in the log of an event. */
const events = (tally, name) =>
  tally.log().split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line)).filter(({ event }) => event === name);
const event = async (tally, name) => (await until(() => events(tally, name), ({ length }) => length > 0))[0];

async function health({ url }) {
  const { status, body, headers } = await request(url, "/health");
  assert.equal(headers["cache-control"], "no-store");
  return { status, ...JSON.parse(body) };
}

async function using(options, work) {
  const tally = await serve(TALLY, { ...options, vars: { ...VARS, ...options.vars } });
  try {
    return await work(tally);
  } finally {
    await tally.stop();
  }
}

test("a publication is a line in the log and a point in the data set, without a word of visitors and posts", () =>
  using({ analytics: true }, async (tally) => {
    await ping(tally, "secret-post", 1);
    await ping(tally, "secret-post", 2, { Purpose: "prefetch" });
    const isAll = ({ views, not_counted: skipped }) => views === 1 && skipped === 1;
    const line = (await until(() => events(tally, "published").filter(isAll), ({ length }) => length > 0))[0];
    assert.deepEqual(Object.keys(line), ["event", "views", "posts", "not_counted", "writes", "ms"]);
    assert.equal(line.posts, 1);
    assert.ok(line.writes > 0 && line.ms >= 0);
    const { points } = await until(() => tally.kv(), ({ points }) => points.some(({ doubles }) => doubles[0] === 1 && doubles[2] === 1));
    for (const { indexes, doubles } of points) assert.deepEqual([indexes, doubles.length], [["published"], 5]);
    assert.deepEqual(await event(tally, "taken_over"), { event: "taken_over", ledger: 0, posts: 0, left: 0 });
    assert.doesNotMatch(tally.log() + JSON.stringify(points), /secret-post|10\.0\.0|Mozilla/);
  }));

test("Workers Logs keeps what Tally writes, and no requests", () => {
  const { observability } = readConfig({ config: join(ROOT, "wrangler.toml") });
  assert.equal(observability.enabled, true);
  assert.equal(observability.logs.invocation_logs, false);
});

test("a burst of refusals is one line for each second and reason", () =>
  using({}, async (tally) => {
    await tally.kv("PUT", "/limit/5");
    await Promise.all(Array.from({ length: 45 }, () => ping(tally, "a", 1)));
    const sum = () => events(tally, "refused").reduce((sum, { flood }) => sum + flood, 0);
    assert.equal(await until(sum, (sum) => sum === 40), 40);
    assert.ok(events(tally, "refused").length <= 3);
    assert.doesNotMatch(tally.log(), /10\.0\.0/);
  }));

test("a takeover and a handing over are told", async () => {
  const state = temporaryFolder();
  await using({ state }, async (tally) => {
    await tally.kv("PUT", "/entries", { 142: "3", 143: "4", posts: "many" });
    await ping(tally, "a", 1);
    assert.deepEqual(await event(tally, "taken_over"), { event: "taken_over", ledger: 0, posts: 2, left: 1 });
    await event(tally, "published");
  });
  await using({ state, vars: { LEDGERS: 3 } }, async (tally) => {
    await ping(tally, "b", 1);
    assert.deepEqual(await event(tally, "handing_over"), { event: "handing_over", ledgers: 3 });
    assert.deepEqual(await event(tally, "handed_over"), { event: "handed_over", ledgers: 3 });
  });
});

test("/health tells how old what readers get is, and 503 when publishing has failed for an hour", async () => {
  const [state, kv] = [temporaryFolder(), await serve(TALLY)];
  const namespace = kv.namespace;
  try {
    await using({ state, namespace }, async (tally) => {
      assert.deepEqual(await health(tally), { status: 200, published: null, age: null, oldest_age: null, failing: null });
      await ping(tally, "a", 1);
      const { status, age, oldest_age: oldest, published, failing } = await until(() => health(tally), ({ published }) => published);
      assert.deepEqual([status, failing, oldest], [200, null, age]);
      assert.ok(age < 120 && Math.abs(new Date(published) - Date.now()) < 120_000);
      assert.equal((await request(tally.url, "/health", { method: "POST" })).status, 405);

      await kv.kv("PUT", "/mode/fail");
      await ping(tally, "a", 2);
      await event(tally, "publication_failed");
    });
    // A Worker that has just started asks the ledger, which was evicted meanwhile.
    await using({ state, namespace }, async (tally) => {
      const { status, error } = await health(tally);
      assert.deepEqual([status, error.code], [503, "unpublished"], "readers get nothing either");
    });
    anHourAgo(state);
    await using({ state, namespace }, async (tally) => {
      const { status, failing } = await health(tally);
      assert.equal(status, 503);
      assert.ok(Date.now() - new Date(failing) > 3_600_000);
      await kv.kv("PUT", "/mode/ok");
      await event(tally, "published");
    });
    await using({ state, namespace }, async (tally) => {
      const { status, failing, published } = await health(tally);
      assert.deepEqual([status, failing], [200, null]);
      assert.ok(Math.abs(new Date(published) - Date.now()) < 120_000);
    });
  } finally {
    await kv.stop();
  }
});

/** Has publishing fail since an hour before it began to, in the rows of a ledger that does not run. */
function anHourAgo(state) {
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  const folder = join(state, "tally-Ledger");
  const rows = readdirSync(folder).filter((file) => file.endsWith(".sqlite")).map((file) => {
    const database = new DatabaseSync(join(folder, file));
    const isLedger = database.prepare("SELECT 1 FROM sqlite_master WHERE name = '_cf_KV'").get();
    const row = isLedger && database.prepare("SELECT value FROM _cf_KV WHERE key = '0:failing'").get();
    if (row) {
      // A serialized array of bytes, somewhere in which are the seconds.
      const bytes = Buffer.from(row.value);
      const isTime = (at) => Math.abs(bytes.readUInt32LE(at) * 1000 - Date.now()) < 600_000;
      const at = Array.from({ length: bytes.length - 3 }, (_, at) => at).find(isTime);
      bytes.writeUInt32LE(bytes.readUInt32LE(at) - 3600, at);
      database.prepare("UPDATE _cf_KV SET value = ? WHERE key = '0:failing'").run(bytes);
    }
    database.close();
    return row;
  });
  assert.equal(rows.filter(Boolean).length, 1);
}
