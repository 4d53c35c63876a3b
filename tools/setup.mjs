// Installs what the project needs and the machine lacks, into the project's folder: the npm packages (wrangler,
// workerd, wasm-opt, and the Node.js that they need), the wasm target of the Rust toolchain, and wasm-bindgen.
// Runs before the npm scripts, and says nothing if everything is there.
//
// `node tools/setup.mjs --dev` also installs what tests and measurements need, such as a browser.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PUBLIC, ROOT, TOOLS, WASM_TARGET, fail, output, run, say } from "./shell.mjs";

const dev = process.argv.includes("--dev");
const read = (file) => readFileSync(join(ROOT, file), "utf8");

checkNode();
checkRust();
installPackages();
installTarget();
installWasmBindgen();
// wrangler wants the folder before it has it built.
mkdirSync(PUBLIC, { recursive: true });

function checkNode() {
  const { engines } = JSON.parse(read("package.json"));
  const npm = /npm\/(\S+)/.exec(process.env.npm_config_user_agent ?? "")?.[1];
  for (const [name, version] of [["node", process.versions.node], ["npm", npm]]) {
    const least = parseInt(engines[name].slice(2));
    if (version && parseInt(version) < least) {
      fail(`this is ${name} ${version}; Tally needs ${name} ${least} or newer`);
    }
  }
}

function checkRust() {
  for (const command of ["rustup", "cargo"]) {
    if (!output(command, ["--version"])) {
      fail(`${command} is missing; install Rust with rustup (https://rustup.rs) and try again`);
    }
  }
}

function installPackages() {
  const stamp = join(ROOT, "node_modules/.tally");
  const wanted = createHash("sha256").update(read("package-lock.json")).digest("hex");
  const installed = existsSync(stamp) ? readFileSync(stamp, "utf8").split(" ") : [];
  if (installed[0] === wanted && (!dev || installed[1] === "dev")) return;
  say("installing the npm packages (half a minute)");
  // wrangler warns that it wants a newer Node, which is among the packages. None of them needs its
  // install script.
  const which = dev ? "--include=dev" : "--omit=dev";
  run("npm", ["ci", which, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
  writeFileSync(stamp, dev ? `${wanted} dev` : wanted);
}

function installTarget() {
  if (output("rustup", ["target", "list", "--installed"])?.split("\n").includes(WASM_TARGET)) return;
  say(`adding the Rust target ${WASM_TARGET}`);
  run("rustup", ["target", "add", WASM_TARGET]);
}

/** The command has to be of the version of the crate. */
function installWasmBindgen() {
  const version = /name = "wasm-bindgen"\nversion = "(.*)"/.exec(read("Cargo.lock").replaceAll("\r", ""))[1];
  if (output(join(TOOLS, "bin/wasm-bindgen"), ["--version"]) === `wasm-bindgen ${version}`) return;
  say(`building wasm-bindgen ${version} (a minute or two, once)`);
  const target = join(TOOLS, "target");
  // Without its test runner's TLS, and unoptimized: it is quick enough, and built in half the time.
  run(
    "cargo",
    [
      "install", "--locked", "--root", TOOLS, "--target-dir", target, "--profile", "dev",
      "--no-default-features", "--bin", "wasm-bindgen", `wasm-bindgen-cli@${version}`,
    ],
    { CARGO_PROFILE_DEV_DEBUG: "0" },
  );
  rmSync(target, { recursive: true, force: true });
}
