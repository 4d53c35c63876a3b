// Copies the version of package.json to every other file that has it. Runs in `npm version`. `node
// tools/version.mjs --check` only reports what differs.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, fail } from "./shell.mjs";

/**
 * Where it stands: a file, and what is before it.
 *
 * @type {[string, RegExp][]}
 */
const PLACES = [
  ["package-lock.json", /^\{\n  "name": "tally",\n  "version": "/],
  ["package-lock.json", /^    "": \{\n      "name": "tally",\n      "version": "/m],
  ["package-lock.json", /^    "package": \{\n      "name": "tally-worker",\n      "version": "/m],
  ["package/package.json", /^  "version": "/m],
  ["Cargo.toml", /^\[package\]\nname = "tally"\nversion = "/m],
  ["Cargo.lock", /^name = "tally"\nversion = "/m],
  ["wordpress/tally-views.php", /^ \* Version: +/m],
  ["wordpress/readme.txt", /^Stable tag: /m],
];

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const isCheck = process.argv.includes("--check");
for (const [file, before] of PLACES) {
  const path = join(ROOT, file);
  const text = readFileSync(path, "utf8");
  const found = before.exec(text);
  if (!found) fail(`${file} has no version where ${before} is`);
  const begin = found.index + found[0].length;
  const [old] = /^[^"\s]*/.exec(text.slice(begin));
  if (old === version) continue;
  if (isCheck) fail(`${file} says version ${old}, package.json ${version}; run \`node tools/version.mjs\``);
  writeFileSync(path, text.slice(0, begin) + version + text.slice(begin + old.length));
}
