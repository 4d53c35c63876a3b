// However often workerd is killed: increments, views, reads, publication, and posts that are handed over between
// ledgers, all at once, for 50 rounds. `SEED=… npm test -- tests/rounds.test.mjs` does the same once more.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { History, randomness } from "./history.mjs";
import { ping, read, until } from "./visitors.mjs";
import { TALLY, request, serve, temporaryFolder } from "./workerd.mjs";

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
const ROUNDS = Number(process.env.ROUNDS ?? 50);
const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000, DEDUPE_SECONDS: 0, ADMIN_TOKEN: "t" };
const NAMES = ["A", "B", "C"];
const POSTS = ["a", "b", "c", "d", "e", "f", "g", "h"];
const upTo = (n) => Array.from({ length: n }, (_, i) => i);
const pick = (random, list) => list[Math.floor(random() * list.length)];

test("SIGKILL under mixed load, 50 times: no read is less than was acknowledged or more than was attempted", { timeout: 600_000 }, async (t) => {
  t.diagnostic(`SEED=${SEED}`);
  const random = randomness(SEED);
  const [state, kv, history] = [temporaryFolder(), await serve(TALLY), new History()];
  const published = {};
  let ledgers = 1;
  let n = 0;

  const count = ({ status, body }) => {
    if (status === 503) return undefined;
    assert.equal(status, 200, body);
    return Number(/count: (-?\d+)$/.exec(body)[1]);
  };
  const views = ({ status, body }) => {
    if (status === 503) return undefined;
    assert.equal(status, 200, body);
    return JSON.parse(body).views;
  };
  const counter = ({ url }, path) => request(url, path).then(count);
  const view = (tally, post) => ping(tally, post, n++).then(views);
  /** The exact count, of a ping that does not count. */
  const look = (tally, post) => ping(tally, post, 1, { Purpose: "prefetch" }).then(views);
  const fetched = ({ url }, post) => request(url, `/views/${post}`).then(views);

  /** One thing that a client does. */
  async function act(tally, random) {
    const [name, post, what] = [pick(random, NAMES), pick(random, POSTS), random()];
    const amount = 1 + Math.floor(random() * 5);
    if (what < 0.3) return history.add(`counter ${name}`, amount, () => counter(tally, `/increment?name=${name}&amount=${amount}`));
    if (what < 0.7) return history.add(post, 1, () => view(tally, post));
    if (what < 0.8) return history.read(`counter ${name}`, () => counter(tally, `/?name=${name}`));
    if (what < 0.9) return history.read(post, () => look(tally, post));
    const told = await history.read(post, () => fetched(tally, post), { isPublished: true });
    // What was published once is not taken back.
    if (told !== undefined) published[post] = Math.max(published[post] ?? 0, told);
  }

  /** A round begins where nothing is on its way: what is read then is what there is. */
  async function settle(tally) {
    for (const name of NAMES) await history.settle(`counter ${name}`, () => counter(tally, `/?name=${name}`));
    for (const post of POSTS) await history.settle(post, () => until(() => look(tally, post), (told) => told !== undefined, 60));
  }

  try {
    for (const round of upTo(ROUNDS)) {
      if (random() < 0.3) ledgers = pick(random, [1, 2, 3, 5]);
      const tally = await serve(TALLY, { state, namespace: kv.namespace, vars: { ...VARS, LEDGERS: ledgers } });
      await settle(tally);
      await kv.kv("PUT", `/mode/${random() < 0.3 ? pick(random, ["fail", "busy", "lose", "old"]) : "ok"}`);
      let alive = true;
      const clients = upTo(16).map(async (client) => {
        const own = randomness(SEED + 1000 * round + client);
        while (alive) {
          // What was on its way as workerd was killed has failed; nothing else may.
          await act(tally, own).catch((error) => {
            if (alive || error.code === "ERR_ASSERTION") throw error;
          });
        }
      });
      const failed = Promise.all(clients);
      await Promise.race([sleep(50 + random() * 500), failed]);
      alive = false;
      await tally.stop("SIGKILL");
      await failed;
    }

    // In the end all is well, and what is told is what is there.
    await kv.kv("PUT", "/mode/ok");
    const tally = await serve(TALLY, { state, namespace: kv.namespace, vars: { ...VARS, LEDGERS: ledgers } });
    await settle(tally);
    for (const post of POSTS) {
      const exact = await look(tally, post);
      assert.ok(exact >= (published[post] ?? 0), `${post}: ${exact} are left of ${published[post]} that were published`);
      await ping(tally, post, n++);
      const isAll = ({ views }) => views === exact + 1;
      assert.ok(isAll(await until(() => read(tally, `/views/${post}`), isAll, 60)), post);
    }
    await tally.stop();
    t.diagnostic(`${history.reads} answers were checked`);
    assert.ok(history.reads > 10 * ROUNDS);
  } finally {
    await kv.stop();
  }
});
