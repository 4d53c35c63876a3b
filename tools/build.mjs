// Builds the Worker's Rust with `cargo build`, wasm-bindgen and wasm-opt, from `src` into `build`, from where
// `src/entry.js` imports it; and with esbuild the files for pages, from `public` into `build/public`. wrangler
// runs this before `dev` and `deploy`, and after every change in the two folders. Rust that has not changed is not
// built again. The same sources make the same bytes, wherever they and cargo's folder are.
//
// `node tools/build.mjs DIR [cargo flags]` builds a variant of the Rust into DIR.

import { createHash } from "node:crypto";
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { nameByOrder } from "./order.mjs";
import { PUBLIC, ROOT, TOOLS, WASM_TARGET, digestOf, fail, output, run, say } from "./shell.mjs";

/** Which version is deployed, as `tally status` asks. */
const VERSION_FILE = "version.json";
/** Classes of dependencies that Tally does not use. */
const FOREIGN = [
  "ContainerStartupOptions", "MinifyConfig", "R2Range", "IntoUnderlyingByteSource", "IntoUnderlyingSink",
  "IntoUnderlyingSource",
];
const CARGO_HOME = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
/** The features that rustc and wasm-bindgen use, so that none is put in that workerd lacks. */
const FEATURES = [
  "bulk-memory", "exception-handling", "multivalue", "mutable-globals", "nontrapping-float-to-int",
  "reference-types", "sign-ext",
].map((feature) => `--enable-${feature}`);

/** What wasm-bindgen calls the module of the functions that its script has for the Wasm. */
const OWN_IMPORTS = "./tally_bg.js";

/** The scripts that blogs' pages load, each of which loads its rest. */
const PAGES = ["views.js", "top.js"];

bundlePages();
const [dir = "build", ...flags] = process.argv.slice(2);
const out = resolve(ROOT, dir);
const script = join(out, "tally.js");
const wasm = join(out, "tally_bg.wasm");
const stamp = join(out, ".made-of");

say("compiling");
cargo();
const compiled = join("target", WASM_TARGET, "release/tally.wasm");
const digest = digestOf([compiled, "tools/build.mjs", "tools/order.mjs", "package-lock.json"]);
if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) {
  say("nothing has changed");
} else {
  rmSync(stamp, { force: true });
  say("binding");
  wasmBindgen();
  trim();
  say("optimizing");
  wasmOpt();
  writeFileSync(stamp, digest);
}

function cargo() {
  const args = ["build", "--locked", "--lib", "--release", "--target", WASM_TARGET, "--target-dir", "target"];
  const env = {
    // With this set, wasm-bindgen's macros use the promises of js-sys, as `worker` expects.
    WASM_BINDGEN_USE_JS_SYS: "1",
    // Panics tell where they were. The folders of this machine are not to be in that.
    CARGO_ENCODED_RUSTFLAGS: [[CARGO_HOME, "cargo"], [ROOT, ""]].map(([from, to]) => `--remap-path-prefix=${from}=${to}`).join("\x1f"),
  };
  run("cargo", [...args, ...flags], env);
}

function wasmBindgen() {
  run(join(TOOLS, "bin/wasm-bindgen"), [
    compiled, "--out-dir", out, "--out-name", "tally", "--target", "module", "--no-typescript",
    // What src/instance.js needs to replace an instance that has panicked.
    "--experimental-reset-state-function", "--force-enable-abort-handler",
  ]);
  // wrangler binds a Wasm module to a plain import.
  writeFileSync(script, readFileSync(script, "utf8").replace("import source ", "import "));
}

/**
 * Takes out what nothing of ours calls: wasm-bindgen exports every class that a dependency exports, which
 * keeps its code.
 */
function trim() {
  const made = readFileSync(script, "utf8");
  const text = FOREIGN.reduce(withoutClass, made);
  writeFileSync(script, text);
  const kept = [...new Set(Array.from(text.matchAll(/\bwasm\.(\w+)/g), ([, name]) => name))];
  const graph = [
    { name: "script", root: true, reaches: kept },
    ...kept.map((name) => ({ name, export: name })),
  ];
  const file = join(out, "exports.json");
  writeFileSync(file, JSON.stringify(graph));
  run("wasm-metadce", [wasm, "-o", wasm, "--graph-file", file, ...FEATURES], {}, "ignore");
  rmSync(file);
}

/** The text of a module without a class that it does not use. */
function withoutClass(text, name) {
  const parts = [
    `^(export )?class ${name} \\{\n[^]*?\n\\}\n`,
    `^if \\(Symbol\\.dispose\\) ${name}\\..*\n`,
    `^const ${name}Finalization = [^]*?\\}\\);\n`,
  ];
  const rest = parts.reduce((text, part) => text.replace(new RegExp(part, "m"), ""), text);
  if (rest.includes(name)) fail(`${script} uses the class ${name}`);
  return rest;
}

function wasmOpt() {
  run("wasm-opt", [wasm, "-o", wasm, "-Oz", "--converge", ...FEATURES]);
  nameByOrder(wasm);
  const passes = ["--reorder-functions-by-name", "--minify-imports-and-exports-and-modules"];
  const levels = ["--optimize-level=2", "--shrink-level=2"];
  const names = output("wasm-opt", [wasm, "-o", wasm, ...levels, ...passes, ...FEATURES]);
  if (names === undefined) fail("wasm-opt does not put the functions in order");
  shorten(JSON.parse(names));
}

/** Has the script call by their short names what the module exports and imports, the latter of one object. */
function shorten({ imports, exports }) {
  const shortOf = new Map(exports);
  const nameOf = (name) => shortOf.get(name) ?? fail(`the module does not export ${name}`);
  let text = readFileSync(script, "utf8").replace(/\bwasm\.(\w+)/g, (_, name) => `wasm.${nameOf(name)}`);
  const objects = new Map(Array.from(text.matchAll(/^ +"([^"]+)": (import\d+),$/gm), ([, module, object]) => [module, object]));
  const others = [];
  for (const [module, name, short] of imports) {
    if (module === OWN_IMPORTS) text = text.replace(new RegExp(`^ +${name}: `, "m"), `${short}: `);
    else others.push(`${short}: ${objects.get(module)}.${name}`);
  }
  const own = objects.get(OWN_IMPORTS);
  text = text.replace(/return \{\s+__proto__: null,\s+"[^}]+\}/, `return { a: { ...${own}, ${others.join(", ")} } }`);
  writeFileSync(script, text);
}

/**
 * Scripts and styles are minified, each with what it imports; other files are copied. What blogs' pages load is
 * minified once more, by the one that makes the smallest, and has the hash of its rest in it. The dashboard's
 * languages are files of their own, and so is the version.
 */
function bundlePages() {
  const from = join(ROOT, "public");
  const files = readdirSync(from, { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => name);
  const isBundled = (file) => /\.(js|css)$/.test(file);
  const bundle = (files, ...flags) =>
    run("esbuild", [
      ...files.map((file) => join("public", file)), `--outdir=${PUBLIC}`, "--bundle", "--minify", "--format=iife",
      "--target=es2022", "--charset=utf8", "--legal-comments=none", "--log-level=warning", ...flags,
    ]);
  const squeeze = (file) => {
    const path = join(PUBLIC, file);
    run("terser", [path, "--output", path, "--mangle", "--ecma", "2022", "--compress", "passes=3,ecma=2022"]);
  };
  bundle(files.filter((file) => isBundled(file) && !PAGES.includes(file)));
  for (const file of PAGES) {
    squeeze(`${file}.rest.js`);
    const digest = createHash("sha256").update(readFileSync(join(PUBLIC, `${file}.rest.js`))).digest("base64");
    bundle([file], `--define:REST="sha256-${digest}"`);
    squeeze(file);
  }
  for (const file of files.filter((file) => !isBundled(file))) cpSync(join(from, file), join(PUBLIC, file));
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  writeFileSync(join(PUBLIC, VERSION_FILE), `${JSON.stringify({ version })}\n`);
  for (const file of readdirSync(PUBLIC).filter((file) => ![...files, VERSION_FILE].includes(file))) rmSync(join(PUBLIC, file), { recursive: true });
  cpSync(join(from, "dashboard/words"), join(PUBLIC, "dashboard/words"), { recursive: true });
}
