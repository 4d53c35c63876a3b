// The CPU time that the ledger takes, by how many posts it has: for a ping, for one that has to read
// the ledger from storage first, and for a publication. Prints the table and writes it into the README.
//
// `npm run posts`. The time is that of the whole workerd process, HTTP and storage included, less what
// a request takes that asks no object. Workers KV is a stub that takes anything.

import { readFileSync, readdirSync } from "node:fs";
import { ping } from "../tests/visitors.mjs";
import { ROOT, request, serve } from "../tests/workerd.mjs";
import { run } from "../tools/shell.mjs";
import { writeTable } from "./readme.mjs";

const SIZES = [100, 10_000, 30_000, 100_000];
const TIMES = 20;
const OUT = "build/cost";
const post = (n) => `/posts/a-post-with-a-title-${n}`;

run("wrangler", ["deploy", "bench/counted.js", "--dry-run", "--outdir", OUT]);
const rows = [];
for (const size of SIZES) rows.push(await measure(size));
const table = render(rows);
console.log(`\n${table}`);
writeTable("posts", table);
process.exit(0);

/** Milliseconds of CPU. */
async function measure(size) {
  console.error(`${size} posts`);
  const server = await serve(`${ROOT}/${OUT}/counted.js`, { vars: { ADMIN_TOKEN: "bench", STUB: "KV" } });
  const get = (path) => request(server.url, path);
  let visitor = 0;
  const view = () => ping(server, post((visitor * 7919) % size), visitor++);
  await fill(server, size);
  const nothing = await cpu(server, () => get("/"));
  const times = { size };
  times.ping = (await cpu(server, view)) - nothing;
  times.wake = (await cpu(server, view, () => get("/evict"))) - nothing;
  times.publish = (await cpu(server, () => get("/publish"), view)) - nothing;
  await server.stop();
  return times;
}

/** Imports posts with views of the last days, as most blogs have them: of every tenth post. */
async function fill(server, size) {
  const day = (ago) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
  const days = Object.fromEntries(Array.from({ length: 10 }, (_, ago) => [day(ago), 1 + ago]));
  const line = (n) => JSON.stringify({ post: post(n), views: 100 + (n % 1000), days: n % 10 ? {} : days });
  for (let from = 0; from < size; from += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, size - from) }, (_, i) => line(from + i));
    const headers = { Authorization: "Bearer bench" };
    const { status } = await request(server.url, "/import", { method: "POST", headers, body: lines.join("\n") });
    if (status !== 200) throw new Error(`import: ${status}`);
  }
}

/** The median of what `work` takes, after it ran as often to be compiled. `before` is not measured. */
async function cpu(server, work, before = () => {}) {
  const times = [];
  for (let n = 0; n < 2 * TIMES; n++) {
    await before();
    const start = spent(server);
    await work();
    if (n >= TIMES) times.push(spent(server) - start);
  }
  return times.sort((a, b) => a - b)[TIMES / 2];
}

/** The CPU time of a process so far, of all its threads. */
function spent({ pid }) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const times = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]));
  return times.reduce((sum, time) => sum + time) / 1e6;
}

function render(rows) {
  const lines = rows.map(({ size, ...times }) => {
    const cells = [times.ping, times.wake, times.publish].map((time) => time.toFixed(1));
    return `| ${size.toLocaleString("en")} | ${cells.join(" | ")} |`;
  });
  return `| posts | a ping, ms of CPU | the first ping after eviction | a publication |
| ---: | ---: | ---: | ---: |
${lines.join("\n")}`;
}
