// A panic costs the request that met it, and no other.

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

test("a panic is told in the log, with where it was", () => {
  assert.match(tally.log(), /panicked at src.lib\.rs:\d+:\d+:\s+a fault was asked for/);
});
