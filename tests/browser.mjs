// The browsers of the tests: Chromium's headless shell for Linux on x64, which comes through npm and is
// driven by Playwright; and a whole Chromium, where the machine has one: CHROME names it, or it is on
// the PATH. The shell has no back/forward cache and no background; elsewhere the whole one serves for all.
// And Firefox, where the machine has one: FIREFOX names it, or it is on the PATH.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inflate } from "@sparticuz/chromium";
import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";
import { TOOLS } from "../tools/shell.mjs";
import { temporaryFolder } from "./workerd.mjs";

const HAS_SHELL = process.platform === "linux" && process.arch === "x64";
const WHOLE = process.env.CHROME ?? onPath("chromium", "google-chrome");
/** Why there is no browser; false where there is one. */
export const NO_BROWSER = !HAS_SHELL && !WHOLE && "there is no browser: CHROME may name a Chromium";
/** Why there is no whole one; false where there is one. */
export const NO_WHOLE_BROWSER = !WHOLE && "the browser from npm has no background and no back/forward cache: CHROME may name a Chromium";

const FIREFOX = process.env.FIREFOX ?? onPath("firefox-esr", "firefox");
/** Why there is no Firefox; false where there is one. */
export const NO_FIREFOX = !FIREFOX && "there is no Firefox: FIREFOX may name one";

/** What Chromium is started with: every host of `.example` is this machine, no other is asked. */
export const ARGS = [
  "--host-resolver-rules=MAP *.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-default-browser-check",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts the browser, driven by Playwright, with more arguments. It ends with the process. */
export async function launch(...args) {
  const browser = HAS_SHELL ? await shell() : { executablePath: WHOLE };
  return chromium.launch({ ...browser, args: [...ARGS, ...args] });
}

/** Starts Firefox, driven by Puppeteer; playwright-core drives no stock one. It ends with the process. */
export function launchFirefox() {
  const preferences = {
    "network.dns.localDomains": "blog.example,tally.example",
    "dom.security.https_first": false,
    "intl.accept_languages": "en-US",
  };
  return puppeteer.launch({ browser: "firefox", executablePath: FIREFOX, headless: true, extraPrefsFirefox: preferences });
}

/** Starts it on a page, without a debugger: the whole one, if there is one. `stop()` ends it. */
export async function spawnBrowser(url, ...args) {
  const { executablePath, env } = WHOLE ? { executablePath: WHOLE, env: process.env } : await shell();
  const own = ["--headless", "--disable-blink-features=AutomationControlled", `--user-data-dir=${temporaryFolder()}`];
  const child = spawn(executablePath, [...own, ...ARGS, ...args, url], { env, stdio: "ignore" });
  running.add(child);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  ended.then(() => running.delete(child));
  return {
    stop() {
      child.kill("SIGKILL");
      return ended;
    },
  };
}

/** The path of the shell and the environment that it wants. */
async function shell() {
  const folder = await unpacked();
  const executablePath = join(folder, "chromium");
  // The language of its pages; of POSIX's it makes one that is none.
  const env = { ...process.env, FONTCONFIG_PATH: join(folder, "fonts"), LANG: "en_US.UTF-8" };
  // A bare machine lacks NSS, which the package carries too.
  if (/not found/.test(execFileSync("ldd", [executablePath]))) env.LD_LIBRARY_PATH = join(folder, "al2023/lib");
  return { executablePath, env };
}

/** The folder where the shell is, unpacked once. */
async function unpacked() {
  const bin = join(dirname(fileURLToPath(import.meta.resolve("@sparticuz/chromium"))), "../bin");
  const { version } = JSON.parse(readFileSync(join(bin, "../package.json"), "utf8"));
  const folder = join(TOOLS, `chromium-${version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(TOOLS, { recursive: true });
  const { TMPDIR } = process.env;
  // Where the package unpacks to; renamed when it is whole.
  process.env.TMPDIR = mkdtempSync(`${folder}.`);
  try {
    for (const file of ["chromium.br", "fonts.tar.br", "al2023.tar.br"]) await inflate(join(bin, file));
    const fonts = join(process.env.TMPDIR, "fonts/fonts.conf");
    writeFileSync(fonts, readFileSync(fonts, "utf8").replaceAll("/tmp/fonts", join(folder, "fonts")));
    renameSync(process.env.TMPDIR, folder);
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  }
  return folder;
}

function onPath(...commands) {
  const folders = process.env.PATH.split(delimiter);
  return commands.flatMap((command) => folders.map((folder) => join(folder, command))).find(existsSync);
}
