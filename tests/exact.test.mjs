// Counts are exact: under concurrency, across eviction, and across the change from
// the JavaScript example to Tally and back.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { EXAMPLE, ROOT, TALLY, openDatabases, request, serve, temporaryFolder } from "./workerd.mjs";

const STORED = join(ROOT, "tests/stored.js");
const count = ({ body }) => Number(/count: (-?\d+)$/.exec(body)[1]);
const get = async ({ url }, path) => count(await request(url, path));

describe("under concurrency", () => {
  let tally;
  before(async () => (tally = await serve(TALLY)));
  after(() => tally.stop());

  const many = (path) => Promise.all(Array.from({ length: 1000 }, () => get(tally, path)));
  const sorted = (counts) => counts.sort((a, b) => a - b);

  test("1,000 increments of one name answer 1 to 1,000, each once", async () => {
    assert.deepEqual(sorted(await many("/increment?name=A")), Array.from({ length: 1000 }, (_, i) => i + 1));
    assert.equal(await get(tally, "/?name=A"), 1000);
  });

  test("1,000 decrements likewise", async () => {
    assert.deepEqual(sorted(await many("/decrement?name=B")), Array.from({ length: 1000 }, (_, i) => i - 1000));
  });

  test("an answered increment is seen by the next read", async () => {
    const other = many("/increment?name=C&amount=0");
    for (let n = 1; n <= 50; n++) {
      assert.equal(await get(tally, "/increment?name=C"), n);
      assert.equal(await get(tally, "/?name=C"), n);
    }
    await other;
  });

  test("names do not disturb each other", async () => {
    const names = Array.from({ length: 1000 }, (_, i) => `N${i % 100}`);
    await Promise.all(names.map((name) => get(tally, `/increment?name=${name}`)));
    for (const name of new Set(names)) assert.equal(await get(tally, `/?name=${name}`), 10);
  });
});

test("eviction loses nothing", async () => {
  const tally = await serve(TALLY);
  try {
    for (let n = 1; n <= 3; n++) assert.equal(await get(tally, "/increment?name=E"), n);
    const open = () => openDatabases(tally);
    if (open() !== undefined) assert.equal(open(), 1, "the object is in memory");
    // An idle object is evicted after about ten seconds.
    for (let waited = 0; waited < 30 && open() !== 0; waited++) await sleep(1000);
    if (open() !== undefined) assert.equal(open(), 0, "the object was evicted");
    assert.equal(await get(tally, "/?name=E"), 3);
    assert.equal(await get(tally, "/increment?name=E"), 4);
  } finally {
    await tally.stop();
  }
});

describe("in the place of the JavaScript example", () => {
  const state = temporaryFolder();
  const run = async (main, path) => {
    const server = await serve(main, { state });
    try {
      return await request(server.url, path);
    } finally {
      await server.stop();
    }
  };

  test("each continues where the other stopped", async () => {
    for (let n = 1; n <= 6; n += 2) {
      assert.equal(count(await run(EXAMPLE, "/increment?name=D")), n);
      assert.equal(count(await run(TALLY, "/?name=D")), n);
      assert.equal(count(await run(TALLY, "/increment?name=D")), n + 1);
      assert.equal(count(await run(EXAMPLE, "/?name=D")), n + 1);
    }
    assert.equal(count(await run(TALLY, "/increment?name=D&amount=-10")), -4);
    assert.equal(count(await run(EXAMPLE, "/decrement?name=D")), -5);
    assert.equal(count(await run(TALLY, "/?name=D")), -5);
  });

  test("what JavaScript takes for false counts as 0", async () => {
    for (const value of ["null", "false", '""', "0"]) {
      await run(STORED, `/?name=F&value=${encodeURIComponent(value)}`);
      assert.equal(count(await run(TALLY, "/increment?name=F")), 1, value);
    }
  });

  test("what is not a count is told and left alone", async () => {
    for (const value of ['"5"', "{}", "1.5", "9007199254740992"]) {
      await run(STORED, `/?name=S&value=${encodeURIComponent(value)}`);
      for (const path of ["/increment", "/"]) {
        const { status, body } = await run(TALLY, `${path}?name=S`);
        assert.equal(status, 500, value);
        assert.match(body, /^The stored value is not an integer/);
      }
      assert.equal((await run(STORED, "/?name=S")).body, value);
    }
  });
});
