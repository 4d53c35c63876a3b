// A bare workerd, as the tests and the bench start it: the built Worker or a JavaScript one, with
// the compatibility date of `wrangler.toml`, over a state folder of its own.

import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import workerd from "workerd";
import { unstable_readConfig as readConfig } from "wrangler";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
// Not node_modules/.bin/workerd, which is a script around it.
const WORKERD = workerd.default;
const { compatibility_date: DATE } = readConfig({ config: join(ROOT, "wrangler.toml") });

/** What `wrangler deploy --dry-run --outdir build/deploy` made; tests/run.mjs runs it. */
export const TALLY = join(ROOT, "build/deploy/entry.js");
/** The same counter in plain JavaScript. */
export const EXAMPLE = join(ROOT, "bench/counter.js");

const folders = [];
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A new folder, removed when the process ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "tally-"));
  folders.push(folder);
  return folder;
}

/**
 * Starts workerd on the Worker whose main module is `main`, with the modules beside it. Resolves
 * when it listens: `url`, `pid`, `log()` and `stop(signal)`, which resolves when it has ended.
 */
export async function serve(main, { state = temporaryFolder() } = {}) {
  const folder = temporaryFolder();
  const modules = collect(resolve(main), folder);
  mkdirSync(state, { recursive: true });
  writeFileSync(join(folder, "config.capnp"), config(modules, state));
  const child = spawn(WORKERD, ["serve", "config.capnp", "--control-fd=3"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (log += data));
  running.add(child);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  ended.then(() => running.delete(child));
  const port = await new Promise((resolve, reject) => {
    ended.then(() => reject(new Error(`workerd ended: ${log}`)));
    createInterface(child.stdio[3]).on("line", (line) => {
      const event = JSON.parse(line);
      if (event.event === "listen") resolve(event.port);
    });
  });
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    log: () => log,
    stop(signal = "SIGTERM") {
      child.kill(signal);
      return ended;
    },
  };
}

/** Copies the main module and what stands beside a bundled one; answers their names. */
function collect(main, folder) {
  const bundled = main.startsWith(join(ROOT, "build"));
  const beside = bundled ? readdirSync(dirname(main)).filter((file) => file.endsWith(".wasm")) : [];
  const files = [basename(main), ...beside];
  for (const file of files) cpSync(join(dirname(main), file), join(folder, file));
  return files;
}

function config(modules, state) {
  const embed = (file) =>
    `(name = "${file}", ${file.endsWith(".wasm") ? "wasm" : "esModule"} = embed "${file}")`;
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "state", disk = (path = "${state}", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
);
const worker :Workerd.Worker = (
  modules = [${modules.map(embed).join(", ")}],
  compatibilityDate = "${DATE}",
  durableObjectNamespaces = [(className = "Counter", uniqueKey = "tally-Counter", enableSql = true)],
  durableObjectStorage = (localDisk = "state"),
  bindings = [(name = "COUNTERS", durableObjectNamespace = "Counter")],
);
`;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

/** Sends a request as it is given, without making a URL of `path` first; answers all of it. */
export function request(url, path, { method = "GET", headers = {} } = {}) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = http.request({ agent, hostname, port, path, method, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode: status, headers } = response;
        resolve({ status, headers, body: Buffer.concat(chunks).toString() });
      });
    });
    sent.on("error", reject).end();
  });
}
