// `npm run check`: what needs no Worker and is quick: formats, lints, types, versions, and the links of the
// docs. It says all that is wrong, not only what is wrong first.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ROOT, WASM_TARGET, fail, output, say, start } from "./shell.mjs";

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

/** The links within the repository that lead nowhere, as `FILE: LINK`. */
function brokenLinks() {
  const files = output("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"]).split("\n");
  return files.flatMap((file) => linksOf(file).filter((link) => !leads(file, link)).map((link) => `${file}: ${link}`));
}

function linksOf(file) {
  const text = withoutCode(readFileSync(join(ROOT, file), "utf8"));
  const links = [...text.matchAll(/\]\(([^)\s]+)\)|<(?:img|a)\s[^>]*(?:src|href)="([^"]+)"/g)].map(([, link, attribute]) => link ?? attribute);
  return links.filter((link) => !/^(https?|mailto):/.test(link));
}

function withoutCode(text) {
  return text.replace(/^```[^]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
}

function leads(file, link) {
  const [path, anchor] = link.split("#");
  const target = path ? resolve(ROOT, dirname(file), decodeURIComponent(path)) : join(ROOT, file);
  if (!existsSync(target)) return false;
  return !anchor || !target.endsWith(".md") || anchorsOf(readFileSync(target, "utf8")).includes(anchor);
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(text) {
  const headings = [...text.replace(/^```[^]*?^```/gm, "").matchAll(/^#{1,6} +(.*)$/gm)].map(([, heading]) => heading);
  const seen = new Map();
  return headings.map((heading) => {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "").trim().toLowerCase();
    const slug = plain.replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, "").replaceAll(" ", "-");
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times ? `${slug}-${times}` : slug;
  });
}
