// `tally deploy` and `tally token`, with the real wrangler, against a server that speaks Cloudflare's API.

import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, before, beforeEach, describe, test } from "node:test";
import { ACCOUNT, LOGIN, startCloudflare } from "./cloudflare.mjs";
import { atTerminal, bareMachine, release, run, unpacked } from "./packed.mjs";
import { temporaryFolder } from "./workerd.mjs";

describe("a deployment", { timeout: 240_000 }, () => {
  let folder, made, cloud, machine;

  before(() => {
    made = release("deploy");
    folder = unpacked(join(made, readdirSync(made).find((file) => file.endsWith(".tgz"))));
    machine = bareMachine();
  });
  beforeEach(async () => (cloud = await startCloudflare()));
  afterEach(() => cloud.stop());

  /** A fresh checkout of a Tally's folder. */
  function checkout(change = (settings) => settings) {
    const project = temporaryFolder();
    mkdirSync(join(project, "node_modules"));
    symlinkSync(folder, join(project, "node_modules/tally-worker"));
    cpSync(join(made, "button/package.json"), join(project, "package.json"));
    writeFileSync(join(project, "wrangler.toml"), change(readFileSync(join(made, "button/wrangler.toml"), "utf8")));
    return project;
  }

  function tally(project, args, env = {}) {
    const login = { CLOUDFLARE_API_TOKEN: LOGIN, CLOUDFLARE_API_BASE_URL: cloud.url };
    return run(process.execPath, [join(folder, "bin/tally.js"), ...args], { cwd: project, env: { ...machine.env, ...login, ...env } });
  }

  const binding = () => cloud.workers.get("tally").bindings.find(({ name }) => name === "VIEWS");
  const boundTo = () => binding().namespace_id;

  test("makes a namespace, tells the address, and leaves the folder as it was", async () => {
    const project = checkout();
    const files = readdirSync(project);
    const { status, stdout, output } = await tally(project, ["deploy", "--json"]);
    assert.equal(status, 0, output);
    const told = JSON.parse(stdout);
    assert.equal(told.url, "https://tally.you.workers.dev");
    assert.deepEqual(cloud.namespaces, [{ id: told.namespace, title: "tally-views" }]);
    assert.equal(boundTo(), told.namespace);
    assert.match(output, /no owner's token; `npx tally token` makes one/);
    assert.deepEqual(readdirSync(project).filter((file) => file !== ".wrangler"), files);
    const { modules, migrations } = cloud.workers.get("tally");
    assert.deepEqual(modules.map((name) => name.split(".").at(-1)), ["js", "wasm"]);
    assert.equal(migrations.new_tag, "v2");
    assert.equal(cloud.assets.includes("/views.js"), true);
  });

  test("the second time, and from a fresh checkout, finds the namespace of the first", async () => {
    const project = checkout();
    assert.equal((await tally(project, ["deploy"])).status, 0);
    const [{ id }] = cloud.namespaces;
    for (const again of [project, checkout()]) {
      const { status, output } = await tally(again, ["deploy"]);
      assert.equal(status, 0, output);
      assert.match(output, new RegExp(`found the namespace of Workers KV \\(${id}\\)`));
      assert.equal(boundTo(), id);
      assert.equal(cloud.namespaces.length, 1);
    }
  });

  test("of another Worker over the same namespace is refused", async () => {
    const project = checkout();
    for (const args of [["--name", "staging"], ["--name=staging"], ["--env", "staging"], ["-e", "staging"], ["-estaging"], ["--e=staging"], ["--config", "staging.toml"], ["-c=staging.toml"], []]) {
      const { status, output } = await tally(project, ["deploy", ...args], args.length ? {} : { CLOUDFLARE_ENV: "staging" });
      assert.equal(status, 2);
      assert.match(output, /would deploy another Worker/);
    }
    assert.deepEqual(cloud.namespaces, []);
    assert.equal(cloud.workers.size, 0);
  });

  test("keeps a namespace of another title, and finds one behind many others", async () => {
    const others = Array.from({ length: 230 }, (_, n) => ({ id: `${n}`.padStart(32, "0"), title: `other-${n}` }));
    cloud.namespaces.push(...others, { id: "f".repeat(32), title: "tally-views" });
    assert.equal((await tally(checkout(), ["deploy"])).status, 0);
    assert.equal(boundTo(), "f".repeat(32));
    binding().namespace_id = others[7].id;
    assert.equal((await tally(checkout(), ["deploy"])).status, 0);
    assert.equal(boundTo(), others[7].id);
    assert.equal(cloud.namespaces.length, 231);
  });

  test("of settings from before an upgrade says what to add, and then goes", async () => {
    const missing = /\[\[durable_objects\.bindings\]\]\nname = "LEDGER"\nclass_name = "Ledger"\n|\[\[migrations\]\]\ntag = "v2"\nnew_sqlite_classes = \["Ledger"\]\n/g;
    const project = checkout((settings) => settings.replace(missing, ""));
    for (const command of ["deploy", "dev"]) {
      const { status, stderr } = await tally(project, [command]);
      assert.equal(status, 1, stderr);
      assert.match(stderr, /^tally: version \d+\.\d+\.\d+ needs more in wrangler\.toml\./);
      if (command === "dev") writeFileSync(join(project, "wrangler.toml"), readFileSync(join(project, "wrangler.toml"), "utf8") + stderr.split("\n\n").slice(1).join("\n"));
    }
    const { status, output } = await tally(project, ["deploy"]);
    assert.equal(status, 0, output);
    assert.equal(cloud.workers.get("tally").migrations.new_tag, "v2");
  });

  test("takes the namespace that wrangler.toml names", async () => {
    const id = "e".repeat(32);
    const project = checkout((settings) => settings.replace('binding = "VIEWS"', `binding = "VIEWS"\nid = "${id}"`));
    assert.equal((await tally(project, ["deploy"])).status, 0);
    assert.equal(boundTo(), id);
    assert.deepEqual(cloud.namespaces, []);
  });

  test("makes the owner's token, shows it once, and not again", async () => {
    const project = checkout();
    const { status, stdout, stderr } = await tally(project, ["deploy", "--token", "--json"]);
    assert.equal(status, 0, stderr);
    const { token } = JSON.parse(stdout);
    assert.ok(token.length >= 32);
    assert.equal(cloud.workers.get("tally").secrets.ADMIN_TOKEN, token);
    const again = await tally(project, ["deploy", "--token", "--json"]);
    assert.equal(again.status, 0, again.stderr);
    assert.equal(JSON.parse(again.stdout).token, undefined);
    assert.equal(cloud.workers.get("tally").secrets.ADMIN_TOKEN, token);

    const refused = await tally(project, ["token"]);
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /there is a token already; --yes replaces it/);
    const replaced = await tally(project, ["token", "--yes"]);
    assert.equal(replaced.status, 0, replaced.stderr);
    assert.notEqual(replaced.stdout.trim(), token);
    assert.equal(cloud.workers.get("tally").secrets.ADMIN_TOKEN, replaced.stdout.trim());
  });

  test("with a login that is refused uploads nothing and says what to do", async () => {
    for (const args of [["deploy"], ["token"]]) {
      const { status, stderr } = await tally(checkout(), args, { CLOUDFLARE_API_TOKEN: "wrong" });
      assert.equal(status, 1);
      assert.match(stderr, /^tally: Cloudflare refuses the login .*CLOUDFLARE_API_TOKEN needs/m);
    }
    const { status, stderr } = await tally(checkout(), ["deploy"], { CLOUDFLARE_API_TOKEN: "" });
    assert.equal(status, 1);
    assert.match(stderr, /^tally: not logged in to Cloudflare; run `npx wrangler login`/m);
    assert.deepEqual([...cloud.workers], []);
    assert.deepEqual(cloud.namespaces, []);
  });

  test("that an outage breaks off is gone on with, and nothing is made twice", async () => {
    const project = checkout();
    // The settings are not known then, so no namespace may be made.
    for (const [outage, namespaces] of [
      ["GET /workers/scripts/tally/settings", 0],
      ["GET /storage/kv/namespaces", 0],
      ["POST /workers/scripts/tally/assets-upload-session", 1],
      ["PUT /workers/scripts/tally", 1],
    ]) {
      cloud.fails = (asked) => asked === outage;
      const { status, stderr } = await tally(project, ["deploy"]);
      assert.equal(status, 1, outage);
      assert.match(stderr, /^tally: /m);
      assert.equal(cloud.namespaces.length, namespaces, outage);
      assert.equal(existsSync(join(project, "wrangler.resolved.json")), false);
    }
    cloud.fails = () => false;
    const { status, output } = await tally(project, ["deploy"]);
    assert.equal(status, 0, output);
    assert.equal(cloud.namespaces.length, 1);
    assert.equal(boundTo(), cloud.namespaces[0].id);
  });

  test("to an account of several, and to none, says so", async () => {
    cloud.accounts = [{ id: ACCOUNT, name: "Blogger" }, { id: "1".repeat(32), name: "Company" }];
    const several = await tally(checkout(), ["deploy", "--json"]);
    assert.equal(several.status, 2);
    assert.match(JSON.parse(several.stdout).error.message, /CLOUDFLARE_ACCOUNT_ID.*\n.*Blogger\n.*Company/);
    const chosen = await tally(checkout(), ["deploy"], { CLOUDFLARE_ACCOUNT_ID: ACCOUNT });
    assert.equal(chosen.status, 0, chosen.output);
    cloud.accounts = [];
    assert.match((await tally(checkout(), ["deploy"])).stderr, /reaches no account/);
  });

  test("asks a person for the account, and whether to make a token", { skip: process.platform !== "linux" && "there is no terminal" }, async () => {
    cloud.accounts = [{ id: "1".repeat(32), name: "Company" }, { id: ACCOUNT, name: "Blogger" }];
    const project = checkout();
    const login = { CLOUDFLARE_API_TOKEN: LOGIN, CLOUDFLARE_API_BASE_URL: cloud.url, TERM: "xterm" };
    const { CI, ...env } = { ...machine.env, ...login };
    const command = `stty cols 120; ${process.execPath} ${join(folder, "bin/tally.js")} deploy`;
    const answers = [[/Which account of Cloudflare\?/, "\x1b[B\r"], [/Make one\?/, "\r"]];
    const output = await atTerminal(command, answers, { cwd: project, env: { ...env, PATH: process.env.PATH } });
    const { ADMIN_TOKEN: token } = cloud.workers.get("tally").secrets;
    assert.equal(output.split(token).length, 2, "it is shown once");
    // The answer is remembered, and there is a token: nothing is left to ask.
    assert.doesNotMatch(await atTerminal(command, [], { cwd: project, env: { ...env, PATH: process.env.PATH } }), /\?/);
  });

  test("that is cancelled at a question ends with 130, and a folder that is not made is none", { skip: process.platform !== "linux" && "there is no terminal" }, async () => {
    const { CI, ...env } = { ...machine.env, CLOUDFLARE_API_TOKEN: LOGIN, CLOUDFLARE_API_BASE_URL: cloud.url, TERM: "xterm", PATH: process.env.PATH };
    const terminal = (args, answers, cwd, code) => atTerminal(`stty cols 120 rows 40; ${process.execPath} ${join(folder, "bin/tally.js")} ${args}`, answers, { cwd, env }, code);
    const parent = temporaryFolder();
    for (const answers of [[[/Which folder\?/, "\x03"]], [[/Which folder\?/, "\r"], [/your site's address\?/, "\x03"]]]) {
      assert.match(await terminal("init", answers, parent, 130), /^tally: cancelled\r$/m);
      assert.deepEqual(readdirSync(parent), []);
    }
    const asked = [[/Which folder\?/, "\r"], [/your site's address\?/, "blog\r"], [/not an address/, "\x7f\x7f\x7f\x7fhttps://blog.example\r"]];
    assert.match(await terminal("init --no-install", asked, parent, 0), /^my-tally is ready:\r$/m);
    assert.match(readFileSync(join(parent, "my-tally/wrangler.toml"), "utf8"), /^ALLOWED_ORIGINS = "https:\/\/blog\.example"$/m);

    const project = checkout();
    await terminal("deploy", [[/Make one\?/, "\x03"]], project, 130);
    assert.deepEqual([cloud.workers.has("tally"), cloud.workers.get("tally").secrets], [true, {}], "it is deployed, without a token");
  });

  test("without Cloudflare, or without a wrangler.toml, says so", async () => {
    await cloud.stop();
    const away = await tally(checkout(), ["deploy"]);
    assert.equal(away.status, 3);
    assert.match(away.stderr, /^tally: Cloudflare does not answer \(ECONNREFUSED\); nothing was uploaded/m);
    const nowhere = await tally(temporaryFolder(), ["deploy"]);
    assert.equal(nowhere.status, 1);
    assert.match(nowhere.stderr, /^tally: there is no wrangler\.toml here/m);
  });
});
