// `npm run soak [-- MINUTES [SEED]]`, 10 minutes without it: the highest rate that this machine holds, of readers of
// 10,000 posts, a few of which have most of the views (Zipf). It fails where a request does, where a view is lost or
// counted twice, or where memory grows after the warm-up. Prints what it took, and writes it into docs/performance.md.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { History, randomness } from "../tests/history.mjs";
import { read, until, visitor } from "../tests/visitors.mjs";
import { ROOT, request, serve } from "../tests/workerd.mjs";
import { run, say } from "../tools/shell.mjs";
import { writeTable } from "./docs.mjs";

const MINUTES = Number(process.argv[2] ?? 10);
const SEED = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 32));
const POSTS = 10_000;
const CONNECTIONS = 64;
/** The part of the time after which memory must not grow. */
const WARM = 0.5;
const MIB = 1 << 20;
/** A visitor is known for a short time, so that there are as many who are in the end as after the warm-up. */
const VARS = { PUBLISH_SECONDS: 5, KV_WRITES_PER_DAY: 100_000, DEDUPE_SECONDS: 15, ADMIN_TOKEN: "t" };

run("wrangler", ["deploy", "bench/soaked.js", "--dry-run", "--outdir", "build/soak"]);
const tally = await serve(`${ROOT}/build/soak/soaked.js`, { vars: VARS });
const random = randomness(SEED);
const weights = Float64Array.from({ length: POSTS }, (_, n) => 1 / (n + 1));
const sums = weights.map((() => { let sum = 0; return (weight) => (sum += weight); })());
const history = new History();
/** How many requests took how many tenths of a millisecond, by kind. */
const took = {};
let [views, n, alive] = [POSTS, 0, true];

/** A post, the nth of which has the nth part of the views of the first. */
function zipf() {
  const wanted = random() * sums[POSTS - 1];
  let [low, high] = [0, POSTS - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function ask(kind, path, options) {
  const begun = performance.now();
  const { status, body } = await request(tally.url, path, options);
  const tenths = Math.round((performance.now() - begun) * 10);
  (took[kind] ??= new Map()).set(tenths, (took[kind].get(tenths) ?? 0) + 1);
  assert.equal(status, 200, `${path}: ${status} ${body}`);
  return body;
}

const ACTS = [
  [0.3, async () => {
    const post = `/posts/${zipf()}`;
    const ping = () => ask("ping", `/views/${encodeURIComponent(post)}`, { method: "POST", headers: visitor(n++) });
    await history.add(post, 1, async () => JSON.parse(await ping()).views);
    views++;
  }],
  [0.8, async () => {
    const post = `/posts/${zipf()}`;
    const told = async () => JSON.parse(await ask("read", `/views/${encodeURIComponent(post)}`)).views;
    await history.read(post, told, { isPublished: true });
  }],
  [0.9, () => ask("top 10", "/top")],
  [1, () => history.add("counter", 1, async () => Number(/: (\d+)$/.exec(await ask("increment", "/increment?name=A"))[1]))],
];

/** The memory of Wasm and of workerd, in bytes. */
async function memory() {
  const { bytes } = await read(tally, "/memory");
  const pages = Number(readFileSync(`/proc/${tally.pid}/statm`, "utf8").split(" ")[1]);
  return { wasm: bytes, workerd: pages * 4096 };
}

say(`${MINUTES} minutes, seed ${SEED}`);
const posts = Object.fromEntries(Array.from({ length: POSTS }, (_, n) => [`/posts/${n}`, 1]));
const imported = await request(tally.url, "/import", { method: "POST", headers: { Authorization: "Bearer t" }, body: JSON.stringify(posts) });
assert.equal(imported.status, 200, imported.body);
for (const post of Object.keys(posts)) await history.add(post, 1, () => 1);
const clients = Array.from({ length: CONNECTIONS }, async () => {
  while (alive) {
    const what = random();
    await ACTS.find(([most]) => what < most)[1]();
  }
});
const failed = Promise.all(clients);
const begun = Date.now();
const samples = [];
while (Date.now() - begun < MINUTES * 60_000) {
  await Promise.race([sleep(Math.min(5000, MINUTES * 3000)), failed]);
  samples.push(await memory());
}
const seconds = (Date.now() - begun) / 1000;
alive = false;
await failed;

const stats = await until(() => read(tally, "/stats"), (stats) => stats.views === views, 60);
assert.equal(stats.views, views, "every view is published, once");
const [warm, hot] = [samples.slice(0, Math.ceil(samples.length * WARM)), samples.slice(Math.ceil(samples.length * WARM))];
const most = (samples, what) => Math.max(...samples.map((sample) => sample[what]));
// Wasm memory grows by pieces, and workerd's has the garbage of V8 in it.
for (const [what, more] of [["wasm", 2 * MIB], ["workerd", 40 * MIB]]) {
  const [before, after] = [most(warm, what), most(hot, what)];
  assert.ok(after <= before * 1.1 + more, `${what}: ${before} bytes have become ${after}`);
}
assert.doesNotMatch(tally.log(), /panicked|uncaught/i);

const counted = ([, times]) => times;
const percentile = (times, part) => {
  const sorted = [...times].sort(([a], [b]) => a - b);
  let left = part * sorted.map(counted).reduce((a, b) => a + b);
  return (sorted.find(([, times]) => (left -= times) <= 0)[0] / 10).toFixed(1);
};
const lines = Object.entries(took).map(([kind, times]) => {
  const all = [...times.values()].reduce((a, b) => a + b);
  return `| ${kind} | ${all.toLocaleString("en")} | ${Math.round(all / seconds).toLocaleString("en")} | ${percentile(times, 0.5)} | ${percentile(times, 0.99)} |`;
});
const mib = (what) => `${Math.round(most(warm, what) / MIB)} MiB after the warm-up, ${Math.round(most(hot, what) / MIB)} at the end`;
const table = [
  "| | requests | a second | median, ms | 99%, ms |",
  "| --- | ---: | ---: | ---: | ---: |",
  ...lines,
  "",
  `${MINUTES} minutes, ${CONNECTIONS} connections, the load on the same machine; no error, no view lost. Memory: Wasm ${mib("wasm")}; workerd ${mib("workerd")}.`,
].join("\n");
console.log(`\n${table}`);
writeTable("soak", table);
process.exit(0);
