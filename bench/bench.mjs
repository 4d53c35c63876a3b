// How fast Tally is beside the same counter in JavaScript (counter.js) and beside the least that a
// request can cost (floor.js), on bare workerd. Prints the table and writes it into the README.
//
// `npm run bench [-- ROUNDS SECONDS]`. Every round starts the three anew, because a process keeps
// its luck with memory for life, warms each up until its code is compiled, and then measures them
// one after the other, scenario by scenario. What counts is the ratio within a round; the table
// gives its median and, in brackets, its quartiles.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import autocannon from "autocannon";
import { EXAMPLE, ROOT, TALLY, serve } from "../tests/workerd.mjs";

const [rounds = 9, seconds = 1] = process.argv.slice(2).map(Number);
const CONTENDERS = { js: EXAMPLE, tally: TALLY, floor: `${ROOT}/bench/floor.js` };
const NAMES = Array.from({ length: 100 }, (_, i) => `/increment?name=N${i}`);
const SCENARIOS = [
  ["no Durable Object", ["/"]],
  ["read", ["/?name=A"]],
  ["increment, one name", ["/increment?name=A"]],
  ["increment, 100 names", NAMES],
];
const CONNECTIONS = [64, 1];

execFileSync("wrangler", ["deploy", "--dry-run", "--outdir", "build/deploy"], { cwd: ROOT, stdio: "inherit" });
const results = await measure();
const table = render(results);
console.log(`\n${table}`);
writeReadme(table);
process.exit(0);

/** Requests a second, by scenario, connections and contender, one for each round. */
async function measure() {
  const results = {};
  for (let round = 1; round <= rounds; round++) {
    const servers = {};
    for (const [name, main] of Object.entries(CONTENDERS)) {
      servers[name] = await serve(main);
      progress(round, "warming up", name);
      for (const [, paths] of SCENARIOS) await load(servers[name].url, paths, 64);
    }
    for (const [scenario, paths] of SCENARIOS) {
      for (const connections of CONNECTIONS) {
        for (const [name, { url }] of rotate(Object.entries(servers), round)) {
          progress(round, scenario, `${connections} connections`, name);
          const perSecond = await load(url, paths, connections);
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

async function load(url, paths, connections) {
  const requests = paths.map((path) => ({ path }));
  const result = await autocannon({ url, connections, requests, duration: seconds });
  if (result.non2xx || result.errors) throw new Error(`${url}${paths[0]}: ${JSON.stringify(result)}`);
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

function writeReadme(table) {
  const file = `${ROOT}/README.md`;
  const [before, rest] = readFileSync(file, "utf8").split("<!-- bench -->\n");
  const after = rest.split("<!-- /bench -->")[1];
  writeFileSync(file, `${before}<!-- bench -->\n${table}\n<!-- /bench -->${after}`);
}
