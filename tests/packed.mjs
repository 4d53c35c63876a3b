// The package as `npm run release` makes it, and a machine that has Node and nothing else.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { ROOT, temporaryFolder } from "./workerd.mjs";

/** Makes a release of some version, or of the present one; its folder. */
export function release(name, ...options) {
  const folder = join(ROOT, "build/test-release", name);
  const { status, stderr } = spawnSync("node", ["tools/release.mjs", "--out", folder, ...options], { cwd: ROOT, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return folder;
}

/** Unpacks a package where the modules that it depends on are found; its folder. */
export function unpacked(tarball) {
  const folder = join(ROOT, "build/test-release/unpacked");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  assert.equal(spawnSync("tar", ["xzf", tarball, "-C", folder]).status, 0);
  return join(folder, "package");
}

/**
 * A machine with Node: its `env`, with an empty home and a PATH without cargo and rustup, and `home`. What npm
 * has fetched before, it need not fetch again.
 */
export function bareMachine() {
  const home = temporaryFolder();
  const bin = join(temporaryFolder(), "bin");
  mkdirSync(bin);
  const paths = process.env.PATH.split(":");
  const found = (command) => paths.map((path) => join(path, command)).find(existsSync);
  for (const command of ["npm", "npx", "sh", "env", "tar"]) symlinkSync(found(command), join(bin, command));
  symlinkSync(process.execPath, join(bin, "node"));
  const cache = spawnSync("npm", ["config", "get", "cache"], { encoding: "utf8" }).stdout.trim();
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD|CARGO|RUSTUP|CLOUDFLARE|WRANGLER|ADMIN_TOKEN|TALLY)/.test(name));
  const env = { ...Object.fromEntries(kept), HOME: home, PATH: bin, npm_config_cache: cache, npm_config_prefer_offline: "true", npm_config_update_notifier: "false" };
  return { env, home };
}

/** Runs a command to its end: its exit code and its output. */
export function run(command, args, { input = "", ...options }) {
  const child = spawn(command, args, { ...options, stdio: "pipe" });
  const told = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) child[name].on("data", (data) => (told[name] += data));
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, ...told, output: told.stdout + told.stderr }));
  });
}

/** Runs a command of a shell at a terminal, where each question gets its answer, to an exit code; all that was shown. */
export function atTerminal(command, answers, options, code = 0) {
  const child = spawn("script", ["--quiet", "--return", "--flush", "--command", command, "/dev/null"], options);
  let shown = "";
  child.stdout.on("data", (data) => {
    shown += data;
    if (!answers[0]?.[0].test(shown)) return;
    const [, answer] = answers.shift();
    child.stdin.write(answer);
  });
  // What waits for an answer that does not come.
  const timer = setTimeout(() => child.kill(), 60_000);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      clearTimeout(timer);
      const text = shown.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "");
      assert.equal(status, code, text);
      assert.deepEqual(answers, [], text);
      resolve(text);
    });
  });
}
