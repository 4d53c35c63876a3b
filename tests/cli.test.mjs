// The command `tally`, over a Tally as `npm start` serves it and pages of a blog.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startDev } from "./dev.mjs";
import { end, listen } from "./network.mjs";
import { run } from "./packed.mjs";
import { HOSTILE, read, until } from "./visitors.mjs";
import { ROOT, request, temporaryFolder } from "./workerd.mjs";

const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const COMMAND = join(ROOT, "package/bin/tally.js");
const TOKEN = "the owner's token";
const folder = temporaryFolder();
const { ADMIN_TOKEN, TALLY_URL, ...ENV } = process.env;

/** Runs the command, without a terminal and outside of any Tally's folder. */
const tally = (args, env = {}, options = {}) => run(process.execPath, [COMMAND, ...args], { cwd: folder, env: { ...ENV, ...env }, ...options });

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
  for (const args of [[], ["tpo"], ["top", "year"], ["top", "--mode"], ["views"], ["top", "--url", "tally"], ["export", "--format", "xml"], ["doctor", "blog"], ["init", "my-tally", "--yes", "--package", "missing.tgz"]]) {
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

/** A line of a shell that knows the command; its output. */
function shell(name, line) {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "tally"), `#!/bin/sh\nexec '${process.execPath}' '${COMMAND}' "$@"\n`, { mode: 0o755 });
  return spawnSync(name, ["-c", line], { cwd: folder, env: { ...ENV, PATH: `${bin}:${ENV.PATH}` }, encoding: "utf8" });
}
const missing = (name) => spawnSync(name, ["-c", "exit"]).status !== 0 && `there is no ${name}`;

test("completions are for every shell, and complete", async () => {
  for (const shell of ["bash", "zsh", "fish", "powershell"]) {
    const { status, stdout } = await tally(["completions", shell]);
    assert.equal(status, 0);
    assert.match(stdout, /tally/, shell);
  }
  assert.match((await tally(["complete", "--", "to"])).stdout, /^token\b.*\n(.*\n)*top\b/m);
  assert.match((await tally(["complete", "--", "top", ""])).stdout, /^week/m);
});

test("bash completes, without any package, and loads them twice", { skip: missing("bash") }, () => {
  const completes = (...words) => `COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _tally; echo "\${COMPREPLY[@]}"`;
  const load = "source <(tally completions bash)";
  const { stdout, stderr } = shell("bash", [load, load, completes("tally", "to"), completes("tally", "top", ""), completes("tally", "import", "--mo"), completes("tally", "import", "$(touch evil)", "--mode", ""), "complete -p tally"].join("\n"));
  assert.equal(stderr, "");
  assert.equal(stdout, "token top\nall day week month\n--mode\nmax add replace\ncomplete -o default -F _tally tally\n");
  assert.ok(!readdirSync(folder).includes("evil"), "the line is not run");
});

test("zsh completes", { skip: missing("zsh") }, () => {
  const { stdout, stderr } = shell("zsh", "autoload -Uz compinit && compinit -u -D && source <(tally completions zsh) && print $_comps[tally]");
  assert.deepEqual([stdout, stderr], ["_tally\n", ""]);
});

test("fish completes", { skip: missing("fish") }, () => {
  const { stdout, stderr } = shell("fish", "tally completions fish | source; complete --do-complete 'tally to'");
  assert.equal(stderr, "");
  assert.match(stdout, /^token\t.*\n(.*\n)*top\t/m);
});

test("with --json standard output is one line of JSON, whatever is asked", async () => {
  const empty = join(folder, "empty");
  mkdirSync(empty);
  const nowhere = ["--url", "http://127.0.0.1:1"];
  for (const [args, status] of [
    [["--help"], 0], [["--version"], 0], [["help"], 0], [["top", "--help"], 0], [["completions", "fish"], 0], [[], 2], [["tpo"], 2],
    [["init", "my-tally", "--yes"], 1], [["dev"], 1], [["deploy"], 1], [["deploy", "--dry-run"], 1], [["token"], 1], [["token", "--local"], 1],
    [["status", ...nowhere], 3], [["top", ...nowhere], 3], [["views", "1", ...nowhere], 3], [["export", ...nowhere], 1],
    [["export", "--format", "csv"], 2], [["import", "missing"], 1], [["doctor", "http://127.0.0.1:1/"], 3],
  ]) {
    const told = await tally([...args, "--json"], {}, { cwd: empty });
    assert.equal(told.status, status, `${args.join(" ")}: ${told.output}`);
    assert.match(told.stdout, /^\{.*\}\n$/, args.join(" "));
    const { error } = JSON.parse(told.stdout);
    assert.equal(Boolean(error?.code && error.message), status !== 0, told.stdout);
  }
  // A post may have that name.
  assert.match((await tally(["views", ...nowhere, "--", "--json"])).stderr, /^tally: http/);
});

test("what cannot be written down is no success", { skip: process.platform !== "linux" && "there is no /dev/full" }, async () => {
  const { status, stderr } = shell("sh", "tally --help > /dev/full");
  assert.equal(status, 1);
  assert.match(stderr, /^tally: ENOSPC[^\n]*\n$/);
  // Who reads has had enough.
  assert.equal(shell("sh", "tally completions zsh | true").stderr, "");
});

/** Answers by path, while `work` has the address: an object as JSON, a text as it is, a function by itself. */
async function answering(answers, work) {
  const asked = [];
  const server = await listen((request, response) => {
    const { url, method, headers } = request;
    const path = url.split("?")[0];
    asked.push({ method, path, headers });
    const answer = answers[path] ?? answers["*"] ?? {};
    request.resume();
    if (typeof answer === "function") return answer(response, request);
    response.writeHead(answer.status ?? 200, { "Content-Type": "application/json", ...answer.headers });
    response.end(typeof answer === "string" ? answer : JSON.stringify(answer.body ?? answer));
  });
  try {
    return await work(`http://127.0.0.1:${server.address().port}`, asked);
  } finally {
    end(server);
  }
}

// To a terminal: another title, red, a line upwards, back to the line's begin, and the same in one character.
const ESCAPES = "a\x1b]0;b\x07\x1b[31m\x1b[1A\r\x9b31m\x7f\u202eb\u2028c\nd";
const STATS = { views: 1, posts: 1, kv: { writes: 1, budget: 900 }, adopted: { posts: 0, left: 2 }, published: "2026-11-25T12:00:00Z", oldest: "2026-11-25T12:00:00Z" };

test("nothing that a server or a page says acts on the terminal", async () => {
  const answers = {
    "/top": { posts: [{ post: ESCAPES, views: 2, title: ESCAPES }] },
    "/views": { views: { [ESCAPES]: 3 } },
    "/stats": { ...STATS, site: { unreadable: { since: "2026-11-25T11:30:00Z", why: ESCAPES } } },
    "/version.json": { version: ESCAPES },
    "/export": { status: 400, body: { error: { code: ESCAPES, message: ESCAPES } } },
    "/post": (response) => response.writeHead(200, { "Content-Type": "text/html" }).end(`<script src="/views.js" data-post="${ESCAPES.replaceAll("\r", "")}" data-only="${ESCAPES}"></script>`),
  };
  await answering(answers, async (url) => {
    for (const [args, lines] of [[["top"], 1], [["views", ESCAPES], 1], [["status"], 11], [["export"], 2], [["doctor", `${url}/post`], undefined]]) {
      for (const json of [[], ["--json"]]) {
        const { output } = await tally([...args, "--url", url, ...json], { ADMIN_TOKEN: TOKEN });
        assert.ok(output.length > 10);
        assert.doesNotMatch(output, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2028]/, `${args[0]} ${json}`);
        if (lines) assert.equal(output.split("\n").length, (json.length ? 1 : lines) + 1, output);
      }
    }
    // What a script reads is what the server said.
    assert.equal((await json(["top", "--url", url])).posts[0].title, ESCAPES);
  });
});

test("what answers otherwise than Tally ends with 3, and in one line", async () => {
  const wrong = [
    "null", "[]", "5", '"x"', "{}", '{"error":5}', '{"posts":5,"views":{"1":null}}', '{"posts":[null],"views":null}', '{"posts":[{"post":1,"views":1}],"views":{"1":"1"}}',
    '{"posts":[{"post":"1","views":1e99}],"views":{"1":-1}}', '{"posts":[{"post":"1","views":1,"title":{}}],"views":[]}', `${"[".repeat(200_000)}`,
  ];
  const stats = [{ views: "1" }, { kv: 5 }, { kv: {} }, { published: "soon" }, { adopted: { left: "2" } }, { site: { unreadable: { since: 5 } } }, { oldest: [] }].map((change) => JSON.stringify({ ...STATS, ...change }));
  for (const body of [...wrong, ...stats]) {
    await answering({ "*": body }, async (url) => {
      for (const args of [["top"], ["views", "1"], ["status"]].filter(([name]) => name === "status" || wrong.includes(body))) {
        const { status, stdout, stderr } = await tally([...args, "--url", url]);
        assert.deepEqual([status, stdout], [3, ""], `${args[0]}: ${body.slice(0, 80)}: ${stderr}`);
        assert.match(stderr, /^tally: http:.* does not answer as Tally does \(.*\)\n$/);
      }
    });
  }
  for (const body of ["null", "{}", '{"posts":-1}', '{"posts":"5"}'])
    await answering({ "*": body }, async (url) => {
      writeFileSync(join(folder, "one.csv"), "a,1\n");
      const { status, stderr } = await tally(["import", "one.csv", "--url", url], { ADMIN_TOKEN: TOKEN });
      assert.equal(status, 3);
      assert.match(stderr, /^tally: [^\n]*does not answer as Tally does \(200\)\n$/);
    });
});

/** Answers without an end, and counts in `sent` how much. */
function endless(type, text) {
  const answer = (response) => {
    response.writeHead(200, { "Content-Type": type });
    const more = () => {
      while (!response.destroyed && response.write(text)) answer.sent += text.length;
    };
    response.on("drain", more).on("close", () => (answer.isOver = true));
    more();
  };
  return Object.assign(answer, { sent: 0, isOver: false });
}

test("an answer without an end is read to a bound", async () => {
  for (const args of [["top"], ["views", "1"], ["status"], ["import", "one.csv"]]) {
    const answer = endless("application/json", `[${" ".repeat(60_000)}`);
    await answering({ "*": answer }, async (url) => {
      writeFileSync(join(folder, "one.csv"), "a,1\n");
      const { status, stderr } = await tally([...args, "--url", url], { ADMIN_TOKEN: TOKEN });
      assert.equal(status, 3, stderr);
      assert.ok(answer.sent < 64 << 20, `${args[0]}: ${answer.sent} bytes`);
    });
  }
});

test("the token goes to no other host", async () => {
  await answering({}, (other, asked) => {
    const moved = { status: 307, headers: { Location: `${other}/` }, body: {} };
    const answer = (response, { headers }) => response.writeHead(headers.authorization ? 307 : 401, moved.headers).end("{}");
    return answering({ "*": answer }, async (url, asked) => {
      for (const args of [["top"], ["views", "1"], ["status"], ["export"], ["import", "one.csv"]]) {
        writeFileSync(join(folder, "one.csv"), "a,1\n");
        const { status, stderr } = await tally([...args, "--url", url], { ADMIN_TOKEN: TOKEN });
        assert.equal(status, 3, stderr);
        assert.match(stderr, /does not answer as Tally does \(307\)\n$/);
      }
      assert.ok(asked.some(({ headers }) => headers.authorization === `Bearer ${TOKEN}`));
    }).then(() => assert.deepEqual(asked, []));
  });
  for (const [url, code] of [["http://blog.example", "insecure"], ["http://localhost.example", "insecure"], ["http://127.example", "insecure"]])
    assert.equal((await json(["export", "--url", url], 1, { ADMIN_TOKEN: TOKEN })).error.code, code);
  assert.equal((await json(["export"], 1, { ADMIN_TOKEN: "pass\u00a0word" })).error.code, "no_token");
});

test("a hostile page costs no more than a bound", { timeout: 120_000 }, async () => {
  const html = (body) => (response) => response.writeHead(200, { "Content-Type": "text/html" }).end(body);
  const pageOf = (...parts) => html(parts.join(""));
  const words = (n) => Array.from({ length: n }, (_, i) => i);
  const script = endless("text/javascript", "x".repeat(60_000));
  const page = endless("text/html", "<p>".repeat(20_000));
  const pages = {
    "/endless": page,
    "/script": pageOf('<script src="/endless/views.js"></script>'),
    "/endless/views.js": script,
    "/around": (response) => response.writeHead(302, { Location: "/around" }).end(),
    "/to": (response) => response.writeHead(302, { Location: "/endless" }).end(),
    // Each paragraph opens all of the others' formatting again.
    "/formatting": pageOf(...words(3000).map((n) => `<p><b a=${n}>`)),
    "/only": pageOf(`<script src="/none/views.js" data-post="${"a".repeat(400)}" data-only="${"a*".repeat(100)}b"></script>`),
    "/inserted": pageOf(`<script>"https://a${"/views.js?".repeat(200_000)} </script>`),
    "/badge": pageOf(`<img src="${"/badge/".repeat(300_000)}">`),
    "/badges": pageOf('<script src="/none/views.js"></script>', `<meta http-equiv="content-security-policy" content="img-src ${"a ".repeat(100_000)}*">`, ...words(20_000).map((n) => `<img src="/badge/${n}.svg">`)),
    "/hashes": pageOf(`<meta http-equiv="content-security-policy" content="script-src ${words(100_000).map((n) => `'${n}'`).join(" ")}">`, `<script src="/none/views.js" integrity="${words(100_000).join(" ")}"></script>`),
    "/odd": pageOf('<script src="data:text/javascript,/views.js"></script><script src="javascript:/views.js"></script><script src="file:///views.js"></script>'),
    "/named": pageOf('<script src="/none/views.js" data-tally="http://["></script>'),
  };
  await answering(pages, async (url) => {
    for (const [path, status, says] of [
      ["/endless", 1, "too_large"], ["/script", 1, "loads"], ["/around", 3, "unreachable"], ["/to", 1, "too_large"], ["/formatting", 1, "too_large"], ["/only", 1, "tag"],
      ["/inserted", 1, "script"], ["/badge", 1, "script"], ["/badges", 1, "loads"], ["/hashes", 1, "loads"], ["/odd", 1, "script"], ["/named", 1, "address"],
    ]) {
      const started = Date.now();
      const told = await tally(["doctor", url + path, "--json"]);
      assert.equal(told.status, status, `${path}: ${told.output.slice(0, 1000)}`);
      const { error, checks } = JSON.parse(told.stdout);
      const found = error ? [error.code] : checks.filter(({ ok }) => !ok).map(({ check }) => check);
      assert.ok(found.includes(says), `${path}: ${found}`);
      const seconds = (Date.now() - started) / 1000;
      assert.ok(seconds < 30, `${path}: ${seconds} s`);
    }
    assert.ok(page.sent < 64 << 20 && script.sent < 64 << 20, `${page.sent} and ${script.sent} bytes`);
  });
});

test("a server that cannot be found ends with 3, and so does one behind no proxy", async () => {
  const nowhere = await tally(["top", "--url", "https://tally.invalid"]);
  assert.equal(nowhere.status, 3);
  assert.match(nowhere.stderr, /^tally: https:\/\/tally\.invalid does not answer as Tally does \(.+\)\n$/);
  // Another Tally may run there.
  const code = await fetch("http://localhost:8787").catch(({ cause }) => cause.code);
  if (code === "ECONNREFUSED") assert.match((await tally(["top"])).stderr, /start it with `npm start`, or name your Tally with --url\n$/);
  const behind = await tally(["top", "--url", "https://tally.example"], { HTTPS_PROXY: "http://127.0.0.1:1" });
  assert.equal(behind.status, 3);
  assert.match(behind.stderr, /^tally: https:\/\/tally\.example does not answer as Tally does \(.*\)\n$/);
  const wrong = await tally(["top"], { http_proxy: "socks5://127.0.0.1:1" });
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /^tally: http_proxy in the environment is not the address of a proxy/);
});

test("a proxy of the environment is used, but not for what runs here", async () => {
  await answering({ "/top": { posts: [{ post: "through", views: 1 }] } }, async (url, asked) => {
    const tunnels = [];
    const proxy = await listen((_, answer) => answer.writeHead(502).end());
    proxy.on("connect", ({ url: to }, client) => {
      tunnels.push(to);
      const server = net.connect(new URL(url).port, "127.0.0.1", () => {
        client.write("HTTP/1.1 200 OK\r\n\r\n");
        server.pipe(client).pipe(server);
      });
      for (const socket of [client, server]) socket.on("error", () => [client, server].map((one) => one.destroy()));
    });
    const env = { http_proxy: `127.0.0.1:${proxy.address().port}` };
    try {
      assert.equal((await json(["top", "--url", "http://tally.example"], 0, env)).posts[0].post, "through");
      assert.deepEqual(tunnels, ["tally.example:80"]);
      for (const [address, no_proxy] of [[url, ""], [url.replace("127.0.0.1", "localhost"), "other.example"]]) {
        assert.equal((await json(["top", "--url", address], 0, { ...env, no_proxy })).posts[0].post, "through");
      }
      assert.deepEqual(tunnels, ["tally.example:80"], "what is local is asked directly");
      assert.equal((await tally(["top", "--url", "http://tally.invalid"], { ...env, no_proxy: "*" })).status, 3);
      assert.equal(tunnels.length, 1);
    } finally {
      end(proxy);
    }
    assert.equal(asked.length, 3);
  });
});

test("a broken wrangler.toml is told in words", async () => {
  for (const [content, says] of [
    ["name = ", /cannot be read: Invalid TOML/], ["name = 5", /`name` is not a text/], ['name = "a b/../c"', /not a valid name for a Worker/], ["kv_namespaces = 5", /\[\[kv_namespaces\]\]/],
    ['name = "a"\n[kv_namespaces]\nbinding = "VIEWS"', /\[\[kv_namespaces\]\]/], ['kv_namespaces = ["VIEWS"]', /\[\[kv_namespaces\]\]/], ["account_id = []", /`account_id` is not a text/],
    ["", /no `name`/], [Buffer.from([0xff, 0xfe, 0, 0x1b]), /cannot be read/],
  ]) {
    const project = temporaryFolder();
    writeFileSync(join(project, "wrangler.toml"), content);
    for (const args of [["token"], ["deploy"]]) {
      const told = await tally([...args, "--json"], { CLOUDFLARE_API_TOKEN: "x", CLOUDFLARE_API_BASE_URL: "http://127.0.0.1:1" }, { cwd: project });
      assert.equal(told.status, 1, told.output);
      const { error } = JSON.parse(told.stdout);
      assert.equal(error.code, "invalid_config");
      assert.match(error.message, says);
    }
  }
});

describe("the token of this machine", { skip: process.platform === "win32" && "there are no modes" }, () => {
  const SECRETS = ".dev.vars";
  const modeOf = (file) => (statSync(file).mode & 0o777).toString(8);

  /** A folder, whose name is not a word, of a Tally; runs `tally token --local` in it. */
  async function made(prepare, options) {
    const project = join(temporaryFolder(), "my blog's tally");
    mkdirSync(project);
    writeFileSync(join(project, "wrangler.toml"), '\ufeffname = "tally"\r\n');
    prepare?.(project);
    const told = await tally(["token", "--local", "--json"], {}, { cwd: project, ...options });
    return { ...told, project, file: join(project, SECRETS) };
  }

  test("is for its owner alone, in a file that is new and in one that everybody could read", async () => {
    const fresh = await made();
    assert.equal(fresh.status, 0, fresh.output);
    assert.match(fresh.stderr, /start it again/);
    const { token } = JSON.parse(fresh.stdout);
    assert.equal(readFileSync(fresh.file, "utf8"), `ADMIN_TOKEN=${token}\n`);
    assert.equal(modeOf(fresh.file), "600");

    const others = '# Mine\nFOO="a b"\n\nBAR=1\n';
    const old = `${others}export ADMIN_TOKEN = old\nADMIN_TOKEN=older`;
    let opened;
    const again = await made((project) => {
      const file = join(project, SECRETS);
      writeFileSync(file, old);
      chmodSync(file, 0o644);
      opened = openSync(file, "r");
    });
    assert.equal(again.status, 0, again.output);
    assert.equal(readFileSync(again.file, "utf8"), `${others}ADMIN_TOKEN=${JSON.parse(again.stdout).token}\n`);
    assert.equal(modeOf(again.file), "600");
    assert.equal(readFileSync(opened, "utf8"), old, "whoever had it open sees nothing new");
    closeSync(opened);
    assert.deepEqual(readdirSync(again.project).sort(), [SECRETS, "wrangler.toml"]);
  });

  test("replaces what a link leads to, not the link", async () => {
    const elsewhere = join(temporaryFolder(), "secrets");
    writeFileSync(elsewhere, "FOO=1\n");
    const linked = await made((project) => symlinkSync(elsewhere, join(project, SECRETS)));
    assert.equal(linked.status, 0, linked.output);
    assert.match(readFileSync(elsewhere, "utf8"), /^FOO=1\nADMIN_TOKEN=.{32}\n$/);
    assert.equal(modeOf(elsewhere), "600");
  });

  test("in a folder that cannot be written is a failure in one line", async () => {
    // Root may write anywhere.
    const nobody = process.getuid() === 0 ? { uid: 65_534 } : {};
    const { status, stdout, stderr } = await made((project) => {
      chmodSync(join(project, ".."), 0o755);
      chmodSync(project, 0o555);
    }, nobody);
    assert.equal(status, 1, stdout + stderr);
    const { error } = JSON.parse(stdout);
    assert.equal(error.code, "system");
    assert.match(error.message, /^EACCES/);
  });
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

  /** Writes a file of many posts; its name. */
  function manyPosts(name, posts) {
    writeFileSync(join(folder, name), Array.from({ length: posts }, (_, n) => `post-${n},${n + 1}\n`).join(""));
    return name;
  }

  test("an import that was killed is gone on with, and nothing is counted twice", async () => {
    const copy = await startDev({ vars: { ADMIN_TOKEN: TOKEN } });
    const file = manyPosts("many.csv", 20_000);
    let changes = 0;
    // The second part arrives, and the command is gone before it hears of that.
    const proxy = await listen((asked, answer) => {
      const isLast = !asked.url.includes("dry=1") && ++changes === 2;
      const { host, ...headers } = asked.headers;
      const on = http.request(copy.url + asked.url, { method: asked.method, headers }, (answered) => {
        if (isLast) return answered.resume().on("end", () => child.kill("SIGKILL"));
        answer.writeHead(answered.statusCode, answered.headers);
        answered.pipe(answer);
      });
      asked.pipe(on);
    });
    const args = (url) => [COMMAND, "import", file, "--mode", "add", "--url", url];
    const env = { ...ENV, ADMIN_TOKEN: TOKEN };
    const child = spawn(process.execPath, args(`http://127.0.0.1:${proxy.address().port}`), { cwd: folder, env, stdio: "ignore" });
    try {
      const [code, signal] = await once(child, "close");
      assert.deepEqual([code, signal, changes], [null, "SIGKILL", 2]);
      for (const _ of [1, 2]) {
        const { status, stdout, output } = await run(process.execPath, args(copy.url), { cwd: folder, env });
        assert.equal(status, 0, output);
        assert.equal(stdout, `20000 posts imported into ${copy.url}\n`);
        const { posts } = await json(["export", "--url", copy.url], 0, { ADMIN_TOKEN: TOKEN });
        assert.equal(posts.length, 20_000);
        for (const { post, views } of posts) assert.equal(`post-${views - 1}`, post);
      }
    } finally {
      end(proxy);
      await copy.stop();
    }
  });

  test("an export that breaks off leaves the file as it was", async () => {
    const target = join(folder, "kept.csv");
    const left = () => readdirSync(folder).filter((name) => name.endsWith(".part"));
    const env = { ...ENV, ADMIN_TOKEN: TOKEN };
    const args = (url) => ["export", "--format", "csv", "--output", target, "--url", url];
    const unchanged = (told, status = 1) => {
      assert.equal(told.status, status, told.stderr);
      assert.equal(readFileSync(target, "utf8"), "before");
      assert.deepEqual(left(), []);
    };
    writeFileSync(target, "before");
    const headers = { "Content-Type": "text/csv" };
    const line = "a-post,1\n".repeat(10_000);
    let child;
    const answers = {
      "/full": (answer) => answer.writeHead(200, headers).end(line),
      "/cut": (answer) => answer.writeHead(200, headers).write(line, () => answer.destroy()),
      "/interrupted": (answer) => answer.writeHead(200, headers).write(line),
      "/page": (answer) => answer.writeHead(200, { "Content-Type": "text/html" }).end("<p>Welcome"),
    };
    for (const [path, answer] of Object.entries(answers)) {
      const server = await listen((_, response) => answer(response));
      const url = `http://127.0.0.1:${server.address().port}`;
      try {
        if (path === "/full") {
          // No file may be larger than 10 KB, which is as good as a full disk.
          const command = [process.execPath, COMMAND, ...args(url)].map((word) => `'${word}'`).join(" ");
          const told = spawn("sh", ["-c", `ulimit -f 20; exec ${command}`], { cwd: folder, env });
          let stderr = "";
          told.stderr.on("data", (data) => (stderr += data));
          const [status] = await once(told, "close");
          unchanged({ status, stderr });
          assert.match(stderr, /^tally: the export failed \(EFBIG.*\); .*kept\.csv is unchanged\n$/);
        } else if (path === "/interrupted") {
          child = spawn(process.execPath, [COMMAND, ...args(url)], { cwd: folder, env, stdio: "ignore" });
          await until(left, ({ length }) => length === 1, 20);
          child.kill("SIGINT");
          const [status] = await once(child, "close");
          unchanged({ status }, 130);
        } else {
          unchanged(await tally(args(url), { ADMIN_TOKEN: TOKEN }), path === "/page" ? 3 : 1);
        }
      } finally {
        end(server);
      }
    }
    assert.equal((await tally(args(url), { ADMIN_TOKEN: TOKEN })).status, 0);
    assert.match(readFileSync(target, "utf8"), /^post,views,hours,days\r\n/);
    const { status, stderr } = shell("sh", `ADMIN_TOKEN="${TOKEN}" tally export --url ${url} --output /dev/full`);
    assert.deepEqual([status, /ENOSPC/.test(stderr), statSync("/dev/full").isCharacterDevice()], [1, true, true], stderr);
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
    assert.match(checks.find(({ check }) => check === "host").message, /nothing on localhost/);
    const twice = (await wrong(script + script.replace("async", 'async data-skip="0"'))).checks;
    assert.match(twice[0].message, /, and 1 other tag that the browser ignores$/);
    const everywhere = (await wrong(script.replace("async", 'async data-skip="0"'))).checks;
    assert.ok(!everywhere.some(({ check }) => check === "host"));
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
      [`<script src="${url}/views.js" data-tally="${url}/views.js"></script>`, ["address"], new RegExp(`data-tally="${url}"`)],
      [`<script src="${url}//views.js"></script>`, ["address"], new RegExp(`src="${url}/views.js"`)],
      [`<script type="module" src="${url}/views.js"></script>`, ["kind"], /Remove type/],
      [`<script src="${url}/views.js" data-skip="1"></script>`, ["tag"], /data-skip/],
      [`<script src="${url}/views.js" data-skip="true"></script>`, ["tag"], /data-skip="1"/],
      [`<script src="${url}/views.js" data-skip></script>`, ["tag"], /data-skip="1"/],
      [`<script src="${url}/views.js" data-post=":a"></script>`, ["counts"], /data-post/],
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
