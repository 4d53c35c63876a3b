// What Tally takes, by how many posts a site has, all with views in 24 hours and on 30 days: the CPU
// time of pings, publications and reads, the Wasm memory of ledger and reader, the writes of a
// publication, and the seconds of an import and an export; and the same of a million posts that eight
// ledgers share. Prints the tables and writes them into docs/performance.md and docs/scale.md.
//
// `npm run scale`; `npm run scale -- 1000 10000` measures these sizes and leaves the files alone, and
// `npm run scale -- 1000000/8` a million posts over eight ledgers. The
// time is that of the thread in which workerd runs the Worker, HTTP and storage included, less what a
// request takes that asks nobody.

import { readFileSync } from "node:fs";
import { visitor } from "../tests/visitors.mjs";
import { ROOT, request, serve } from "../tests/workerd.mjs";
import { run } from "../tools/shell.mjs";
import { writeTable } from "./docs.mjs";

const SIZES = ["1000", "10000", "30000", "100000", "200000"];
const SHARED = "1000000/8";
/** A thirtieth of what the paid plan includes in a month. */
const PAID_WRITES = 33_000;
const DAY = 100_000;
const PINGS = 4000;
const READS = 200;
const OUT = "build/scale";
const PART = 3 << 20;
const OWNER = { Authorization: "Bearer bench" };

let views = 1 << 22;
const named = process.argv.slice(2);
run("wrangler", ["deploy", "bench/scaled.js", "--dry-run", "--outdir", OUT]);
const sizes = named.length ? named : [...SIZES, SHARED];
const isShared = (size) => size.includes("/");
const own = await measured(sizes.filter((size) => !isShared(size)));
if (own.length) show("docs/performance.md", { scale: ledgerTable(own), "scale of reads": readerTable(own) });
const shared = await measured(sizes.filter(isShared));
if (shared.length) show("docs/scale.md", { "scale of ledgers": sharedTable(shared) });
process.exit(0);

async function measured(sizes) {
  const rows = [];
  for (const size of sizes) rows.push(await measure(...size.split("/").map(Number)));
  return rows;
}

function show(file, tables) {
  for (const [name, table] of Object.entries(tables)) {
    console.log(`\n${table}`);
    if (!named.length) writeTable(name, table, file);
  }
}

async function measure(size, ledgers = 1) {
  const vars = { ADMIN_TOKEN: "bench", ...(ledgers > 1 && { LEDGERS: ledgers, KV_WRITES_PER_DAY: PAID_WRITES }) };
  const server = await serve(`${ROOT}/${OUT}/scaled.js`, { vars, reader: true });
  const say = (text) => console.error(`${size} posts: ${text}`);
  const get = async (path) => {
    const { status, body } = await request(server.url, path);
    if (status !== 200) throw new Error(`${path}: ${status} ${body}`);
    return JSON.parse(body);
  };
  const row = { size, ledgers };
  const memory = async (after) => {
    row.memory = (await get("/memory")).bytes;
    say(`${mib(row.memory)} MiB after ${after}`);
  };
  say("import");
  row.import = await seconds(() => fill(server, size));
  await memory("the import");
  await settle(get);
  if (ledgers === 1) {
    say("a day of views");
    await get(`/day?views=${DAY}&posts=${size}`);
    await memory("the day");
    await settle(get);
  } else {
    say("the load of 10,000 posts");
    row.load = await load(server, get, size);
  }
  const nothing = median(await costs(server, READS, () => request(server.url, "/?")));
  say("pings");
  const ping = (n) => view(server, n % size, n);
  const pings = await costs(server, PINGS, ping, (n) => (n % 1000 ? undefined : settle(get)));
  row.ping = [median(pings), quantile(pings, 0.995), Math.max(...pings)].map((time) => time - nothing);
  await memory("the pings");
  say("publications");
  const somes = [];
  for (const _ of upTo(5)) somes.push(await publication(server, get, size, Math.ceil(size / 100), nothing));
  row.some = { ...somes[0], cpu: median(somes.map(({ cpu }) => cpu)) };
  await memory("one");
  row.all = await publication(server, get, size, size, nothing);
  await memory("all");
  say("export");
  row.export = await seconds(() => exported(server, size));
  await memory("export");
  if (ledgers === 1) {
    say("evictions");
    await get(`/day?views=${DAY}&posts=${size}`);
    // After the memory was told: those before are still in it.
    const wakes = await costs(server, 11, (n) => ping(PINGS + n), () => get("/evict"));
    row.wake = { median: median(wakes) - nothing, largest: Math.max(...wakes) - nothing };
  }
  say("reads");
  await get("/flush");
  Object.assign(row, await reads(server, size));
  await server.stop("SIGKILL");
  return row;
}

function post(n) {
  return `/posts/a-post-with-a-title-${n}`;
}

function upTo(n) {
  return Array.from({ length: n }, (_, i) => i);
}

/** Imports posts with every field full. */
async function fill(server, size) {
  const hour = (ago) => new Date(Date.now() - ago * 3_600_000).toISOString().slice(0, 13);
  const day = (ago) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
  const hours = JSON.stringify(Object.fromEntries(upTo(24).map((ago) => [hour(ago), 3 + ago])));
  const days = JSON.stringify(Object.fromEntries(upTo(30).map((ago) => [day(ago), 300 + ago])));
  let body = "";
  for (let n = 0; n < size; n++) {
    body += `{"post":"${post(n)}","views":${20_000 + (n % 1000)},"hours":${hours},"days":${days}}\n`;
    if (body.length < PART && n < size - 1) continue;
    const { status, body: answer } = await request(server.url, "/import?mode=replace", { method: "POST", headers: OWNER, body });
    if (status !== 200) throw new Error(`import: ${status} ${answer}`);
    body = "";
  }
}

async function exported(server, size) {
  const { body } = await request(server.url, "/export?format=ndjson", { headers: OWNER });
  const lines = body.split("\n").length - 1;
  if (lines !== size) throw new Error(`the export has ${lines} posts`);
}

/** How many pings each ledger gets of one for each of 10,000 posts. */
async function load(server, get, size) {
  await get("/load");
  for (let n = 0; n < 10_000; n += 50) await Promise.all(upTo(50).map((i) => view(server, ((n + i) * 7919) % size, views++)));
  return Object.values((await get("/load")).calls);
}

/**
 * Runs alarms until none is due soon, as on a site at rest; or until all that was changed before is published. The
 * entries of a large site are written for weeks after that.
 */
async function settle(get) {
  for (let n = 0, seconds = 0; n < 10_000; n++) {
    const { next } = await get("/alarm");
    if (next === null || next > 600) return;
    const { oldest, published } = await get("/stats");
    if (seconds > 600 && published !== null && oldest === published) return;
    await get(`/clock?seconds=${Math.max(next, 0)}`);
    seconds += Math.max(next, 0);
  }
  throw new Error("not all is ever published");
}

/** A view by a visitor who was not there before. */
async function view(server, of, n) {
  const { status, body } = await request(server.url, `/views/${encodeURIComponent(post(of))}`, { method: "POST", headers: visitor(n + (1 << 20)) });
  if (status !== 200) throw new Error(`ping: ${status} ${body}`);
}

/**
 * Changes posts and publishes, early in a day: the CPU of the dearest alarm, the writes of heads and
 * parts until everything is published, and how many minutes that takes by the ledger's clock.
 */
async function publication(server, get, size, changes, nothing) {
  let most = 0;
  let writes = 0;
  let seconds = 0;
  const { next: rest } = await get("/midnight");
  await get(`/clock?seconds=${rest + 1}`);
  await settle(get);
  for (let n = 0; n < changes; n += 50) {
    const some = upTo(Math.min(50, changes - n));
    await Promise.all(some.map((i) => view(server, ((n + i) * 7919) % size, views++)));
  }
  const advance = async (by) => {
    await get(`/clock?seconds=${by}`);
    seconds += by;
  };
  for (let next = 300; ; ) {
    await advance(Math.max(next, 0));
    const start = spent(server);
    const written = await get("/alarm");
    most = Math.max(most, spent(server) - start - nothing);
    writes += written.heads + written.parts;
    next = written.next;
    if (!written.heads) continue;
    const minutes = seconds / 60;
    // The Worker keeps the head before for a minute.
    await advance(61);
    next -= 61;
    const { oldest, published } = await get("/stats");
    if (oldest === published) return { cpu: most, writes, minutes };
  }
}

/** The CPU of reads that the isolate can answer from memory, and its Wasm memory. */
async function reads(server, size) {
  const get = (path) => async () => {
    const { status, body } = await request(server.reader, path);
    if (status !== 200) throw new Error(`${path}: ${status} ${body}`);
  };
  const nothing = median(await costs(server, READS, get("/?")));
  // The same question in the same second would be answered as the last one was.
  const hundred = (n) => upTo(100).map((i) => `post=${encodeURIComponent(post(((n % 5) * 100 + i) * 7919 % size))}`).join("&");
  const cost = async (path) => median(await costs(server, READS, (n) => get(path(n))())) - nothing;
  const row = { one: await cost((n) => `/views/${encodeURIComponent(post(n % 50))}`), hundred: await cost((n) => `/views?${hundred(n)}`), top: [] };
  for (const period of ["all", "day", "week", "month"]) row.top.push(await cost((n) => `/top?limit=${99 + (n % 2)}&period=${period}`));
  // Every part of a large site is asked for.
  for (let n = 0; n < size; n += Math.ceil(size / 1000)) await get(`/views/${encodeURIComponent(post(n))}`)();
  const { body } = await request(server.reader, "/memory");
  return { ...row, readerMemory: JSON.parse(body).bytes };
}

/** The CPU of each call of `work`, in milliseconds; before it, as often, it runs to be compiled. */
async function costs(server, times, work, before = () => {}) {
  const all = [];
  for (let n = 0; n < times + Math.min(times, 500); n++) {
    await before(n);
    const start = spent(server);
    await work(n);
    all.push(spent(server) - start);
  }
  return all.slice(-times);
}

/** The CPU time of a process's main thread so far, in milliseconds; others compile and collect garbage. */
function spent({ pid }) {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
}

function quantile(times, part) {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length * part)];
}

function median(times) {
  return quantile(times, 0.5);
}

async function seconds(work) {
  const start = Date.now();
  await work();
  return (Date.now() - start) / 1000;
}

function ms(time) {
  return Math.max(time, 0).toFixed(1);
}

function mib(bytes) {
  return (bytes / (1 << 20)).toFixed(0);
}

function ledgerTable(rows) {
  const lines = rows.map(({ size, ping, wake, some, all, memory, ...row }) => {
    const cells = [
      ping.map(ms).join(", "), `${ms(wake.median)}, ${ms(wake.largest)}`, `${ms(some.cpu)}, ${some.writes}`,
      `${ms(all.cpu)}, ${all.writes}`, all.minutes.toFixed(0), mib(memory), row.import.toFixed(1), row.export.toFixed(1),
    ];
    return `| ${size.toLocaleString("en")} | ${cells.join(" | ")} |`;
  });
  return `| posts | a ping: median, 99.5%, largest of ${PINGS.toLocaleString("en")} | the first after eviction: median, largest | 1% changed: a publication, writes | all changed: the same | published within, minutes | memory, MiB | import, s | export, s |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
${lines.join("\n")}`;
}

function sharedTable(rows) {
  const cells = (row) => [
    ["a ping, ms of CPU: median, 99.5%, largest of 4,000", row.ping.map(ms).join(", ")],
    ["pings of a ledger, of one for each of 10,000 posts: least, most", `${Math.min(...row.load)}, ${Math.max(...row.load)}`],
    ["1% changed: the dearest alarm of all ledgers, ms; writes; published within, minutes", `${ms(row.some.cpu)}; ${row.some.writes}; ${row.some.minutes.toFixed(0)}`],
    ["all changed: the same", `${ms(row.all.cpu)}; ${row.all.writes}; ${row.all.minutes.toFixed(0)}`],
    ["a read of one post, of a hundred, ms", `${row.one.toFixed(2)}, ${row.hundred.toFixed(2)}`],
    ["`/top`: all, day, week, month, ms", row.top.map((time) => Math.max(time, 0).toFixed(2)).join(", ")],
    ["memory of a ledger, of a reader, MiB", `${mib(row.memory / row.ledgers)}, ${mib(row.readerMemory)}`],
    ["import, export, s", `${row.import.toFixed(0)}, ${row.export.toFixed(0)}`],
  ];
  return rows.map((row) => `| ${row.size.toLocaleString("en")} posts, ${row.ledgers} ledgers | |
| --- | ---: |
${cells(row).map(([what, figure]) => `| ${what} | ${figure} |`).join("\n")}`).join("\n\n");
}

function readerTable(rows) {
  const exact = (time) => Math.max(time, 0).toFixed(2);
  const lines = rows.map(({ size, one, hundred, top, readerMemory }) => {
    const cells = [exact(one), exact(hundred), top.map(exact).join(", "), mib(readerMemory)];
    return `| ${size.toLocaleString("en")} | ${cells.join(" | ")} |`;
  });
  return `| posts | a read of one, ms | of a hundred | \`/top\`: all, day, week, month | memory, MiB |
| ---: | ---: | ---: | ---: | ---: |
${lines.join("\n")}`;
}
