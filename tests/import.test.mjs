// `tally import`: files of any size and format, checked as a whole, in parts that can be sent again.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { HOSTILE, read } from "./visitors.mjs";
import { ROOT, TALLY, request, serve, temporaryFolder } from "./workerd.mjs";

const SECRET = "correct horse battery staple";
const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000, ADMIN_TOKEN: SECRET };
const folder = temporaryFolder();
const FORMATS = ["json", "ndjson", "csv"];

function fileOf(content, name = "counts") {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

/** Runs the command; its status and all that it said. */
function imports(url, file, args = [], env = { ADMIN_TOKEN: SECRET }) {
  const { ADMIN_TOKEN, ...others } = process.env;
  const child = spawn(process.execPath, [join(ROOT, "package/bin/tally.js"), "import", ...(file ? [file, "--url", url] : []), ...args], { env: { ...others, ...env } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  return new Promise((resolve) => child.on("close", (status) => {
    assert.ok(!output.includes(SECRET), "the token is not told");
    resolve({ status, output });
  }));
}

async function exported({ url }, format = "ndjson") {
  const { status, body } = await request(url, `/export?format=${format}`, { headers: { Authorization: `Bearer ${SECRET}` } });
  assert.equal(status, 200);
  return body;
}

const sorted = (text) => text.trimEnd().split("\n").map((line) => line.replace(/,$/, "")).sort();

async function alone(work) {
  const tally = await serve(TALLY, { vars: VARS });
  try {
    return await work(tally);
  } finally {
    await tally.stop();
  }
}

describe("a large export", () => {
  let tally, before_;
  const days = { "2026-11-20": 1, "2026-11-21": 2 };
  const posts = [...HOSTILE, ...Array.from({ length: 60_000 }, (_, n) => `/posts/a-post-with-a-title-${n}`)];

  before(async () => {
    tally = await serve(TALLY, { vars: VARS });
    const lines = posts.map((post, n) => JSON.stringify({ post, views: n + 1, days }));
    const { status, output } = await imports(tally.url, fileOf(lines.join("\n")));
    assert.equal(status, 0, output);
    assert.match(output, new RegExp(`^${posts.length} posts imported`, "m"));
    assert.match(output, /^checked \d+ posts, \d+%$/m, "progress is told");
    before_ = sorted(await exported(tally));
    assert.equal(before_.length, posts.length);
  });
  after(() => tally.stop());

  for (const format of FORMATS) {
    test(`in ${format} comes back as it was, in several parts`, () =>
      alone(async (copy) => {
        const text = await exported(tally, format);
        assert.ok(text.length > 3 << 20, "more than a part");
        const { status, output } = await imports(copy.url, fileOf(text));
        assert.equal(status, 0, output);
        assert.deepEqual(sorted(await exported(copy)), before_);
      }));

    test(`in ${format} with a bad line at its end changes nothing, and the line is told`, () =>
      alone(async (copy) => {
        const lines = (await exported(tally, format)).trimEnd().split("\n");
        const bad = lines.length - 3;
        for (const [wrong, reason] of [[/"views":\d+|(?<="),\d+/, "x"], [/2026-11-21/, "2062-01-01"]]) {
          const changed = lines.with(bad - 1, lines[bad - 1].replace(wrong, reason));
          assert.notEqual(changed[bad - 1], lines[bad - 1]);
          const { status, output } = await imports(copy.url, fileOf(changed.join("\n")), [`--format=${format}`]);
          assert.equal(status, 1);
          assert.match(output, new RegExp(`\\b${bad}\\b`), output);
        }
        assert.equal(await exported(copy), "");
      }));
  }

  test("of which the sending broke off is gone on with, and nothing is added twice", () =>
    alone(async (copy) => {
      const file = fileOf(await exported(tally, "csv"));
      // The second part that changes something arrives, but its answer does not.
      let changes = 0;
      const proxy = http.createServer((asked, answer) => {
        const isCut = !asked.url.includes("dry=1") && ++changes >= 2;
        const { host, ...headers } = asked.headers;
        const on = http.request(copy.url + asked.url, { method: asked.method, headers }, (answered) => {
          if (isCut) return answered.resume().on("end", () => asked.socket.destroy());
          answer.writeHead(answered.statusCode, answered.headers);
          answered.pipe(answer);
        });
        asked.pipe(on);
      });
      await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
      const cut = await imports(`http://127.0.0.1:${proxy.address().port}`, file, ["--mode=add"]);
      proxy.close();
      assert.equal(cut.status, 3);
      assert.match(cut.output, /Run the same command again/);
      assert.ok(changes > 2, "it was tried again");
      for (const _ of [1, 2]) {
        const { status, output } = await imports(copy.url, file, ["--mode=add"]);
        assert.equal(status, 0, output);
        assert.deepEqual(sorted(await exported(copy)), before_);
      }
    }));
});

describe("a document", () => {
  let tally;
  before(async () => (tally = await serve(TALLY, { vars: VARS })));
  after(() => tally.stop());

  const large = Object.fromEntries(Array.from({ length: 200_000 }, (_, n) => [`${n} "{[,]}\\`, `${n + 1}`]));
  for (const [name, text, posts] of [
    ["of the tutorial", '{"142":"2","posts":"5"}', 2],
    ["in one line of many megabytes", JSON.stringify(large), 200_000],
    ["written by another program", JSON.stringify({ posts: HOSTILE.map((post) => ({ post, views: 1, hours: {} })), 143: "8" }, null, 2), HOSTILE.length + 1],
    ["with a byte order mark", "\ufeff" + '{"posts":[{"post":"a","views":1}]}', 1],
  ]) {
    test(`${name} is taken in`, async () => {
      const { status, output } = await imports(tally.url, fileOf(text), ["--mode=replace"]);
      assert.equal(status, 0, output);
      assert.match(output, new RegExp(`^${posts} posts? imported`, "m"));
    });
  }

  for (const [name, begin, line, end] of [
    ["CSV", "", (n) => `${n},1\n`, ""],
    ["JSON lines", "", (n) => `{"post":"${n}","views":1}\n`, ""],
    ["a JSON object", "{", (n) => `"${n}":1${n < 49_999 ? "," : ""}`, "}"],
  ])
    test(`of 50,000 short posts in ${name} is sent in parts that the Worker takes`, () =>
      alone(async (tally) => {
        const body = begin + Array.from({ length: 50_000 }, (_, n) => line(n)).join("") + end;
        const whole = await request(tally.url, "/import", { method: "POST", headers: { Authorization: `Bearer ${SECRET}` }, body });
        assert.equal(whole.status, 413, whole.body);
        assert.equal(JSON.parse(whole.body).error.code, "too_many_in_import");
        const { status, output } = await imports(tally.url, fileOf(body, "short"));
        assert.equal(status, 0, output);
        assert.equal(sorted(await exported(tally)).length, 50_000);
      }));

  test("that is none, or a file with nothing in it, is refused", async () => {
    const before = sorted(await exported(tally));
    for (const text of [
      "", "\n\n", "{}", '{"posts":[]}', "post,views\n", '{"posts":[{"post":"a","views":1}', '{"posts":[{"post":"a","views":1},]}', '{"a":1,}',
      '{"a":1}}', '{"a":1} x', '{"posts":[{"post":"a","views":1} {"post":"b","views":1}]}', '{"a":1', '{"a":[1]}', Buffer.from('"\xff",5\n', "latin1"),
      `{"${"x".repeat(5 << 20)}":1}`, `"${"x".repeat(5 << 20)}",1`, "[".repeat(1 << 20),
    ]) {
      const { status, output } = await imports(tally.url, fileOf(text), ["--mode=add"]);
      assert.equal(status, 1, `${text.slice(0, 50)}: ${output}`);
      assert.match(output, /^tally: .+/m);
      assert.doesNotMatch(output, /\n {4}at /, "no stack");
    }
    assert.deepEqual(sorted(await exported(tally)), before);
  });

  test("is not taken in without the owner's token, or from a wrong command", async () => {
    const file = fileOf('{"a":1}');
    for (const [args, env, sentence, code] of [
      [[], {}, /ADMIN_TOKEN/, 1], [[], { ADMIN_TOKEN: "wrong" }, /token/i, 1], [["--mode=sum"], undefined, /Allowed choices/, 2],
      [["--format=xml"], undefined, /Allowed choices/, 2], [["--token=x"], undefined, /unknown option/, 2], [["more"], undefined, /too many arguments/, 2],
    ]) {
      const { status, output } = await imports(tally.url, file, args, env);
      assert.equal(status, code);
      assert.match(output, sentence);
    }
    assert.match((await imports(tally.url, undefined)).output, /missing required argument/);
    assert.match((await imports(tally.url, join(folder, "missing"))).output, /cannot be read/);
    assert.match((await imports("http://127.0.0.1:1", file)).output, /does not answer/);
  });

  test("goes to no other host with the token", async () => {
    let isAsked = false;
    const [other, moved] = [
      http.createServer((_, answer) => ((isAsked = true), answer.end())),
      http.createServer((_, answer) => answer.writeHead(307, { Location: `http://127.0.0.1:${other.address().port}/import` }).end()),
    ];
    for (const server of [other, moved]) await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { status, output } = await imports(`http://127.0.0.1:${moved.address().port}`, fileOf('{"a":1}'));
    assert.equal(status, 3);
    assert.match(output, /does not answer as Tally does/);
    assert.equal(isAsked, false);
    for (const server of [other, moved]) server.close();
  });
});
