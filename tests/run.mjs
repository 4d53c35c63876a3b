// `npm test`: the native tests of the pure part, then the Worker as it is deployed, on workerd.
// `npm test -- FILE…` runs only those of the second kind that are named.

import { cpSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { ROOT, run, say } from "../tools/shell.mjs";

const named = process.argv.slice(2);

if (!named.length) {
  say("testing the pure part");
  run("cargo", ["test", "--locked"]);
}

say("building the Worker as it is deployed");
deployable("build/deploy");

const all = readdirSync(join(ROOT, "tests")).filter((file) => file.endsWith(".test.mjs"));
const files = named.length ? named : all.map((file) => `tests/${file}`);
const isNamed = (text) => files.some((file) => readFileSync(resolve(ROOT, file), "utf8").includes(text));
if (isNamed("build/fault")) {
  say("building it once more with a fault in it");
  run("node", ["tools/build.mjs", "build/fault/build", "--features", "fault"]);
  for (const file of ["entry.js", "instance.js", "lanes.js", "site.js"]) cpSync(join(ROOT, "src", file), join(ROOT, "build/fault/src", file));
  deployable("build/fault/deploy", "tests/fault.js");
}
if (isNamed("build/counted")) deployable("build/counted", "bench/counted.js");

say("testing on workerd");
run("node", ["--test", "--test-concurrency=1", "--test-force-exit", "--test-timeout=300000", "--test-reporter=spec", ...files]);

function deployable(out, ...main) {
  rmSync(join(ROOT, out), { recursive: true, force: true });
  run("wrangler", ["deploy", ...main, "--dry-run", "--outdir", out]);
}
