// The documents: every link leads somewhere, every command that they show is run and answers what they say, and
// names and numbers are those of the code.
//
// A block of `console` is run, its lines in order, in the session of its document: a Tally as `npm start` serves it,
// with nothing counted. `<!-- session -->` before a block begins a new one; `<!-- session: {"142": "3"} -->` has these
// entries in Workers KV. In an answer, … stands for anything within a line. A block of `sh` is a command that is not
// run here, and has to be listed in ELSEWHERE.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { parse } from "smol-toml";
import { blocksOf, brokenLinks, documents, textOf } from "../tools/docs.mjs";
import { PUBLIC } from "../tools/shell.mjs";
import { startDev } from "./dev.mjs";
import { ROOT, temporaryFolder } from "./workerd.mjs";

const TOKEN = "a token of the docs";
const BIN = join(ROOT, "node_modules/.bin");
const missing = (command) => spawnSync(command, ["--version"]).status !== 0 && `there is no ${command}`;
const SHOWN = documents().filter((file) => file === "README.md" || file.startsWith("docs/"));

/** Commands that need an account at Cloudflare, a package of the registry, or a long time; and what tests them. */
const ELSEWHERE = {
  "npm start": "commands.test.mjs",
  "npm test": "run.mjs, which runs this",
  "npm run deploy": "deploy.test.mjs",
  "npx tally token": "deploy.test.mjs",
  "npx tally-worker init my-tally && cd my-tally": "package.test.mjs",
  "TALLY=$PWD/build/release/tally-worker-0.2.0.tgz": "package.test.mjs",
  "npx file:$TALLY init my-tally --package $TALLY && cd my-tally": "package.test.mjs",
  "npm update && npm run deploy": "package.test.mjs",
  "git pull && npm run deploy": "deploy.test.mjs",
  "ADMIN_TOKEN=… npx tally export --format csv --output tally.csv": "cli.test.mjs",
  "ADMIN_TOKEN=… npm run import -- tally.csv --url https://tally.you.workers.dev": "cli.test.mjs",
  "curl -X POST -H \"Authorization: Bearer $TOKEN\" 'https://tally.you.workers.dev/verify?post=142&at=/2026/hello/'": "verified.test.mjs",
  "npx wrangler kv key delete :owner --binding VIEWS --remote": "publish.test.mjs, without wrangler",
  "npx wrangler delete": "nothing",
  "npx wrangler kv namespace delete --namespace-id ID": "nothing",
};

test("every link leads somewhere", () => {
  assert.deepEqual(brokenLinks(), []);
});

test("the README is short", () => {
  const lines = textOf("README.md").split("\n").length - 1;
  assert.ok(lines <= 150, `${lines} lines`);
});

describe("a session", { skip: missing("curl"), timeout: 300_000 }, () => {
  for (const file of SHOWN) {
    for (const [n, { entries, steps }] of sessionsOf(file).entries()) {
      test(`of ${file} is what happens (${n + 1})`, () =>
        session(entries, (run) => {
          for (const { command, answer } of steps) {
            const { stdout, stderr } = run(command);
            assert.match(stdout.trimEnd(), patternOf(run.here(answer)), `${command}\n${stdout}${stderr}`);
          }
        }));
    }
  }
});

test("the move from the tutorial and back keeps the counts", { skip: missing("curl") || missing("jq"), timeout: 300_000 }, async () => {
  const scripts = blocksOf("docs/operating.md").filter(({ language, text }) => language === "sh" && text.includes("jq "));
  assert.equal(scripts.length, 2);
  await session(undefined, (run) => {
    run.fill({ 142: "3", "/hello/": "14", note: "not a number" });
    assert.match(run(scripts[0].text).stdout, /\{"posts":2\}$/);
    assert.deepEqual(JSON.parse(readFileSync(join(run.folder, "counts.json"), "utf8")), { 142: "3", "/hello": "14" });
    run('curl -X PUT -H "Authorization: Bearer $TOKEN" -d 20 localhost:8787/views/142');
    assert.equal(run(scripts[1].text).status, 0);
    assert.equal(run("npx wrangler kv key get 142 --remote --namespace-id $ID").stdout.trim(), "20");
  });
});

test("every other command is listed, with what tests it", () => {
  const blocks = SHOWN.flatMap(blocksOf);
  const lines = blocks.filter(({ language, text }) => language === "sh" && !text.includes("jq ")).flatMap(({ text }) => text.split("\n"));
  const commands = new Set(lines.map((line) => line.replace(/ +#.*/, "").trim()).filter(Boolean));
  assert.deepEqual([...commands].sort(), Object.keys(ELSEWHERE).sort());
  for (const { language, text } of documents().flatMap(blocksOf)) {
    if (!language) assert.doesNotMatch(text, /^(\$ |curl |np[mx] |git |cargo |wrangler |tally )/m, "a block of commands is `console` or `sh`");
  }
});

test("scripts and files that the documents name are there", () => {
  const { scripts } = JSON.parse(textOf("package.json"));
  for (const file of documents()) {
    const text = textOf(file);
    for (const [, name] of text.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)) assert.ok(scripts[name] || name === "tally", `${file}: npm run ${name}`);
    const paths = text.matchAll(/`((?:src|tests|bench|tools|docs|public|package|wordpress|\.github|\.ci|\.devcontainer)\/[\w./-]*)`/g);
    for (const [, path] of paths) assert.ok(existsSync(join(ROOT, path)), `${file}: ${path}`);
  }
});

test("settings are written as wrangler.toml has them", () => {
  const { vars } = parse(textOf("wrangler.toml"));
  const rows = [...textOf("docs/settings.md").matchAll(/^\| `([A-Z_]+)` \| `(.*?)` \|/gm)];
  assert.deepEqual(rows.map(([, name]) => name).sort(), Object.keys(vars).sort());
  for (const [, name, value] of rows) assert.equal(value, JSON.stringify(vars[name]), name);
  for (const { language, text } of documents().flatMap(blocksOf)) {
    if (language !== "toml") continue;
    for (const name of Object.keys(parse(text))) assert.ok(name in vars || !/^[A-Z_]+$/.test(name), name);
  }
});

test("errors and reasons are those of the code", () => {
  const text = textOf("docs/http.md");
  const rows = [...text.matchAll(/^\| (\d{3}) \| (`[a-z_`, ]+) \|/gm)];
  const told = rows.flatMap(([, status, codes]) => codes.split(", ").map((code) => `${status} ${code.replaceAll("`", "")}`));
  const coded = [...textOf("src/base/error.rs").matchAll(/=> \((\d{3}), "(\w+)"\)/g)].map(([, status, code]) => `${status} ${code}`);
  assert.ok(coded.length > 30);
  assert.deepEqual([...new Set(told)].sort(), [...new Set(coded)].sort());
  const reasons = [...textOf("src/model/reason.rs").matchAll(/Self::\w+ => "(\w+)"/g)].map(([, name]) => name);
  assert.deepEqual([...text.matchAll(/^\| `(\w+)` \| (?:200|403|429) \|/gm)].map(([, name]) => name).sort(), reasons.sort());
});

test("numbers are those of the build and of the measurements", () => {
  const gzipped = (files) => gzipSync(Buffer.concat(files.map((file) => readFileSync(file)))).length;
  const upload = readdirSync(join(ROOT, "build/deploy")).filter((file) => /\.(js|wasm)$/.test(file)).map((file) => join(ROOT, "build/deploy", file));
  const performance = textOf("docs/performance.md");
  const about = Number(/is about (\d+) KB \(gzip\) to upload/.exec(performance)[1]) * 1000;
  const bytes = gzipped(upload);
  assert.ok(Math.abs(bytes - about) < about / 10, `the upload has ${bytes} bytes`);

  const embed = textOf("docs/embed.md").replaceAll("\n", " ");
  const most = [...embed.matchAll(/at most ([\d,]+) bytes/g)].map(([, number]) => Number(number.replace(",", "")));
  const sizes = ["views.js", "views.js.rest.js", "top.js", "top.js.rest.js"].map((file) => gzipped([join(PUBLIC, file)]));
  assert.equal(most.length, sizes.length);
  for (const [n, size] of sizes.entries()) assert.ok(size <= most[n] && size > most[n] * 0.8, `${size} of ${most[n]} bytes`);

  const [, dollars] = /^\| \*\*dollars for a million views\*\* \| \*\*([\d.]+)/m.exec(performance);
  assert.ok(Number(dollars) < 2, "the README says that a million views cost less than $2");
  const [, measured] = /^\| a counted view;[^|]*\| 64 \| ([\d,]+)/m.exec(performance);
  const [, said] = /counts about ([\d,]+) views a second/.exec(textOf("README.md").replaceAll("\n", " "));
  const [rate, aboutRate] = [measured, said].map((number) => Number(number.replace(",", "")));
  assert.ok(Math.abs(rate - aboutRate) < aboutRate / 3, `${rate} views a second`);
});

/** The sessions of a document: the entries that they begin with, and their commands with the answers. */
function sessionsOf(file) {
  const sessions = [];
  for (const { language, text, isNew, session } of blocksOf(file)) {
    if (language !== "console") continue;
    if (isNew || !sessions.length) sessions.push({ entries: session && JSON.parse(session), steps: [] });
    const steps = text.split(/^\$ /m).slice(1).map((step) => step.split("\n"));
    sessions.at(-1).steps.push(...steps.map(([command, ...answer]) => ({ command, answer: answer.join("\n").trimEnd() })));
  }
  return sessions;
}

/** Matches an answer in which … stands for anything within a line. */
function patternOf(answer) {
  const literal = answer.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${literal.join("[^\\n]*?")}$`);
}

/**
 * Has `work` run commands beside a Tally of its own. Its namespace of Workers KV has `entries`; another one, which
 * `run.fill` fills, stands for that of an account: there, commands of wrangler are local ones.
 */
async function session(entries, work) {
  const [folder, state, account] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
  const local = (state) => ["--local", "--persist-to", state, "--binding", "VIEWS", "--config", join(ROOT, "wrangler.toml")];
  const fill = (entries, into = account) => {
    const file = join(temporaryFolder(), "entries.json");
    writeFileSync(file, JSON.stringify(Object.entries(entries).map(([key, value]) => ({ key, value }))));
    const { status, stderr } = spawnSync(join(BIN, "wrangler"), ["kv", "bulk", "put", file, ...local(into)], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
  };
  if (entries) fill(entries, state);
  const { url, stop } = await startDev({ state, vars: { ADMIN_TOKEN: TOKEN } });
  const here = (text) => text.replaceAll("https://tally.you.workers.dev", url).replaceAll("localhost:8787", new URL(url).host);
  const bin = join(temporaryFolder(), "bin");
  mkdirSync(bin);
  const npx = `#!/bin/sh\ncommand=$1; shift\nfor arg; do shift; case $arg in --remote) set -- "$@" ${local(account).join(" ")};; --namespace-id) ;; an-id) ;; *) set -- "$@" "$arg";; esac; done\nexec "${BIN}/$command" "$@"\n`;
  writeFileSync(join(bin, "npx"), npx, { mode: 0o755 });
  // curl shows its progress otherwise.
  writeFileSync(join(bin, ".curlrc"), "silent\n");
  const env = { ...process.env, PATH: [bin, process.env.PATH].join(delimiter), CURL_HOME: bin, TOKEN, ID: "an-id" };
  const run = (command) => spawnSync("sh", ["-c", here(command)], { cwd: command.startsWith("npm ") ? ROOT : folder, env, encoding: "utf8" });
  try {
    await work(Object.assign(run, { folder, fill, here }));
  } finally {
    await stop();
  }
}
