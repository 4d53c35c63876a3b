// `npm run check`: what needs no Worker and is quick: formats, lints, types, versions, and the links of the
// docs. It says all that is wrong, not only what is wrong first.

import { brokenLinks } from "./docs.mjs";
import { WASM_TARGET, fail, say, start } from "./shell.mjs";

const CLIPPY = ["clippy", "--locked", "--quiet"];
/** What is checked, by which command. @type {[string, string, ...string[]][]} */
const STEPS = [
  ["formats of Rust", "cargo", "fmt", "--check"],
  ["lints of Rust", "cargo", ...CLIPPY, "--all-targets", "--all-features", "--", "-D", "warnings"],
  ["lints of the Worker", "cargo", ...CLIPPY, "--lib", "--target", WASM_TARGET, "--", "-D", "warnings"],
  ["types of the scripts", "tsc", "--project", "tsconfig.json"],
  ["versions", "node", "tools/version.mjs", "--check"],
];

const failed = STEPS.filter((step) => !passes(...step)).map(([name]) => name);
say("links of the docs");
const broken = brokenLinks();
if (broken.length) failed.push("links of the docs");
for (const link of broken) console.error(link);
if (failed.length) fail(`not right: ${failed.join(", ")}`);

function passes(name, command, ...args) {
  say(name);
  return start(command, args, "inherit").status === 0;
}
