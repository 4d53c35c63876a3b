// The counter as another Worker calls it, bound by `script_name`: both run as wrangler runs them,
// Tally from its own wrangler.toml.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createTestHarness } from "wrangler";
import { blocksOf } from "../tools/docs.mjs";
import { ROOT } from "./workerd.mjs";

const MAX = Number.MAX_SAFE_INTEGER;
const client = {
  name: "client",
  main: "tests/client.js",
  compatibility_date: "2026-10-20",
  durable_objects: {
    bindings: [{ name: "COUNTERS", class_name: "Counter", script_name: "tally" }],
  },
};

let harness;
before(async () => {
  harness = createTestHarness({
    root: ROOT,
    workers: [
      { configPath: "wrangler.toml", prebuiltWorkerDir: "build/deploy" },
      { config: client },
    ],
  });
  await harness.listen();
});
after(() => harness.close());

/** Calls a method of the object `name` from the other Worker. */
async function call(name, method, ...args) {
  const url = `http://client/${method}?name=${name}`;
  const response = await harness.getWorker("client").fetch(url, { method: "POST", body: JSON.stringify(args) });
  return response.json();
}

const value = (name) => ({ value: name });

test("the methods count", async () => {
  assert.deepEqual(await call("a", "getCounterValue"), { result: 0 });
  assert.deepEqual(await call("a", "increment"), { result: 1 });
  assert.deepEqual(await call("a", "increment", 5), { result: 6 });
  assert.deepEqual(await call("a", "decrement"), { result: 5 });
  assert.deepEqual(await call("a", "decrement", 7), { result: -2 });
  assert.deepEqual(await call("a", "increment", -1), { result: -3 });
  assert.deepEqual(await call("a", "increment", value("undefined")), { result: -2 });
  assert.deepEqual(await call("a", "getCounterValue"), { result: -2 });
});

test("the lines of the docs answer what they say", async () => {
  const { text } = blocksOf("docs/http.md").find(({ language }) => language === "js");
  const calls = [...text.matchAll(/counter\.(\w+)\((\d*)\); +\/\/ (\d+)/g)];
  assert.equal(calls.length, 4);
  for (const [line, method, amount, result] of calls) {
    assert.deepEqual(await call("docs", method, ...(amount ? [Number(amount)] : [])), { result: Number(result) }, line);
  }
});

test("both Workers see the same counter", async () => {
  await call("both", "increment", 41);
  const response = await harness.fetch("/increment?name=both");
  assert.equal(await response.text(), "Durable Object 'both' count: 42");
  assert.deepEqual(await call("both", "getCounterValue"), { result: 42 });
});

test("a bad argument rejects and changes nothing", async () => {
  await call("bad", "increment", 3);
  const bad = ["5", "", null, true, {}, [], 1.5, -0.5, MAX + 1, 1e300, value("NaN"), value("Infinity"), value("bigint")];
  for (const argument of bad) {
    for (const method of ["increment", "decrement"]) {
      assert.deepEqual(
        await call("bad", method, argument),
        { error: "TypeError", message: `An amount is an integer from -${MAX} to ${MAX}` },
        JSON.stringify(argument),
      );
    }
  }
  assert.deepEqual(await call("bad", "getCounterValue"), { result: 3 });
});

test("a count that would leave the range rejects and changes nothing", async () => {
  await call("range", "increment", MAX);
  assert.deepEqual(await call("range", "increment"), {
    error: "RangeError",
    message: `The count would leave -${MAX} to ${MAX}; it is unchanged`,
  });
  assert.deepEqual(await call("range", "getCounterValue"), { result: MAX });
});

test("what is not a method is not there", async () => {
  for (const method of ["free", "add", "value", "constructor", "__destroy_into_raw"]) {
    const { error } = await call("none", method);
    assert.ok(error, method);
  }
  assert.deepEqual(await call("none", "increment"), { result: 1 });
});

test("an object answers requests of its own", async () => {
  const url = "https://object";
  assert.deepEqual(await call("http", "fetch", `${url}/increment`), { status: 200, body: "1" });
  assert.deepEqual(await call("http", "fetch", `${url}/increment?amount=4`), { status: 200, body: "5" });
  assert.deepEqual(await call("http", "fetch", `${url}/decrement`), { status: 200, body: "4" });
  assert.deepEqual(await call("http", "fetch", `${url}/`), { status: 200, body: "4" });
  assert.deepEqual(await call("http", "fetch", `${url}/increment`, { method: "HEAD" }), { status: 200, body: "" });
  assert.deepEqual(await call("http", "fetch", `${url}/x`), { status: 404, body: "Not found" });
  assert.equal((await call("http", "fetch", `${url}/`, { method: "PUT" })).status, 405);
  assert.deepEqual(await call("http", "getCounterValue"), { result: 4 });
});

test("concurrent calls are each counted once", async () => {
  const answers = await Promise.all(Array.from({ length: 200 }, () => call("many", "increment")));
  const counts = answers.map(({ result }) => result).sort((a, b) => a - b);
  assert.deepEqual(counts, Array.from({ length: 200 }, (_, i) => i + 1));
});
