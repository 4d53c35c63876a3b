// `npm test`: the native tests of the pure part, then the Worker as it is deployed, on workerd.
// `npm test -- FILE…` runs only those of the second kind that are named.

import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ROOT, digestOf, output, run, say } from "../tools/shell.mjs";

/** What the Worker is made of, besides the compiler. */
const SOURCES = ["src", "public", "tools", "bench", "tests/fault.js", "wrangler.toml", "Cargo.toml", "Cargo.lock", "package.json", "package-lock.json"];

const named = process.argv.slice(2);

if (!named.length) {
  say("testing the pure part");
  run("cargo", ["test", "--locked"]);
}

once("build/deploy", () => {
  say("building the Worker as it is deployed");
  deployable("build/deploy");
});

const all = readdirSync(join(ROOT, "tests")).filter((file) => file.endsWith(".test.mjs"));
const files = named.length ? named : all.map((file) => `tests/${file}`);
const isNamed = (text) => files.some((file) => readFileSync(resolve(ROOT, file), "utf8").includes(text));
if (isNamed("build/fault")) {
  once("build/fault/deploy", () => {
    say("building it once more with a fault in it");
    run("node", ["tools/build.mjs", "build/fault/build", "--features", "fault"]);
    for (const file of ["entry.js", "instance.js", "lanes.js", "site.js"]) cpSync(join(ROOT, "src", file), join(ROOT, "build/fault/src", file));
    deployable("build/fault/deploy", "tests/fault.js");
  });
}
if (isNamed("build/counted")) once("build/counted", () => deployable("build/counted", "bench/counted.js"));

say("testing on workerd");
run("node", ["--test", "--test-concurrency=1", "--test-force-exit", "--test-timeout=600000", "--test-reporter=spec", ...files]);

/** Makes a folder, unless it is there and neither it nor what it is made of has changed. */
function once(folder, make) {
  const stamp = join(ROOT, `${folder}.made-of`);
  const digest = () => `${output("rustc", ["--version"])} ${digestOf([...SOURCES, "build/public", folder])}`;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest()) return;
  rmSync(stamp, { force: true });
  make();
  writeFileSync(stamp, digest());
}

function deployable(out, ...main) {
  rmSync(join(ROOT, out), { recursive: true, force: true });
  run("wrangler", ["deploy", ...main, "--dry-run", "--outdir", out]);
}
