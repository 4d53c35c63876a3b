// `tally init`: the folder of a new Tally. It writes package.json, wrangler.toml and .gitignore, and has npm
// install what they name.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, isAbsolute, join, relative, resolve } from "node:path";
import { text } from "../ask.js";
import { Failure, say, usage } from "../failure.js";
import { PACKAGE, VERSION } from "../project.js";

const NAME = /^[a-z0-9][a-z0-9-]{0,53}$/;

export async function init(folder, { site, name, yes, package: source, install, ask }) {
  if (!folder && ask && !yes) folder = await text({ message: "Which folder?", initialValue: "my-tally", validate: (folder) => (folder?.trim() ? undefined : "A folder is needed.") });
  if (!folder) throw usage("name a folder, as in `tally init my-tally`");
  const target = resolve(folder);
  const worker = name ?? nameFrom(basename(target));
  if (!NAME.test(worker)) throw usage(`"${worker}" is no name for a Worker: use up to 54 letters, digits and hyphens (--name)`);
  if (site === undefined && ask && !yes) site = await askSite();
  if (site === undefined && !yes) throw usage("name the site with --site https://blog.example, or have any site count with --yes");
  const address = site ? addressOf(site) : undefined;
  if (site && !address) throw usage(`"${site}" is not the address of a site, such as https://blog.example`);

  const files = {
    "package.json": manifest(worker, source && fromTarget(source, target)),
    "wrangler.toml": settings(worker, address),
    ".gitignore": "/node_modules/\n# State and secrets of `npm start`\n/.wrangler/\n/.dev.vars*\n# Made and removed by `npm run deploy`\n/wrangler.resolved.json\n",
  };
  const existing = Object.keys(files).filter((file) => existsSync(join(target, file)));
  if (existing.length) throw new Failure(`${folder} has ${existing.join(" and ")} already; nothing was written`, { code: "exists" });
  writeAll(target, files);
  if (install) npmInstall(target);
  const next = [...(target === process.cwd() ? [] : [`cd ${quoted(folder)}`]), ...(install ? [] : ["npm install"]), "npm start          # http://localhost:8787", "npm run deploy"];
  const note = address ? "" : "\n\nAny site may count. To allow only yours, set ALLOWED_ORIGINS in wrangler.toml.";
  return { data: { folder: target, name: worker, site: address?.origin ?? null, files: Object.keys(files) }, text: `${folder} is ready:\n\n${next.map((line) => `  ${line}`).join("\n")}${note}` };
}

/** Writes all of the files or none. */
function writeAll(folder, files) {
  const written = [];
  try {
    mkdirSync(folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      const file = join(folder, name);
      written.push(file);
      writeFileSync(file, content, { flag: "wx" });
    }
  } catch (error) {
    for (const file of written.slice(0, error.code === "EEXIST" ? -1 : undefined)) rmSync(file, { force: true });
    throw error;
  }
}

/** A folder as a shell takes it. */
const quoted = (folder) => (/^[\w./~-]+$/.test(folder) ? folder : `'${folder.replaceAll("'", "'\\''")}'`);

const nameFrom = (folder) => folder.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 54).replace(/^-+|-+$/g, "") || "tally";

async function askSite() {
  const validate = (site) => (!site || addressOf(site) ? undefined : "That is not an address such as https://blog.example.");
  return (await text({ message: "What is your site's address? Only its pages may count. (Empty: any site.)", placeholder: "https://blog.example", validate })) || "";
}

/** The address of a site; undefined where it is none. */
function addressOf(site) {
  const url = URL.canParse(site) ? new URL(site) : undefined;
  const isSite = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  return isSite ? url : undefined;
}

/** A file to depend on is named from the new folder. */
function fromTarget(source, target) {
  return /\.tgz$/.test(source) && !/^[a-z]+:/i.test(source) ? `file:${isAbsolute(source) ? source : relative(target, resolve(source)).replaceAll("\\", "/")}` : source;
}

/** Depends on any version of the same major one, so that `npm update` upgrades. */
function manifest(name, source = `${VERSION.split(".")[0]}.x`) {
  const scripts = { start: "tally dev", deploy: "tally deploy", tally: "tally" };
  return `${JSON.stringify({ name, private: true, scripts, dependencies: { "tally-worker": source } }, null, 2)}\n`;
}

/** The template's settings, for this Worker and this site. */
function settings(worker, site) {
  const file = join(PACKAGE, "wrangler.toml");
  if (!existsSync(file)) throw new Failure("this tally was not packed; `npm run release` makes the package", { code: "not_packed" });
  const set = (text, name, value) => text.replace(new RegExp(`^${name} = .*$`, "m"), () => `${name} = ${JSON.stringify(value)}`);
  const named = set(readFileSync(file, "utf8"), "name", worker);
  return site ? set(set(named, "ALLOWED_ORIGINS", site.origin), "SITE_URL", site.href.replace(/\/+$/, "")) : named;
}

function npmInstall(folder) {
  say("installing tally-worker and wrangler (half a minute)");
  const { status } = spawnSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  if (status !== 0) throw new Failure(`npm install failed; what npm says is above. Run \`npm install\` in ${folder}`, { code: "not_installed" });
}
