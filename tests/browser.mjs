// A real browser, which comes through npm: Chromium's headless shell for Linux on x64. Elsewhere
// CHROME names the one to use, or the tests that want a browser are skipped and say so.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inflate } from "@sparticuz/chromium";
import { chromium } from "playwright-core";
import { TOOLS } from "../tools/shell.mjs";

const CARRIED = process.platform === "linux" && process.arch === "x64";
/** Why there is no browser; false where there is one. */
export const NO_BROWSER = !CARRIED && !process.env.CHROME && "set CHROME to the path of a Chromium to run this";

/** What Chromium is started with: every host of `.example` is this machine, no other is asked. */
export const ARGS = [
  "--host-resolver-rules=MAP *.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-default-browser-check",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/** Starts the browser, driven by Playwright. It ends with the process. */
export async function launch() {
  return chromium.launch({ ...(await browser()), args: ARGS });
}

/** The path of the browser and the environment that it wants. */
export async function browser() {
  if (process.env.CHROME) return { executablePath: process.env.CHROME, env: process.env };
  const folder = await unpacked();
  const executablePath = join(folder, "chromium");
  const env = { ...process.env, FONTCONFIG_PATH: join(folder, "fonts") };
  // A bare machine lacks NSS, which the package carries too.
  if (/not found/.test(execFileSync("ldd", [executablePath]))) env.LD_LIBRARY_PATH = join(folder, "al2023/lib");
  return { executablePath, env };
}

/** The folder where the browser is, unpacked once. */
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
