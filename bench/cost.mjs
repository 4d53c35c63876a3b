// What a million views cost, beside the usual tutorial (tutorial.js), and what more of them cost:
// operations counted on bare workerd, times Cloudflare's prices. Prints the tables and writes them into
// docs/performance.md and docs/scale.md.
//
// `npm run cost`. A day of a month with a million views runs through the ledger in a minute, by a
// clock that is set; then 1,000 visitors come at once, and others for two seconds over 64 connections.

import { setTimeout as sleep } from "node:timers/promises";
import autocannon from "autocannon";
import { ROOT, request, serve } from "../tests/workerd.mjs";
import { ping, read, visitor } from "../tests/visitors.mjs";
import { run } from "../tools/shell.mjs";
import { writeTable } from "./docs.mjs";

/** Dollars for a million, beyond what the paid plan includes. */
const PRICES = { worker: 0.3, ledger: 0.15, rows: 1, reads: 0.5, writes: 5 };
const MONTH = 1_000_000;
const DAYS = 30;
const POSTS = 500;
const CROWD = 1000;
const CONNECTIONS = 64;
/** Views a day, how many times the average a peak is, and how many of them a ledger is to get a second then. */
const TRAFFIC = [100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
const PEAK = 4;
const PER_LEDGER = 500;
const MOST_LEDGERS = 64;
/** What the paid plan is and includes in a month, and what a ledger takes that is awake all the time. */
const PLAN = 5;
const INCLUDED = { worker: 10e6, ledger: 1e6, rows: 50e6, writes: 1e6, seconds: 400_000 };
const LEDGER_SECONDS = (128 / 1024) * 86_400 * DAYS;
const SECONDS_PRICE = 12.5;

const out = "build/cost";
run("wrangler", ["deploy", "bench/counted.js", "--dry-run", "--outdir", out]);
const figures = await tally();
const table = render(figures, await tutorial());
const traffic = renderTraffic(figures);
console.log(`\n${table}\n\n${traffic}`);
writeTable("cost", table);
writeTable("traffic", traffic, "docs/scale.md");
process.exit(0);

async function tally() {
  const isolated = await withServer(`${ROOT}/${out}/counted.js`, async (server) => {
    console.error("a day of isolated views");
    const views = Math.round(MONTH / DAYS);
    await ping(server, "first", 0);
    await sleep(2000);
    const before = (await server.kv()).operations;
    const counts = JSON.parse((await request(server.url, `/simulate?views=${views}&seconds=86400&posts=${POSTS}`)).body);
    const after = (await server.kv()).operations;
    const writes = after.put + after.delete - before.put - before.delete;
    return { views, ...counts, writes };
  });
  const crowd = await withServer(`${ROOT}/${out}/counted.js`, async (server) => {
    console.error(`${CROWD} at once`);
    await ping(server, "first", 0);
    const before = await operations(server);
    const counted = await pingAtOnce(server);
    const after = await operations(server);
    return { rows: after.rows - before.rows, lost: CROWD - counted };
  });
  const stream = await withServer(`${ROOT}/${out}/counted.js`, async (server) => {
    console.error(`${CONNECTIONS} connections`);
    await ping(server, "first", 0);
    const before = await operations(server);
    const views = await pingOver(server, CONNECTIONS);
    const after = await operations(server);
    return { views, requests: after.requests - before.requests, rows: after.rows - before.rows };
  });
  return { isolated, crowd, stream };
}

/** What the ledger has been asked, and has written, so far. */
async function operations(server) {
  return JSON.parse((await request(server.url, "/operations")).body);
}

/** Views of one post over so many connections for two seconds, each of another visitor; how many. */
async function pingOver({ url }, connections) {
  let n = 0;
  const setupRequest = (request) => ({ ...request, headers: { ...request.headers, ...visitor(n++) } });
  const requests = [{ method: "POST", path: "/views/viral", setupRequest }];
  const result = await autocannon({ url, connections, requests, duration: 2 });
  if (result.non2xx || result.errors) throw new Error(`${url}: ${JSON.stringify(result)}`);
  return result["2xx"];
}

async function tutorial() {
  return withServer(`${ROOT}/bench/tutorial.js`, async (server) => {
    console.error("the tutorial");
    await ping(server, "142", 0);
    const { get, put } = (await server.kv()).operations;
    await pingAtOnce(server);
    const { views } = await read(server, "/views/viral");
    return { reads: get, writes: put, lost: CROWD - views };
  });
}

/** Visitors who come at once; how many of them the count has in the end. */
async function pingAtOnce(server) {
  const answers = await Promise.all(Array.from({ length: CROWD }, (_, n) => ping(server, "viral", n + 1)));
  return Math.max(...answers.map(({ told }) => told.views));
}

async function withServer(main, work) {
  const server = await serve(main);
  try {
    return await work(server);
  } finally {
    await server.stop();
  }
}

function render({ isolated, crowd, stream }, tutorial) {
  const perView = (n) => n / isolated.views;
  const ours = {
    worker: 1,
    ledger: perView(isolated.requests),
    rows: perView(isolated.rows),
    reads: 0,
    writes: perView(isolated.writes),
  };
  const theirs = { worker: 1, ledger: 0, rows: 0, reads: tutorial.reads, writes: tutorial.writes };
  const dollars = (uses) => Object.entries(PRICES).reduce((sum, [name, price]) => sum + uses[name] * price, 0);
  const number = (n) => (Number.isInteger(n) ? `${n}` : n.toFixed(3));
  const million = (n) => Math.round(n * MONTH).toLocaleString("en");
  return `| | Tally | KV tutorial |
| --- | ---: | ---: |
| Durable Object requests for a view, alarms included | ${number(ours.ledger)} | 0 |
| the same where ${CONNECTIONS} connections view one post | ${number(stream.requests / stream.views)} | 0 |
| rows written for a view that comes alone | ${number(ours.rows)} | 0 |
| rows written for a view, ${CROWD.toLocaleString("en")} at once | ${number(crowd.rows / CROWD)} | 0 |
| Workers KV reads for a million views | 0 | ${million(theirs.reads)} |
| Workers KV writes for a million views in a month | ${million(ours.writes)} | ${million(theirs.writes)} |
| **dollars for a million views** | **${dollars(ours).toFixed(2)}** | **${dollars(theirs).toFixed(2)}** |
| views lost of ${CROWD.toLocaleString("en")} at once | ${crowd.lost} | ${tutorial.lost} |`;
}

/** What so many views a day take: none of them shares a call or a write, or as many as at 64 connections. */
function renderTraffic({ isolated, stream }) {
  const alone = { ledger: isolated.requests / isolated.views, rows: isolated.rows / isolated.views };
  const together = { ledger: stream.requests / stream.views, rows: stream.rows / stream.views };
  const number = (n) => Math.ceil(n).toLocaleString("en");
  const rows = TRAFFIC.map((perDay) => {
    const peak = (perDay / 86_400) * PEAK;
    const ledgers = Math.min(Math.ceil(peak / PER_LEDGER), MOST_LEDGERS);
    const views = perDay * DAYS;
    const beyond = (used, what) => Math.max(used - INCLUDED[what], 0) / 1e6;
    const dollars = ({ ledger, rows }) =>
      PLAN +
      PRICES.worker * beyond(views, "worker") +
      PRICES.ledger * beyond(views * ledger, "ledger") +
      PRICES.rows * beyond(views * rows, "rows") +
      SECONDS_PRICE * beyond(ledgers * LEDGER_SECONDS, "seconds");
    const isFree = perDay * Math.max(alone.ledger, alone.rows) <= 100_000;
    const calls = (each) => number((peak * each) / ledgers);
    return `| ${perDay.toLocaleString("en")} | ${number(perDay / 86_400)}, ${number(peak)} | ${ledgers} | ${calls(alone.ledger)}, ${calls(together.ledger)} | ${isFree ? "free" : `paid: ${number(dollars(alone))}, ${number(dollars(together))}`} |`;
  });
  return `| views a day | a second: average, peak | ledgers | calls a second of a ledger at the peak: alone, together | plan, dollars a month: alone, together |
| ---: | ---: | ---: | ---: | ---: |
${rows.join("\n")}`;
}
