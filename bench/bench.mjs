// How fast Tally is beside the same counter in JavaScript (counter.js) and beside the least that a
// request can cost (floor.js), on bare workerd. Prints the table and writes it into docs/performance.md.
//
// `npm run bench [-- ROUNDS SECONDS]`. Every round starts them anew, because a process keeps
// its luck with memory for life, warms each up until its code is compiled, and then measures them
// one after the other, scenario by scenario. What counts is the ratio within a round; the table
// gives its median and, in brackets, its quartiles.

import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import autocannon from "autocannon";
import { ping, read, until, visitor } from "../tests/visitors.mjs";
import { EXAMPLE, ROOT, TALLY, serve } from "../tests/workerd.mjs";
import { run } from "../tools/shell.mjs";
import { writeTable } from "./docs.mjs";

const [rounds = 9, seconds = 1] = process.argv.slice(2).map(Number);
const CONTENDERS = { js: EXAMPLE, tally: TALLY, floor: `${ROOT}/bench/floor.js` };
const SETTINGS = { vars: { PUBLISH_SECONDS: 5, KV_WRITES_PER_DAY: 100_000 } };
const increment = { path: "/increment?name=A" };
const NAMES = Array.from({ length: 100 }, (_, i) => ({ path: `/increment?name=N${i}` }));
const view = { method: "POST", path: "/views/142", setupRequest: asSomebodyElse };
/** What is asked, what Tally is asked where that is something else, and whether that is the one without a rate limit. */
const SCENARIOS = [
  ["no Durable Object", [{ path: "/" }]],
  ["read", [{ path: "/?name=A" }]],
  ["increment, one name", [increment]],
  ["increment, 100 names", NAMES],
  ["a counted view; the others: increment, one name", [increment], [view]],
  ["the same without the rate limit", [increment], [view], true],
  ["the top 10; the others: no Durable Object", [{ path: "/" }], [{ path: "/top" }]],
];
const CONNECTIONS = [64, 1];
let visitors = 1000;

run("wrangler", ["deploy", "--dry-run", "--outdir", "build/deploy"]);
const results = await measure();
const table = render(results);
console.log(`\n${table}`);
writeTable("bench", table);
process.exit(0);

/** Requests a second, by scenario, connections and contender, one for each round. */
async function measure() {
  const results = {};
  for (let round = 1; round <= rounds; round++) {
    const servers = {};
    for (const [name, main] of Object.entries(CONTENDERS)) {
      servers[name] = await serve(main, SETTINGS);
      if (name === "tally") servers.unlimited = await serve(main, { ...SETTINGS, rateLimit: false });
    }
    await view100Posts(servers.tally);
    for (const [scenario, ...how] of SCENARIOS) {
      for (const name of Object.keys(CONTENDERS)) {
        progress(round, "warming up", scenario, name);
        await load(servers, name, how, 64);
      }
    }
    for (const [scenario, ...how] of SCENARIOS) {
      for (const connections of CONNECTIONS) {
        for (const name of rotate(Object.keys(CONTENDERS), round)) {
          progress(round, scenario, `${connections} connections`, name);
          const perSecond = await load(servers, name, how, connections);
          (((results[scenario] ??= {})[connections] ??= {})[name] ??= []).push(perSecond);
        }
      }
    }
    for (const server of Object.values(servers)) await server.stop();
  }
  process.stderr.write("\r\x1b[K");
  return results;
}

function progress(round, ...what) {
  process.stderr.write(`\r\x1b[Kround ${round}/${rounds}: ${what.join(", ")}`);
}

/** So that none always goes first. */
function rotate(list, by) {
  return [...list.slice(by % list.length), ...list.slice(0, by % list.length)];
}

/** Gives the top list something to list. */
async function view100Posts(server) {
  for (let n = 0; n < 300; n++) await ping(server, `/posts/${n % 100}`, n);
  await until(() => read(server, "/top"), ({ posts }) => posts.length === 10);
}

/** Every view is counted: each is of another visitor. */
function asSomebodyElse(request) {
  return { ...request, headers: { ...request.headers, ...visitor(visitors++) } };
}

async function load(servers, name, [all, ours, isUnlimited], connections) {
  const isOurs = name === "tally" && ours;
  const { url } = isOurs && isUnlimited ? servers.unlimited : servers[name];
  const requests = isOurs ? ours : all;
  const result = await autocannon({ url, connections, requests, duration: seconds });
  if (result.non2xx || result.errors) throw new Error(`${url}${requests[0].path}: ${JSON.stringify(result)}`);
  return result["2xx"] / result.duration;
}

function render(results) {
  const rows = SCENARIOS.flatMap(([scenario]) =>
    CONNECTIONS.map((connections) => {
      const { js, tally, floor } = results[scenario][connections];
      const perSecond = Math.round(quantile(tally, 0.5)).toLocaleString("en");
      return `| ${scenario} | ${connections} | ${perSecond} | ${ratio(tally, js)} | ${ratio(floor, js)} | ${ratio(tally, floor)} |`;
    }),
  );
  const version = JSON.parse(readFileSync(`${ROOT}/node_modules/workerd/package.json`, "utf8")).version;
  return `| | connections | Tally, requests/s | Tally ÷ JavaScript | floor ÷ JavaScript | Tally ÷ floor |
| --- | ---: | ---: | ---: | ---: | ---: |
${rows.join("\n")}

Medians of ${rounds} rounds, quartiles in brackets; workerd ${version} and the load on ${cpus().length} cores of one machine.`;
}

function ratio(a, b) {
  const ratios = a.map((value, i) => value / b[i]);
  const [low, middle, high] = [0.25, 0.5, 0.75].map((q) => quantile(ratios, q).toFixed(2));
  return `**${middle}×** (${low}–${high})`;
}

function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)];
  return below + (sorted[Math.ceil(at)] - below) * (at - Math.floor(at));
}
