// What the scripts share: paths, running a command, announcing a step.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** The root of `cargo install`; what npm brings is in node_modules. */
export const TOOLS = join(ROOT, ".tools");
/** What is served as it is, made of `public`. */
export const PUBLIC = join(ROOT, "build/public");
export const WASM_TARGET = "wasm32-unknown-unknown";

const PATH = [join(ROOT, "node_modules/.bin"), process.env.PATH].join(delimiter);

export function say(text) {
  console.error(`tally: ${text}`);
}

/**
 * Ends the program with one line.
 *
 * @returns {never}
 */
export function fail(text) {
  say(text);
  process.exit(1);
}

/**
 * Runs a command in the project's folder, its output passed on or not; ends the program if it fails.
 *
 * @param {import("node:child_process").StdioOptions} [stdio]
 */
export function run(command, args, env = {}, stdio = "inherit") {
  const { status, error } = start(command, args, stdio, env);
  if (status !== 0) fail(`\`${[command, ...args].join(" ")}\` failed${error ? `: ${error.message}` : ""}`);
}

/** The output of a command, or undefined where it is missing or fails. */
export function output(command, args) {
  const { status, stdout } = start(command, args, ["ignore", "pipe", "ignore"]);
  return status === 0 ? stdout.toString().trim() : undefined;
}

/** Runs a command in the project's folder, with what npm has installed on the PATH; how it ended. */
export function start(command, args, stdio, env = {}) {
  return spawnSync(command, args, {
    cwd: ROOT,
    env: { ...process.env, PATH, ...env },
    stdio,
    // npm's commands are batch files there.
    shell: process.platform === "win32",
  });
}

/** A hash of files and of all files in folders, which are named from the project's folder; a missing one counts too. */
export function digestOf(paths) {
  const hash = createHash("sha256");
  for (const path of paths.map((path) => join(ROOT, path))) {
    if (!existsSync(path)) {
      hash.update(`${path} is missing\n`);
      continue;
    }
    const isFolder = statSync(path).isDirectory();
    const files = isFolder ? readdirSync(path, { recursive: true }).map((file) => join(path, `${file}`)).sort() : [path];
    for (const file of files.filter((file) => statSync(file).isFile())) {
      const content = readFileSync(file);
      hash.update(`${file} ${content.length}\n`).update(content);
    }
  }
  return hash.digest("hex");
}
