// What fails: a panic costs the request that met it and no other; an increment is answered only
// after its write, and refused where that fails.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ROOT, request, serve } from "./workerd.mjs";

let tally;
before(async () => (tally = await serve(`${ROOT}/build/fault/deploy/fault.js`)));
after(() => tally.stop());

const get = (path) => request(tally.url, path);
const count = async (path) => (await get(path)).body;

for (const path of ["/fault", "/fault?name=A"]) {
  test(`after a panic at ${path} the next request is served`, async () => {
    const [a, b] = [path + "-a", path + "-b"].map(encodeURIComponent);
    await get(`/increment?name=${a}`);
    await get(`/increment?name=${b}`);
    const broken = await get(path);
    assert.equal(broken.status, 500);
    assert.doesNotMatch(broken.body, /fault was asked/);
    // Both objects are in memory, made by the instance that is gone.
    assert.match(await count(`/increment?name=${a}`), /count: 2$/);
    assert.match(await count(`/?name=${b}`), /count: 1$/);
    assert.match(await count(`/increment?name=${b}`), /count: 2$/);
  });
}

test("a panic is told in the log, with where it was and its stack", () => {
  assert.match(tally.log(), /panicked at src.lib\.rs:\d+:\d+:\s+a fault was asked for\s+Stack:\s+Error\s+at /);
});

const happened = async (path) => JSON.parse((await get(path)).body);
const UNAVAILABLE = "Error: The counter did not answer; the count may or may not have changed";

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
