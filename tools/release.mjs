// `npm run release`: makes what is published, in build/release.
//
//   tally-worker-X.Y.Z.tgz   the package for npm: the built Worker, the command, the WordPress plugin
//   tally-views-X.Y.Z.zip    the WordPress plugin
//   button/                  the contents of a repository with a button "Deploy to Cloudflare"
//   tally-button-X.Y.Z.zip   the same in one file
//   SHA256SUMS               the checksums of the three files
//   NOTES.md                 what CHANGELOG.md says of the version
//
// The same commit makes the same bytes. `--out DIR` takes another folder, `--version X.Y.Z` another version,
// for tests of an upgrade, and `--repository URL` says where the contents of button/ are published.

import { createHash } from "node:crypto";
import { chmodSync, cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { zipSync } from "fflate";
import { parse } from "smol-toml";
import { PUBLIC, ROOT, fail, output, run, say } from "./shell.mjs";

const { values: options } = parseArgs({
  options: {
    out: { type: "string", default: "build/release" },
    version: { type: "string", default: json("package.json").version },
    repository: { type: "string", default: "https://github.com/YOUR-NAME/tally-button" },
  },
});
const { version } = options;
const OUT = resolve(ROOT, options.out);
const PACKAGE = join(OUT, "tally-worker");
const BUTTON = join(OUT, "button");
const MOST_BYTES = 1_000_000;
/** The first time that a zip can tell. */
const FIRST = new Date(1980, 0, 1);

rmSync(OUT, { recursive: true, force: true });
mkdirSync(PACKAGE, { recursive: true });
const settings = template();
stage();
const tarball = pack();
cpSync(join(ROOT, "build/tally-views.zip"), join(OUT, `tally-views-${version}.zip`));
makeButton();
writeChecksums();
write(OUT, "NOTES.md", notes());
if (output("git", ["status", "--porcelain"])) say("this is not what a commit has: there are changes");
say(`${tarball} (${Math.ceil(statSync(join(OUT, tarball)).size / 1000)} KB)`);

function json(file) {
  return JSON.parse(readFileSync(join(ROOT, file), "utf8"));
}

function write(folder, file, content) {
  writeFileSync(join(folder, file), typeof content === "string" ? content : `${JSON.stringify(content, null, 2)}\n`);
}

/** wrangler.toml for a folder that depends on the package: the built Worker in place of its sources. */
function template() {
  const text = readFileSync(join(ROOT, "wrangler.toml"), "utf8");
  const replace = (text, [from, to]) => {
    if (!from.test(text)) fail(`wrangler.toml has nothing like ${from}`);
    return text.replace(from, to);
  };
  return [
    [/^/, "# A Tally, deployed with `npm run deploy`. Change the settings under [vars] as you like.\n\n"],
    [/^main = .*$/m, '# Built already: there is nothing to compile and to bundle.\nmain = "node_modules/tally-worker/worker/entry.js"\nno_bundle = true'],
    [/^minify = .*\nkeep_names = .*\n/m, ""],
    [/^# The pages' scripts and the dashboard.*$/m, "# The pages' scripts and the dashboard; Cloudflare serves them without the Worker."],
    [/^directory = .*$/m, 'directory = "node_modules/tally-worker/public"'],
    [/^\[build\]\n(.+\n)+\n/m, ""],
  ].reduce(replace, text);
}

/** Puts together what is in the package. */
function stage() {
  const built = join(OUT, "built");
  run("wrangler", ["deploy", "--dry-run", "--outdir", built]);
  mkdirSync(join(PACKAGE, "worker"));
  for (const file of readdirSync(built).filter((file) => /\.(js|wasm)$/.test(file))) {
    const content = readFileSync(join(built, file));
    // The map is not in the package.
    writeFileSync(join(PACKAGE, "worker", file), file.endsWith(".js") ? `${content}`.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n") : content);
  }
  rmSync(built, { recursive: true });
  cpSync(PUBLIC, join(PACKAGE, "public"), { recursive: true });
  write(join(PACKAGE, "public"), "version.json", `${JSON.stringify({ version })}\n`);
  run("node", ["tools/wordpress.mjs"]);
  cpSync(join(ROOT, "build/tally-views.zip"), join(PACKAGE, "tally-views.zip"));
  for (const folder of ["bin", "lib"]) cpSync(join(ROOT, "package", folder), join(PACKAGE, folder), { recursive: true });
  cpSync(join(ROOT, "package/README.md"), join(PACKAGE, "README.md"));
  for (const file of ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"]) cpSync(join(ROOT, file), join(PACKAGE, file));
  write(PACKAGE, "package.json", { ...json("package/package.json"), version });
  write(PACKAGE, "wrangler.toml", settings);
}

/** Packs it; the file's name. */
function pack() {
  for (const file of readdirSync(PACKAGE, { recursive: true }).map((file) => join(PACKAGE, file))) {
    if (statSync(file).isFile()) chmodSync(file, file === join(PACKAGE, "bin/tally.js") ? 0o755 : 0o644);
  }
  run("npm", ["pack", PACKAGE, "--pack-destination", OUT, "--silent"], {}, ["ignore", "ignore", "inherit"]);
  const file = `tally-worker-${version}.tgz`;
  const { size } = statSync(join(OUT, file));
  if (size > MOST_BYTES) fail(`${file} has ${size} bytes, and may have ${MOST_BYTES}`);
  rmSync(PACKAGE, { recursive: true });
  return file;
}

function writeChecksums() {
  const files = readdirSync(OUT).filter((file) => /\.(tgz|zip)$/.test(file)).sort();
  const sums = files.map((file) => `${createHash("sha256").update(readFileSync(join(OUT, file))).digest("hex")}  ${file}\n`);
  write(OUT, "SHA256SUMS", sums.join(""));
}

/** The section of the version, without its heading. */
function notes() {
  const sections = readFileSync(join(ROOT, "CHANGELOG.md"), "utf8").split(/^## /m);
  return sections.find((section) => section.startsWith(`[${version}]`))?.replace(/^.*\n+/, "") ?? "";
}

/** Puts together the repository behind the button. */
function makeButton() {
  mkdirSync(BUTTON);
  const manifest = {
    name: "tally",
    private: true,
    license: "MIT OR Apache-2.0",
    scripts: { start: "tally dev", build: "echo tally-worker is built already", deploy: "tally deploy" },
    dependencies: { "tally-worker": version },
    cloudflare: { bindings: descriptions() },
  };
  write(BUTTON, "wrangler.toml", settings);
  write(BUTTON, ".gitignore", "/node_modules/\n/.wrangler/\n/.dev.vars*\n/wrangler.resolved.json\n");
  write(BUTTON, "README.md", readFileSync(join(ROOT, "package/button.md"), "utf8").replaceAll("REPOSITORY", options.repository));
  lock(manifest);
  const files = readdirSync(BUTTON).sort().map((file) => [file, readFileSync(join(BUTTON, file))]);
  writeFileSync(join(OUT, `tally-button-${version}.zip`), zipSync(Object.fromEntries(files), { level: 9, mtime: FIRST }));
}

/** What the button's form says of every setting: its comment in wrangler.toml. */
function descriptions() {
  const { vars } = parse(settings);
  return Object.fromEntries(Object.keys(vars).map((name) => {
    const [, comment] = new RegExp(`((?:^# .*\\n)+)${name} = `, "m").exec(settings) ?? [];
    if (!comment) fail(`wrangler.toml does not explain ${name}`);
    return [name, { description: comment.replace(/^# /gm, "").trim().replaceAll("\n", " ") }];
  }));
}

/** Writes package.json and a lock with the versions of this repository's, to the package as it was packed. */
function lock(manifest) {
  const dependencies = { "tally-worker": `file:../${tarball}` };
  write(BUTTON, "package.json", { ...manifest, dependencies });
  cpSync(join(ROOT, "package-lock.json"), join(BUTTON, "package-lock.json"));
  run("npm", ["install", "--prefix", BUTTON, "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {}, ["ignore", "ignore", "inherit"]);
  const file = join(BUTTON, "package-lock.json");
  const locked = JSON.parse(readFileSync(file, "utf8"));
  locked.packages[""].dependencies = manifest.dependencies;
  // Where it is, npm finds in its registry; that it is this one, `integrity` says.
  delete locked.packages["node_modules/tally-worker"].resolved;
  write(BUTTON, "package.json", manifest);
  write(BUTTON, "package-lock.json", locked);
}
