// The package from its tarball alone, on a machine that has Node and nothing else: a folder is made, started,
// upgraded and left. And what `npm run release` makes besides.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, globSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { parse } from "smol-toml";
import { freePort } from "./dev.mjs";
import { bareMachine, release, run } from "./packed.mjs";
import { read, until } from "./visitors.mjs";
import { ROOT, request, temporaryFolder } from "./workerd.mjs";

const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const BEFORE = "0.1.9";
const tarballIn = (folder) => join(folder, readdirSync(folder).find((file) => file.endsWith(".tgz")));

let made, tarball, machine;
before(() => {
  made = release("present");
  tarball = tarballIn(made);
  machine = bareMachine();
});

/** Runs a command on the machine; fails if it does. */
async function succeeds(command, args, cwd, env = {}) {
  const result = await run(command, args, { cwd, env: { ...machine.env, ...env } });
  assert.equal(result.status, 0, `${command} ${args.join(" ")}\n${result.output}`);
  return result;
}

/** Runs `npm start` in a folder while `work` lasts. No page of the site is looked at, as there is none. */
const started = (folder, work, ...options) => serving("npm", ["start", "--", "--var", "SITE_URL:", ...options], folder, work);

/** Runs a command that serves, in a folder, while `work` lasts. */
async function serving(command, options, folder, work) {
  const port = await freePort();
  const args = [...options, "--port", port, "--inspector-port", await freePort()];
  const child = spawn(command, args, { cwd: folder, env: machine.env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (log += data));
  const ended = new Promise((resolve) => child.once("close", resolve));
  const url = `http://localhost:${port}`;
  try {
    const answer = await until(() => request(url, "/").catch(() => undefined), Boolean, 60);
    assert.ok(answer, log);
    await work(url);
  } finally {
    process.kill(-child.pid, "SIGTERM");
    await ended;
  }
}

test("the same commit makes the same bytes", { timeout: 240_000 }, () => {
  // Whatever is made of the compiled Rust is made again.
  rmSync(join(ROOT, "build/.made-of"), { force: true });
  const again = release("again");
  const files = readdirSync(made, { recursive: true }).filter((file) => statSync(join(made, file)).isFile());
  for (const file of files) assert.ok(readFileSync(join(again, file)).equals(readFileSync(join(made, file))), file);
  const sums = readFileSync(join(made, "SHA256SUMS"), "utf8").trim().split("\n").map((line) => line.split("  "));
  assert.deepEqual(sums.map(([, file]) => file), [`tally-button-${VERSION}.zip`, `tally-views-${VERSION}.zip`, `tally-worker-${VERSION}.tgz`]);
  for (const [sum, file] of sums) assert.equal(createHash("sha256").update(readFileSync(join(made, file))).digest("hex"), sum, file);
});

test("the workflow attaches all that is made, and its actions are pinned", () => {
  const folder = join(ROOT, ".github/workflows");
  for (const file of readdirSync(folder)) {
    const uses = [...readFileSync(join(folder, file), "utf8").matchAll(/\buses: *(.*)/g)];
    assert.ok(uses.length > 1);
    for (const [, action] of uses) assert.match(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, file);
  }
  const workflow = readFileSync(join(folder, "release.yml"), "utf8");
  const patterns = [...workflow.matchAll(/^ +build\/release\/(.+)$/gm)].map(([, pattern]) => pattern);
  assert.deepEqual([...new Set(patterns.flatMap((pattern) => globSync(pattern, { cwd: made })))].sort(), readdirSync(made).filter((file) => file !== "button").sort());
  const changed = readFileSync(join(made, "NOTES.md"), "utf8");
  assert.match(changed, /^### Added\n/);
  assert.doesNotMatch(changed, /^## /m);
});

test("the package is small, and tells nothing of the machine that made it", () => {
  const packed = readFileSync(tarball);
  assert.ok(packed.length <= 1_000_000, `${packed.length} bytes`);
  const content = gunzipSync(packed).toString("latin1");
  for (const path of [ROOT, process.env.HOME].filter((path) => path.length > 1)) assert.ok(!content.includes(path), path);
});

test("the package's settings are those of wrangler.toml, each with a comment", () => {
  const [own, text] = [readFileSync(join(ROOT, "wrangler.toml"), "utf8"), readFileSync(join(made, "button/wrangler.toml"), "utf8")];
  const { main, no_bundle: isBundled, assets, ...packed } = parse(text);
  const { main: _, assets: __, build: ___, minify: ____, keep_names: _____, ...sources } = parse(own);
  assert.deepEqual(packed, sources);
  assert.deepEqual([main, isBundled, { ...assets }], ["node_modules/tally-worker/worker/entry.js", true, { directory: "node_modules/tally-worker/public" }]);
  for (const name of Object.keys(packed.vars)) assert.match(text, new RegExp(`^# .+\\n${name} = `, "m"));
  const { cloudflare } = JSON.parse(readFileSync(join(made, "button/package.json"), "utf8"));
  assert.deepEqual(Object.keys(cloudflare.bindings), Object.keys(packed.vars));
  for (const [name, { description }] of Object.entries(cloudflare.bindings)) assert.match(description, /^\S.{20,}\.$/, name);
});

test("the button's README has the button, for the repository that is named", () => {
  const text = readFileSync(join(made, "button/README.md"), "utf8");
  assert.match(text, /\(https:\/\/deploy\.workers\.cloudflare\.com\/button\)\]\(https:\/\/deploy\.workers\.cloudflare\.com\/\?url=https:\/\/github\.com\/YOUR-NAME\/tally-button\)/);
});

test("the button's repository installs, builds and deploys", { timeout: 240_000 }, async () => {
  const folder = temporaryFolder();
  cpSync(join(made, "button"), folder, { recursive: true });
  assert.equal(readdirSync(folder).some((file) => file.startsWith(".dev.vars")), false);
  // The package is not published, so its file stands in for the registry's.
  const source = `file:${relative(folder, tarball)}`;
  const edit = (file, change) => writeFileSync(join(folder, file), JSON.stringify(change(JSON.parse(readFileSync(join(folder, file), "utf8")))));
  edit("package.json", (manifest) => ({ ...manifest, dependencies: { "tally-worker": source } }));
  edit("package-lock.json", (lock) => {
    lock.packages[""].dependencies["tally-worker"] = source;
    lock.packages["node_modules/tally-worker"].resolved = source;
    return lock;
  });
  await succeeds("npm", ["ci", "--no-audit", "--no-fund"], folder);
  await succeeds("npm", ["run", "build"], folder);
  const { output } = await succeeds("npm", ["run", "deploy", "--", "--dry-run"], folder);
  assert.match(output, /env\.VIEWS +KV Namespace/);
  assert.match(output, /--dry-run: exiting now/);
});

describe("a folder of the package", { timeout: 300_000 }, () => {
  const site = "https://blog.example";
  let parent, folder, older;

  before(async () => {
    older = tarballIn(release("before", "--version", BEFORE));
    parent = temporaryFolder();
    folder = join(parent, "my-tally");
    await succeeds("npx", ["--yes", `file:${older}`, "init", "my-tally", "--site", `${site}/`, "--yes", "--package", older], parent);
  });

  test("has package.json, wrangler.toml and .gitignore, and what npm installs", () => {
    assert.deepEqual(readdirSync(folder).sort(), [".gitignore", "node_modules", "package-lock.json", "package.json", "wrangler.toml"]);
    const { name, vars } = parse(readFileSync(join(folder, "wrangler.toml"), "utf8"));
    assert.equal(name, "my-tally");
    assert.equal(vars.ALLOWED_ORIGINS, site);
    assert.equal(vars.SITE_URL ?? site, site);
    assert.deepEqual(readdirSync(machine.home).filter((file) => ![".config", ".npm", ".wrangler"].includes(file)), []);
  });

  test("counts, and counts on after an upgrade", async () => {
    await started(folder, async (url) => {
      assert.equal((await read({ url }, "/version.json")).version, BEFORE);
      for (const post of ["142", "143"]) {
        const { status } = await request(url, `/views/${post}`, { method: "POST", headers: { Origin: site } });
        assert.equal(status, 200);
      }
      assert.equal((await request(url, "/views/142", { method: "POST", headers: { Origin: "https://other.example" } })).status, 403);
    });
    await succeeds("npm", ["install", "--no-audit", "--no-fund", tarball], folder);
    await started(folder, async (url) => {
      assert.equal((await read({ url }, "/version.json")).version, VERSION);
      const { posts } = await until(() => read({ url }, "/top"), ({ posts }) => posts.length === 2);
      assert.deepEqual(posts.map(({ views }) => views), [1, 1]);
      const { stdout } = await succeeds("npx", ["tally", "views", "142", "144", "--json", "--url", url], folder);
      assert.deepEqual(JSON.parse(stdout), { views: { 142: 1, 144: 0 } });
    });
  });

  // A row of storage or a key of Workers KV in each line, in hexadecimal digits. tests/pinned.rs says what is in them.
  for (const older of readdirSync(join(ROOT, "tests")).filter((file) => /^pinned-\d+\.txt$/.test(file))) {
    test(`reads what is stored as an older version stored it (${older})`, async () => {
      const lines = readFileSync(join(ROOT, "tests", older), "utf8").trim().split("\n").map((line) => line.split(/ (?=[0-9a-f]*$)/));
      const state = temporaryFolder();
      const project = temporaryFolder();
      cpSync(join(ROOT, "tests/stored-rows.js"), join(project, "stored-rows.js"));
      const { name, compatibility_date, durable_objects, migrations, kv_namespaces } = parse(readFileSync(join(folder, "wrangler.toml"), "utf8"));
      writeFileSync(join(project, "wrangler.json"), JSON.stringify({ name, main: "stored-rows.js", compatibility_date, durable_objects, migrations, kv_namespaces }));
      const wrangler = join(folder, "node_modules/.bin/wrangler");
      await serving(wrangler, ["dev", "--persist-to", state], project, async (url) => {
        const { status, body } = await request(url, "/", { method: "POST", body: JSON.stringify(lines) });
        assert.equal(status, 200, body);
      });

      const { stdout: token } = await succeeds("npx", ["tally", "token", "--local"], folder);
      await started(folder, async (url) => {
        // At first as it was published, then as it was counted.
        assert.deepEqual((await read({ url }, "/views?post=142&post=143")).views, { 142: 300, 143: 5 });
        const { stdout } = await succeeds("npx", ["tally", "export", "--url", url], folder, { ADMIN_TOKEN: token });
        const views = Object.fromEntries(JSON.parse(stdout).posts.map(({ post, views }) => [post, views]));
        assert.deepEqual(views, { 142: 300, 143: 5, 144: 6, "/posts/é": 3, imported: 2, "post-0": 100, "post-1": 100, "post-2": 100, "post-3": 100, "post-4": 100 });
        await request(url, "/views/142", { method: "POST", headers: { Origin: site } });
        const { posts } = await until(() => read({ url }, "/top"), ({ posts }) => posts[0]?.views === 301 && posts.length === 10);
        assert.equal(posts.length, 10);
      }, "--persist-to", state);
    });
  }

  test("may be in a folder whose name is no word", async () => {
    const name = "Bob's blog & more";
    const { stdout } = await succeeds(process.execPath, [join(folder, "node_modules/tally-worker/bin/tally.js"), "init", name, "--site", " https://Blog.example/blog/ ", "--package", tarball], parent);
    assert.match(stdout, /^ {2}cd 'Bob'\\''s blog & more'$/m);
    const { name: worker, vars } = parse(readFileSync(join(parent, name, "wrangler.toml"), "utf8"));
    assert.deepEqual([worker, vars.ALLOWED_ORIGINS, vars.SITE_URL], ["bob-s-blog-more", site, `${site}/blog`]);
    const { output } = await succeeds("npm", ["run", "deploy", "--", "--dry-run"], join(parent, name));
    assert.match(output, /--dry-run: exiting now/);
  });

  test("deploys without a build", async () => {
    const { output } = await succeeds("npm", ["run", "deploy", "--", "--dry-run"], folder);
    assert.match(output, /Total Upload/);
    assert.doesNotMatch(output, /custom build/i);
  });

  test("is not made over another, nor of a wrong address", async () => {
    const command = join(folder, "node_modules/tally-worker/bin/tally.js");
    const init = (...args) => run(process.execPath, [command, "init", ...args, "--no-install"], { cwd: parent, env: machine.env });
    const settings = readFileSync(join(folder, "wrangler.toml"), "utf8");
    const again = await init("my-tally", "--yes");
    assert.equal(again.status, 1);
    assert.match(again.stderr, /^tally: my-tally has package\.json and wrangler\.toml and \.gitignore already; nothing was written$/m);
    assert.equal(readFileSync(join(folder, "wrangler.toml"), "utf8"), settings);
    for (const site of ["blog.example", "ftp://blog.example", "https://me:secret@blog.example", "https://blog.example/?a=1"]) {
      assert.equal((await init("other", "--site", site, "--yes")).status, 2, site);
    }
    assert.equal((await init("other", "--name", "not a name", "--yes")).status, 2);
    const nowhere = await init(join(process.execPath, "my-tally"), "--yes");
    assert.equal(nowhere.status, 1);
    assert.match(nowhere.stderr, /^tally: ENOTDIR[^\n]+\n$/);
    // Nobody is there to be asked.
    const silent = await init("other");
    assert.equal(silent.status, 2);
    assert.match(silent.stderr, /name the site with --site/);
    assert.equal(existsSync(join(parent, "other")), false);
  });

  test("is left with nothing but its own files", async () => {
    await succeeds("npm", ["uninstall", "tally-worker", "--no-audit", "--no-fund"], folder);
    for (const name of ["tally-worker", "wrangler", ".bin/tally"]) assert.equal(existsSync(join(folder, "node_modules", name)), false, name);
  });
});

after(() => rmSync(join(ROOT, "build/test-release/before"), { recursive: true, force: true }));
