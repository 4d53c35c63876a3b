// What the scripts share: paths, running a command, announcing a step.

import { spawnSync } from "node:child_process";
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
