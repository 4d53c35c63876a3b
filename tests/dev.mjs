// What `npm start` starts: `tally dev`, which is `wrangler dev` on the real `wrangler.toml`. Unlike a bare workerd it serves
// the static assets too.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT, request, temporaryFolder } from "./workerd.mjs";

const running = new Set();
process.on("exit", () => {
  for (const dev of running) process.kill(-dev.pid, "SIGKILL");
});

/**
 * Starts it over a state folder, with `vars` over those of the `start` script. Resolves when it
 * answers: `url`, and `stop()`, which resolves when it has ended.
 */
export async function startDev({ state = temporaryFolder(), vars = {} } = {}) {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const [command, ...args] = scripts.start.split(" ");
  const [port, inspector] = [await freePort(), await freePort()];
  args.push("--port", port, "--inspector-port", inspector, "--persist-to", state);
  for (const [name, value] of Object.entries(vars)) args.push("--var", `${name}:${value}`);
  const dev = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let log = "";
  for (const stream of [dev.stdout, dev.stderr]) stream.on("data", (data) => (log += data));
  if (dev.pid) running.add(dev);
  const ended = new Promise((resolve) => dev.once("close", resolve).once("error", (error) => (log += error)));
  ended.then(() => running.delete(dev));
  const url = `http://localhost:${port}`;
  await Promise.race([answering(url, () => log), ended.then(() => Promise.reject(new Error(log)))]);
  return {
    url,
    stop() {
      process.kill(-dev.pid, "SIGTERM");
      return ended;
    },
  };
}

async function answering(url, log) {
  for (let waited = 0; waited < 50; waited++) {
    try {
      return await request(url, "/");
    } catch {
      await sleep(1000);
    }
  }
  throw new Error(log());
}

/** A port that nobody listens on, as a command takes it. */
export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(String(port)));
    });
  });
}
