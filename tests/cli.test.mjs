// The command `tally`, over a Tally as `npm start` serves it and pages of a blog.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startDev } from "./dev.mjs";
import { end, listen } from "./network.mjs";
import { run } from "./packed.mjs";
import { HOSTILE, read, until } from "./visitors.mjs";
import { ROOT, request, temporaryFolder } from "./workerd.mjs";

const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const TOKEN = "the owner's token";
const folder = temporaryFolder();
const { ADMIN_TOKEN, TALLY_URL, ...ENV } = process.env;

/** Runs the command, without a terminal and outside of any Tally's folder. */
const tally = (args, env = {}) => run(process.execPath, [join(ROOT, "package/bin/tally.js"), ...args], { cwd: folder, env: { ...ENV, ...env } });

async function json(args, status = 0, env = {}) {
  const told = await tally([...args, "--json"], env);
  assert.equal(told.status, status, told.output);
  return JSON.parse(told.stdout);
}

test("help lists the commands, and each shows examples", async () => {
  const { status, stdout, stderr } = await tally(["--help"]);
  assert.deepEqual([status, stderr], [0, ""]);
  const commands = readdirSync(join(ROOT, "package/lib/commands")).map((file) => file.replace(".js", ""));
  for (const command of [...commands, "completions"]) assert.match(stdout, new RegExp(`^  ${command} `, "m"), command);
  assert.match(stdout, /^Exit codes: /m);
  for (const command of [...commands, "completions"]) {
    const help = await tally([command, "--help"]);
    assert.equal(help.status, 0);
    assert.match(help.stdout, new RegExp(`^Examples:\\n.*\\$ .*(tally|tally-worker) ${command}`, "m"), command);
    assert.match(help.stdout, /^ +--json /m, command);
  }
  assert.equal((await tally(["--version"])).stdout, `${VERSION}\n`);
});

test("wrong usage ends with 2, once said and in JSON too", async () => {
  for (const args of [[], ["tpo"], ["top", "year"], ["top", "--mode"], ["views"], ["top", "--url", "tally"], ["export", "--format", "xml"], ["doctor", "blog"]]) {
    const { status, stdout, stderr } = await tally(args);
    assert.equal(status, 2, args.join(" "));
    assert.equal(stdout, "");
    if (args.length) assert.equal(stderr.match(/^tally: /gm).length, 1, stderr);
    const { error } = await json(args, 2);
    assert.equal(error.code, "usage");
  }
});

test("an old Node gets one line", async () => {
  const old = "data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '22.11.0' } })";
  const args = ["--import", old, join(ROOT, "package/bin/tally.js"), "--help"];
  const { status, output } = await run(process.execPath, args, { cwd: folder, env: ENV });
  assert.equal(status, 1);
  assert.equal(output, "tally: this is Node 22.11.0; tally needs Node 22.12 or newer (https://nodejs.org)\n");
});

test("completions are for every shell, and complete", async () => {
  for (const shell of ["bash", "zsh", "fish", "powershell"]) {
    const { status, stdout } = await tally(["completions", shell]);
    assert.equal(status, 0);
    assert.match(stdout, /tally/, shell);
  }
  assert.match((await tally(["complete", "--", "to"])).stdout, /^token\b.*\n(.*\n)*top\b/m);
  assert.match((await tally(["complete", "--", "top", ""])).stdout, /^week/m);
});

test("what is no Tally ends with 3", async () => {
  const server = await listen((_, answer) => answer.end("<p>Welcome"));
  const url = `http://127.0.0.1:${server.address().port}`;
  for (const args of [["top"], ["views", "1"], ["status"]]) {
    const { status, stdout, stderr } = await tally([...args, "--url", url]);
    assert.equal(status, 3, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /^tally: http:.* does not answer as Tally does \(200\)\n$/);
  }
  end(server);
});

describe("of a Tally", { timeout: 240_000 }, () => {
  let dev, blog, pages, origin, url, script;

  before(async () => {
    pages = {};
    blog = await listen(({ url }, answer) => {
      const { headers = {}, body, status = 200 } = pages[url] ?? { body: "", status: 404 };
      answer.writeHead(status, { "Content-Type": "text/html", ...headers }).end(body);
    });
    origin = `http://127.0.0.1:${blog.address().port}`;
    // Nothing but the sign that a page is fetched ahead keeps the doctor from being counted.
    dev = await startDev({ vars: { ADMIN_TOKEN: TOKEN, ALLOWED_ORIGINS: origin, BOTS: "count" } });
    url = dev.url;
    script = `<script async src="${url}/views.js"></script>`;
  });
  after(async () => {
    await dev?.stop();
    end(blog);
  });

  test("counts are taken in, told, listed and written down", async () => {
    const env = { ADMIN_TOKEN: TOKEN };
    const posts = [...HOSTILE, "142"];
    const file = join(folder, "counts.json");
    writeFileSync(file, JSON.stringify({ posts: posts.map((post, n) => ({ post, views: n + 1 })) }));
    assert.deepEqual(await json(["import", file, "--dry-run", "--url", url], 0, env), { url, posts: posts.length, imported: 0 });
    assert.deepEqual(await json(["import", file, "--url", url], 0, env), { url, posts: posts.length, imported: posts.length });
    await until(() => read({ url }, "/top"), ({ posts }) => posts[0]?.post === "142");
    const { stdout: answer } = await tally(["views", "--json", "--url", url, "--", ...posts]);
    const { views } = JSON.parse(answer);
    assert.equal(views["142"], posts.length);
    assert.equal(Object.getOwnPropertyDescriptor(views, "__proto__").value, 1);
    const { stdout } = await tally(["top", "--limit", "100", "--url", url]);
    assert.equal(stdout.split("\n").length, posts.length + 1, "a line each");
    assert.ok(!stdout.includes("\u202e"), "no character turns the line around");
    const exported = await json(["export", "--url", url], 0, env);
    assert.equal(exported.posts.length, posts.length);
    const told = await json(["export", "--format", "csv", "--output", "tally.csv", "--url", url], 0, env);
    assert.equal(readFileSync(join(folder, told.file)).length, told.bytes);
    assert.deepEqual(readdirSync(folder).filter((name) => name.endsWith(".part")), []);
    assert.equal((await json(["export", "--url", url], 1)).error.code, "no_token");
    assert.equal((await json(["export", "--url", url], 1, { ADMIN_TOKEN: "wrong" })).error.code, "unauthorized");
  });

  test("its status is told, with a fix for what is wrong", async () => {
    const told = await json(["status", "--url", url]);
    assert.equal(told.version, VERSION);
    assert.deepEqual(told.problems, []);
    const { stdout } = await tally(["status"], { TALLY_URL: url });
    assert.match(stdout, new RegExp(`^${url} is up, version ${VERSION}\n[\\d,]+ views of \\d+ posts; published \\d+ seconds? ago\n`));
  });

  test("whose settings are wrong the status says so", async () => {
    const open = await startDev({ vars: { KV_WRITES_PER_DAY: 1 } });
    try {
      await request(open.url, "/views/1", { method: "POST" });
      await until(() => read(open, "/stats"), ({ kv }) => kv.writes > 0);
      const { problems } = await json(["status", "--url", open.url], 1);
      assert.deepEqual(problems.map(({ level, code }) => `${level} ${code}`), ["error budget", "warning token", "warning origins"]);
      for (const { message, fix } of problems) assert.ok(message && fix);
    } finally {
      await open.stop();
    }
  });

  test("that stands still the status says so", async () => {
    const answers = {
      "/stats": { views: 1, posts: 1, kv: { writes: 1, budget: 900 }, adopted: { posts: 0, left: 2 }, published: "2026-11-25T12:00:00Z", oldest: "2026-11-25T07:00:00Z", refused: "2026-11-25T11:00:00Z", site: { urls: ["https://blog.example"], waiting: 1, unreadable: { since: "2026-11-25T11:30:00Z", why: "403" } } },
      "/health": { failing: "2026-11-25T10:00:00Z" },
      "/version.json": { version: "0.1.9" },
    };
    const server = await listen(({ url, method }, answer) => answer.writeHead(method === "OPTIONS" || url === "/export" ? 403 : 200).end(JSON.stringify(answers[url] ?? {})));
    const { problems } = await json(["status", "--url", `http://127.0.0.1:${server.address().port}`], 1);
    end(server);
    assert.deepEqual(problems.map(({ code }) => code), ["failing", "site", "refused", "behind", "version", "left"]);
    assert.match(problems[3].message, /5 hours/);
  });

  /** What the doctor finds wrong with a page. */
  async function wrong(page, more = []) {
    pages["/post/"] = typeof page === "string" ? { body: `<!DOCTYPE html><title>A post</title>${page}` } : page;
    const { status, stdout, output } = await tally(["doctor", `${origin}/post/`, ...more, "--json"]);
    const { checks, ok } = JSON.parse(stdout);
    assert.equal(status, ok ? 0 : 1, output);
    const failed = checks.filter(({ ok }) => !ok);
    for (const { message, fix } of failed) assert.ok(message && fix, `${message}: ${fix}`);
    return { failed: failed.map(({ check }) => check), fixes: failed.map(({ fix }) => fix).join("\n"), checks };
  }

  test("a page that is well is told to be", async () => {
    const hash = createHash("sha384").update((await request(url, "/views.js")).body).digest("base64");
    const policy = (text) => ({ body: `${script}<i data-views></i><img src="${url}/badge/a.svg">`, headers: { "Content-Security-Policy": text } });
    for (const page of [
      script,
      `<script async crossorigin integrity="sha384-${hash}" src="${url}/views.js"></script>`,
      `<script>const tag = document.createElement("script"); tag.src = "${url}/views.js";</script>`,
      policy(`default-src 'self' ${url}`),
      policy("default-src *"),
      policy("script-src http:; connect-src http://localhost:*; img-src http://*:*"),
      { body: `<script nonce="abc" src="${url}/views.js"></script><i data-views></i>`, headers: { "Content-Security-Policy": "script-src 'nonce-abc' 'strict-dynamic'" } },
    ]) {
      const { failed, checks } = await wrong(page);
      assert.deepEqual(failed, [], JSON.stringify(page));
      assert.ok(checks.length >= 6);
    }
    const { checks } = await wrong(script);
    assert.match(checks.find(({ check }) => check === "tag").message, /the post \/post$/);
    assert.match(checks.find(({ check }) => check === "counts").message, /counts \/post: 0 views so far$/, "nothing is counted");
  });

  test("a page that is not well is told what to do", async () => {
    const csp = (policy, body = script) => ({ body, headers: { "Content-Security-Policy": policy } });
    for (const [page, failed, fix] of [
      ["<p>No script", ["script"], /<script async src=/],
      [`<!-- ${script} --><template>${script}</template>`, ["script"], /<script async src=/],
      ['<script src="/views.js"></script>', ["loads", "origin"], /address/],
      ['<script src="http://127.0.0.1:9/views.js"></script>', ["loads", "origin"], /address/],
      [`<script src="${url}/views.js" data-tally="tally.you.workers.dev"></script>`, ["address"], /Write all of it/],
      [`<script src="${url}/views.js" data-tally="localhost:8787"></script>`, ["address"], /Write all of it/],
      [`<script src="${url}/views.js" data-skip="1"></script>`, ["tag"], /data-skip/],
      [`<script src="${url}/views.js" data-only="/other/*"></script>`, ["tag"], /data-only/],
      [`<script src="${url}/views.js" crossorigin integrity="sha384-${"A".repeat(64)}"></script>`, ["loads"], /integrity="sha384-[^A]/],
      [csp("default-src 'self'"), ["policy"], new RegExp(`Add ${url} to script-src`)],
      [csp(`script-src ${url}; connect-src 'self'`), ["policy"], /connect-src/],
      [csp(`script-src ${url}/top.js`), ["policy"], /script-src/],
      [csp("script-src 'nonce-abc'", `<script nonce="abc" src="${url}/views.js"></script><i data-views></i>`), ["policy"], /script-src/],
      [csp(`script-src ${url} 'strict-dynamic'`), ["policy"], /script-src/],
      [csp("default-src *, img-src 'none'", `${script}<img src="${url}/badge/a.svg">`), ["policy"], /img-src/],
      [`<meta http-equiv="Content-Security-Policy" content="connect-src 'none'">${script}`, ["policy"], /connect-src/],
    ]) {
      const found = await wrong(page);
      assert.deepEqual(found.failed.slice(0, failed.length), failed, JSON.stringify(page));
      assert.match(found.fixes, fix);
    }
    const other = await wrong(script, ["--url", "https://tally.example"]);
    assert.deepEqual(other.failed, ["script"]);
    assert.match(other.checks[0].message, new RegExp(`It counts with ${url}`));
  });

  test("a page of a site that may not count is told what to do", async () => {
    const elsewhere = `http://localhost:${blog.address().port}`;
    pages["/post/"] = { body: script };
    const { status, stdout } = await tally(["doctor", `${elsewhere}/post/`]);
    assert.equal(status, 1);
    assert.match(stdout, new RegExp(`^✗ ${url} does not let ${elsewhere} count\n  Add ${elsewhere} to ALLOWED_ORIGINS`, "m"));
  });

  test("a post is called what views.js calls it", async () => {
    const tag = (attributes) => `<script ${attributes} src="${url}/views.js"></script>`;
    for (const [page, post] of [
      [tag('data-post="142"'), "142"],
      [tag('data-post="/2026/h%C3%A9llo/index.html?a=1"'), "/2026/héllo"],
      [tag('data-post="https://blog.example/2026/"'), "/2026"],
      [tag('data-prefix="fr"'), "fr/post"],
      [`<head><link rel="canonical" href="/2026/canonical/#top"></head>${tag("")}`, "/2026/canonical"],
      [`<head><link rel="canonical" href="https://other.example/2026/"></head>${tag("")}`, "/post"],
      [`<p>A post<link rel="canonical" href="/2026/canonical/">${tag("")}`, "/post"],
    ]) {
      const { checks } = await wrong(page);
      assert.equal(checks.find(({ check }) => check === "tag").message, `the tag counts the post ${post}`);
    }
    pages["/post/"] = { body: tag("data-hash") };
    const { stdout } = await tally(["doctor", `${origin}/post/#!/posts/hello`]);
    assert.match(stdout, /the tag counts the post \/posts\/hello$/m);
  });

  test("the owner is told whether the Worker finds a post on the site", async () => {
    const strict = await startDev({ vars: { ADMIN_TOKEN: TOKEN, ALLOWED_ORIGINS: origin, SITE_URL: origin } });
    const site = async (page, env) => {
      pages["/post/"] = { body: `<!DOCTYPE html><title>A post</title>${page}` };
      const { stdout } = await tally(["doctor", `${origin}/post/`, "--url", strict.url, "--json"], env);
      return JSON.parse(stdout).checks.find(({ check }) => check === "site");
    };
    const [src, env] = [`${strict.url}/views.js`, { ADMIN_TOKEN: TOKEN }];
    try {
      // A script that inserts the tag is none to the Worker, which runs no scripts.
      const inserted = await site(`<script>insert("${src}")</script>`, env);
      assert.equal(inserted.ok, false, JSON.stringify(inserted));
      assert.match(inserted.fix, /SITE_URL/);
      const found = await site(`<script src="${src}"></script>`, env);
      assert.equal(found.ok, true, found.message);
      assert.match(found.message, /on the site: A post$/);
      assert.equal(await site(`<script src="${src}"></script>`), undefined, "only the owner may ask");
    } finally {
      await strict.stop();
    }
  });

  test("a page that is none is no finding but a failure", async () => {
    assert.equal((await json(["doctor", `${origin}/missing`], 1)).error.code, "no_page");
    pages["/picture"] = { body: "", headers: { "Content-Type": "image/png" } };
    assert.equal((await json(["doctor", `${origin}/picture`], 1)).error.code, "no_page");
    pages["/deep"] = { body: "<div>".repeat(300_000) };
    assert.equal((await json(["doctor", `${origin}/deep`], 1)).checks[0].check, "script");
  });
});
