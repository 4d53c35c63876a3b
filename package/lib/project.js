// The folder of a Tally: its wrangler.toml, what is remembered there, and wrangler, which does the work.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { parse, stringify } from "smol-toml";
import { Failure } from "./failure.js";

const require = createRequire(import.meta.url);
export const LOCAL = "http://localhost:8787";
/** Whatever is remembered is only for convenience; Git ignores the folder. */
const MEMORY = ".wrangler/tally.json";

/** The package's own folder. */
export const PACKAGE = resolve(import.meta.dirname, "..");
export const { version: VERSION } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));

/** The settings of the folder in which the command runs. */
export function readConfig() {
  const file = resolve("wrangler.toml");
  if (!existsSync(file)) {
    throw new Failure("there is no wrangler.toml here; change to the folder of your Tally, or make one with `npx tally-worker init my-tally`", { code: "no_project" });
  }
  try {
    // Windows' editors may begin a file with a byte order mark.
    return checked(parse(readFileSync(file, "utf8").replace(/^\ufeff/, "")));
  } catch (error) {
    throw new Failure(`wrangler.toml cannot be read: ${error.message.trim()}`, { code: "invalid_config" });
  }
}

/** Settings in which what the commands use is of its type. wrangler checks the rest. */
function checked(config) {
  const { name, account_id: account, kv_namespaces: namespaces = [] } = config;
  for (const [key, value] of Object.entries({ name, account_id: account })) {
    if (value !== undefined && typeof value !== "string") throw new Error(`\`${key}\` is not a text`);
  }
  const isTable = (value) => typeof value === "object" && !Array.isArray(value);
  if (!Array.isArray(namespaces) || !namespaces.every(isTable)) throw new Error("namespaces of Workers KV are written as [[kv_namespaces]]");
  return config;
}

/** Fails where the settings lack a Durable Object that this version has. They are yours, so an upgrade does not change them. */
export function checkUpgrade(config) {
  const file = join(PACKAGE, "wrangler.toml");
  if (!existsSync(file)) return;
  const { migrations, durable_objects: objects } = /** @type {any} */ (parse(readFileSync(file, "utf8")));
  const lacks = (all, key) => (one) => ![all ?? []].flat().some((other) => other[key] === one[key]);
  const missing = {
    durable_objects: { bindings: objects.bindings.filter(lacks(config.durable_objects?.bindings, "name")) },
    migrations: migrations.filter(lacks(config.migrations, "tag")),
  };
  const text = [missing.durable_objects.bindings.length && { durable_objects: missing.durable_objects }, missing.migrations.length && { migrations: missing.migrations }];
  const toml = text.filter(Boolean).map((part) => stringify(part).trim()).join("\n\n");
  if (toml) throw new Failure(`version ${VERSION} needs more in wrangler.toml. Add this, and run the command again:\n\n${toml}\n`, { code: "invalid_config" });
}

/** What is remembered: `url` and `account`. */
export function remembered() {
  try {
    const { url, account } = JSON.parse(readFileSync(MEMORY, "utf8"));
    return { url: URL.canParse(url) && /^https?:/.test(url) ? new URL(url).origin : undefined, account };
  } catch {
    return {};
  }
}

export function remember(facts) {
  try {
    mkdirSync(dirname(MEMORY), { recursive: true });
    writeFileSync(MEMORY, `${JSON.stringify({ ...remembered(), ...facts })}\n`);
  } catch {
    // A folder that cannot be written is no reason to fail.
  }
}

/**
 * Runs wrangler in the folder; resolves to its exit code and to what it wrote to standard output, unless
 * that is passed on. `input` is its standard input.
 *
 * @param {string[]} args
 * @param {{ env?: object, stdout?: import("node:child_process").IOType | number, stderr?: import("node:child_process").IOType, input?: string }} [options]
 * @returns {Promise<{ code: number, output: string }>}
 */
export function wrangler(args, { env = {}, stdout = "inherit", stderr = "inherit", input } = {}) {
  const script = join(dirname(require.resolve("wrangler/package.json")), "bin/wrangler.js");
  const stdin = input === undefined ? "inherit" : "pipe";
  const child = spawn(process.execPath, [script, ...args], { env: { ...process.env, ...env }, stdio: [/** @type {"pipe"} */ (stdin), stdout, stderr] });
  let output = "";
  child.stdout?.on("data", (data) => (output += data));
  if (input !== undefined) child.stdin?.end(input);
  // A terminal sends Ctrl+C to wrangler too. Other signals are passed on; either way wrangler ends first.
  const pass = (signal) => (signal === "SIGINT" && process.stdin.isTTY) || child.kill(signal);
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, pass);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      for (const signal of signals) process.off(signal, pass);
      resolve({ code: code ?? (signal === "SIGINT" ? 130 : 1), output });
    });
  });
}
