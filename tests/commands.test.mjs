// The commands of the repository: what they install and start, and what they say when they cannot.
// docs.test.mjs runs those that the docs show.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { digestOf } from "../tools/shell.mjs";
import { startDev } from "./dev.mjs";
import { ROOT, request, temporaryFolder } from "./workerd.mjs";

/** Runs a script of the project; its exit status, output and seconds. */
function script(file, env = {}) {
  const started = Date.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, file)], {
    env: { ...process.env, ...env },
  });
  return { status, output: `${stdout}${stderr}`, seconds: (Date.now() - started) / 1000 };
}

/** Runs the command `tally`. */
function tally(...args) {
  return spawnSync(process.execPath, [join(ROOT, "package/bin/tally.js"), ...args], { encoding: "utf8" });
}

test("`npm run top` says in one line what is wrong", () => {
  const { status, stdout, stderr } = tally("top", "--url", "http://127.0.0.1:1");
  assert.equal(status, 3);
  assert.equal(stdout, "");
  assert.match(stderr, /^tally: http:\/\/127\.0\.0\.1:1 does not answer as Tally does \(.*\)\n$/);
});

// The counters alone are 48 KiB; most of the rest is the ledger, and what reads imports.
test("the upload is at most 255 KB", () => {
  const files = readdirSync(join(ROOT, "build/deploy")).filter((file) => /\.(js|wasm)$/.test(file));
  assert.equal(files.length, 2);
  const bytes = gzipSync(Buffer.concat(files.map((file) => readFileSync(join(ROOT, "build/deploy", file))))).length;
  assert.ok(bytes <= 255_000, `${bytes} bytes`);
});

test("what is installed is not installed again", () => {
  const { status, output, seconds } = script("tools/setup.mjs");
  assert.equal(status, 0);
  assert.equal(output, "");
  assert.ok(seconds < 5, `${seconds} s`);
});

test("what has not changed is not built again", () => {
  script("tools/build.mjs");
  const { status, output, seconds } = script("tools/build.mjs");
  assert.equal(status, 0);
  assert.match(output, /nothing has changed/);
  assert.ok(seconds < 5, `${seconds} s`);
});

test("what the Worker is made of is known by its content", () => {
  const folder = temporaryFolder();
  const [file, other] = [join(folder, "a"), join(folder, "b")];
  const digests = [
    () => {},
    () => writeFileSync(file, "1"),
    () => writeFileSync(file, "2"),
    () => writeFileSync(other, ""),
    () => renameSync(other, join(folder, "c")),
    () => rmSync(folder, { recursive: true }),
  ].map((change) => {
    change();
    const [digest, again] = [1, 2].map(() => digestOf([relative(ROOT, folder)]));
    assert.equal(again, digest);
    return digest;
  });
  assert.equal(new Set(digests).size, digests.length);
});

test("a missing rustup gets one line", () => {
  const { status, output } = script("tools/setup.mjs", { PATH: pathOf("node", "npm") });
  assert.equal(status, 1);
  assert.equal(output, "tally: rustup is missing; install Rust with rustup (https://rustup.rs) and try again\n");
});

test("an old npm gets one line", () => {
  const { status, output } = script("tools/setup.mjs", { npm_config_user_agent: "npm/6.14.18 node/v20.20.2" });
  assert.equal(status, 1);
  assert.equal(output, "tally: this is npm 6.14.18; Tally needs npm 9 or newer\n");
});

/** A PATH with these commands and no others. */
function pathOf(...commands) {
  const folder = join(temporaryFolder(), "bin");
  mkdirSync(folder);
  const all = process.env.PATH.split(":");
  for (const command of commands) {
    const found = all.map((path) => join(path, command)).find(existsSync);
    symlinkSync(found, join(folder, command));
  }
  return folder;
}

test("`npm start` keeps its counts across restarts", { timeout: 120_000 }, async () => {
  const state = temporaryFolder();
  for (const count of [1, 2]) {
    await started(state, async (url) => {
      const { body } = await request(url, "/increment?name=A");
      assert.equal(body, `Durable Object 'A' count: ${count}`);
    });
  }
});

/** What `npm start` starts, over a state folder, while `work` lasts. */
async function started(state, work) {
  const { url, stop } = await startDev({ state });
  try {
    await work(url);
  } finally {
    await stop();
  }
}
