// A bare workerd, as the tests and the bench start it: the built Worker or a JavaScript one, with
// the compatibility date of `wrangler.toml`, over a state folder of its own.

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
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
const { compatibility_date: DATE, compatibility_flags: FLAGS, vars } = readConfig({ config: join(ROOT, "wrangler.toml") });
/** Tests add posts as fast as they can; room.test.mjs says how many may be new. */
const VARS = { ...vars, NEW_POSTS_PER_HOUR: 1_000_000 };

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
 *
 * Beside it stand a namespace of Workers KV and a rate limit, which are kv.js: `kv(method, path, body)`
 * controls them. A bundled Worker has a ledger, and the `vars` of `wrangler.toml` with these over them.
 * Without `rateLimit` there is no limit. With `reader` the same Worker runs once more, in an isolate of its
 * own, at the address of that name, with the vars that `reader` has. `namespace` is that of another server,
 * which goes on when this one ends. With `analytics` there is a data set.
 */
export async function serve(main, { state = temporaryFolder(), vars = {}, rateLimit = true, reader = false, namespace, analytics = false } = {}) {
  const folder = temporaryFolder();
  const modules = collect(resolve(main), folder);
  mkdirSync(state, { recursive: true });
  cpSync(join(ROOT, "tests/kv.js"), join(folder, "kv.js"));
  const text = config(modules, state, { ...VARS, ...vars }, rateLimit, reader, namespace, analytics);
  writeFileSync(join(folder, "config.capnp"), text);
  const child = spawn(WORKERD, ["serve", "config.capnp", "--control-fd=3"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (log += data));
  running.add(child);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  ended.then(() => running.delete(child));
  const ports = await new Promise((resolve, reject) => {
    ended.then(() => reject(new Error(`workerd ended: ${log}`)));
    const listening = {};
    createInterface(child.stdio[3]).on("line", (line) => {
      const { event, socket, port } = JSON.parse(line);
      if (event === "listen") listening[socket] = port;
      if (listening.http && listening.control && listening.namespace && (listening.reader || !reader)) resolve(listening);
    });
  });
  const url = (socket) => `http://127.0.0.1:${ports[socket]}`;
  return {
    url: url("http"),
    reader: url("reader"),
    namespace: `127.0.0.1:${ports.namespace}`,
    async kv(method = "GET", path = "/", body = undefined) {
      const { body: answer } = await request(url("control"), path, { method, body: body && JSON.stringify(body) });
      return JSON.parse(answer);
    },
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

function config(modules, state, vars, rateLimit, reader, namespace, analytics) {
  const embed = (file) =>
    `(name = "${file}", ${file.endsWith(".wasm") ? "wasm" : "esModule"} = embed "${file}")`;
  const objects = (name) => `(className = "${name}", uniqueKey = "tally-${name}", enableSql = true)`;
  const bindings = [
    '(name = "COUNTERS", durableObjectNamespace = "Counter")',
    `(name = "VIEWS", kvNamespace = "${namespace ? "elsewhere" : "kv"}")`,
    ...(rateLimit ? ['(name = "PINGS", service = (name = "kv", entrypoint = "Limit"))'] : []),
    ...(analytics ? ['(name = "ANALYTICS", service = (name = "kv", entrypoint = "Points"))'] : []),
  ];
  const texts = (vars) => Object.entries(vars).map(([name, value]) => `(name = "${name}", text = ${JSON.stringify(`${value}`)})`);
  const classes = ["Counter"];
  if (modules.length > 1) {
    classes.push("Ledger");
    bindings.push('(name = "LEDGER", durableObjectNamespace = "Ledger")');
  }
  const isOfObject = (binding) => binding.includes("durableObjectNamespace");
  const elsewhere = (binding) => binding.replace(/durableObjectNamespace = "(\w+)"/, 'durableObjectNamespace = (className = "$1", serviceName = "worker")');
  const again = reader && `(name = "reader", address = "127.0.0.1:0", http = (), service = "reader"),`;
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "kv", worker = .kv),
    ${namespace ? `(name = "elsewhere", external = (address = "${namespace}", http = ())),` : ""}
    ${reader ? '(name = "reader", worker = .reader),' : ""}
    (name = "internet", network = (allow = ["public", "private"])),
    (name = "state", disk = (path = "${state}", writable = true)),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "worker"),
    (name = "control", address = "127.0.0.1:0", http = (), service = (name = "kv", entrypoint = "control")),
    (name = "namespace", address = "127.0.0.1:0", http = (), service = "kv"),
    ${again || ""}
  ],
);
const worker :Workerd.Worker = (
  modules = [${modules.map(embed).join(", ")}],
  compatibilityDate = "${DATE}",
  compatibilityFlags = ${JSON.stringify(FLAGS)},
  durableObjectNamespaces = [${classes.map(objects).join(", ")}],
  durableObjectStorage = (localDisk = "state"),
  bindings = [${[...bindings, ...texts(vars)].join(", ")}],
);
const reader :Workerd.Worker = (
  modules = [${modules.map(embed).join(", ")}],
  compatibilityDate = "${DATE}",
  compatibilityFlags = ${JSON.stringify(FLAGS)},
  bindings = [${[...bindings.map((binding) => (isOfObject(binding) ? elsewhere(binding) : binding)), ...texts({ ...vars, ...reader })].join(", ")}],
);
const kv :Workerd.Worker = (
  modules = [${embed("kv.js")}],
  compatibilityDate = "${DATE}",
);
`;
}

// workerd closes a connection after 15 s without a request, which a request must not run into.
const agent = new http.Agent({ keepAlive: true, maxSockets: 1000, timeout: 8000 });

/** Sends a request as it is given, without making a URL of `path` first; answers all of it. */
export function request(url, path, { method = "GET", headers = {}, body } = {}) {
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
    sent.on("error", reject).end(body);
  });
}

/** How many objects' databases a process has open; undefined where the system does not tell. */
export function openDatabases({ pid }) {
  const folder = `/proc/${pid}/fd`;
  if (!existsSync(folder)) return undefined;
  const open = readdirSync(folder).map((fd) => {
    try {
      return readlinkSync(join(folder, fd));
    } catch {
      return ""; // closed meanwhile
    }
  });
  return new Set(open.filter((file) => /[0-9a-f]{64}\.sqlite$/.test(file))).size;
}
