// What only the owner may: set and delete a post's views, export everything and import it again.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { HOSTILE, ping, read, until } from "./visitors.mjs";
import { TALLY, request, serve } from "./workerd.mjs";

const SECRET = "correct horse battery staple-9f8e7d6c";
const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000, DEDUPE_SECONDS: 0, ADMIN_TOKEN: SECRET };
const MAX = Number.MAX_SAFE_INTEGER;
const FORMATS = ["json", "ndjson", "csv"];

/** Sends a request as the owner. */
const own = ({ url }, method, path, body, headers = {}) =>
  request(url, path, { method, body, headers: { Authorization: `Bearer ${SECRET}`, ...headers } });

/** Every record, by post. */
async function records(tally) {
  const { posts } = JSON.parse((await own(tally, "GET", "/export")).body);
  return new Map(posts.map(({ post, ...record }) => [post, record]));
}

const totals = async (tally) => Object.fromEntries([...(await records(tally))].map(([post, { views }]) => [post, views]));

/** Imports, and answers how many posts that were. */
async function imports(tally, query, body) {
  const { status, body: answer } = await own(tally, "POST", `/import?${query}`, body);
  assert.equal(status, 200, answer);
  return JSON.parse(answer).posts;
}

async function refuses(sent, status, code) {
  const answer = await sent;
  assert.equal(answer.status, status, answer.body);
  const { error } = JSON.parse(answer.body);
  assert.equal(error.code, code);
  return error.message;
}

async function alone(vars, work) {
  const tally = await serve(TALLY, { vars: { ...VARS, ...vars } });
  try {
    return await work(tally);
  } finally {
    await tally.stop();
  }
}

const ROUTES = [
  ["PUT", "/views/142", "10"], ["DELETE", "/views/142"], ["GET", "/export"], ["POST", "/import", '{"142":"2"}'],
  // What is wrong with a request is told to the owner only.
  ["PUT", "/views/%00", "10"], ["GET", "/export?format=xml"], ["POST", "/import?mode=sum", "{}"],
];

test("every other token is refused, all alike, and none is told in the log", () =>
  alone({}, async (tally) => {
    await ping(tally, "142", 1);
    const secrets = [
      {}, "", "Bearer", "Bearer ", `Bearer ${SECRET}x`, `Bearer ${SECRET.slice(0, -1)}`, `Bearer x${SECRET}`,
      `Bearer ${SECRET.toUpperCase()}`, `Bearer ${SECRET} ${SECRET}`, `Basic ${SECRET}`, SECRET, `Token ${SECRET}`,
      `Basic ${Buffer.from(`admin:${SECRET}`).toString("base64")}`, "Bearer null", "Bearer undefined",
    ];
    const answers = [];
    for (const [method, path, body] of ROUTES) {
      for (const secret of secrets) {
        const headers = typeof secret === "string" ? { Authorization: secret } : secret;
        answers.push(await request(tally.url, path, { method, body, headers }));
      }
      for (const key of ["token", "ADMIN_TOKEN", "access_token", "authorization"]) {
        const query = `${path.includes("?") ? "&" : "?"}${key}=${encodeURIComponent(SECRET)}`;
        answers.push(await request(tally.url, path + query, { method, body }));
      }
      answers.push(await request(tally.url, path, { method, body, headers: { "X-Admin-Token": SECRET, Cookie: `ADMIN_TOKEN=${SECRET}` } }));
    }
    assert.equal(answers.length, ROUTES.length * 20);
    for (const { status, headers, body } of answers) {
      assert.equal(status, 401);
      assert.match(headers["www-authenticate"], /^Bearer/);
      assert.equal(headers["cache-control"], "no-store");
      assert.equal(body, answers[0].body);
    }
    assert.equal(JSON.parse(answers[0].body).error.code, "unauthorized");
    assert.deepEqual(await totals(tally), { 142: 1 });
    assert.ok(!tally.log().includes(SECRET) && !answers.some(({ body }) => body.includes(SECRET)));
  }));

for (const [name, vars] of [["an unset", { ADMIN_TOKEN: undefined }], ["an empty", { ADMIN_TOKEN: "" }]]) {
  test(`with ${name} ADMIN_TOKEN there is no owner`, async () => {
    const { ADMIN_TOKEN, ...others } = { ...VARS, ...vars };
    const tally = await serve(TALLY, { vars: ADMIN_TOKEN === undefined ? others : { ...others, ADMIN_TOKEN } });
    try {
      for (const [method, path, body] of ROUTES) {
        for (const headers of [{}, { Authorization: "Bearer " }, { Authorization: `Bearer ${SECRET}` }, { Authorization: "Bearer undefined" }]) {
          await refuses(request(tally.url, path, { method, body, headers }), 404, "not_found");
        }
      }
      assert.equal((await ping(tally, "142", 1)).told.views, 1);
    } finally {
      await tally.stop();
    }
  });
}

describe("one post", () => {
  let tally;
  before(async () => (tally = await serve(TALLY, { vars: VARS })));
  after(() => tally.stop());

  test("is set to a count, from which pings continue", async () => {
    for (const [body, views] of [["10", 10], ['{"views":10}', 10], ['{"views":"7"}', 7], [" 12\n", 12], [`${MAX - 1}`, MAX - 1]]) {
      const answer = await own(tally, "PUT", "/views/set", body);
      assert.equal(answer.status, 200);
      assert.deepEqual(JSON.parse(answer.body), { post: "set", views });
      assert.equal((await ping(tally, "set", 1)).told.views, views + 1);
    }
    // The greatest count that is exact stays.
    assert.equal((await ping(tally, "set", 1)).told.views, MAX);
    await own(tally, "PUT", "/views/set", "3");
    assert.deepEqual(await until(() => read(tally, "/views/set"), ({ views }) => views === 3), { post: "set", views: 3 });
    const { entries } = await until(() => tally.kv(), ({ entries }) => entries.set === "3");
    assert.equal(entries.set, "3");
  });

  test("is not set to what is not a count", async () => {
    await own(tally, "PUT", "/views/kept", "5");
    const bodies = ["-1", "1.5", "abc", "", `${MAX + 1}`, "9".repeat(100), "1e3", "NaN", "null", "[1]", "{}", '{"views":-1}',
      '{"views":1.5}', '{"views":null}', '{"views":9007199254740992}', '{"views":[1]}', '{"views":', "1 2", "\0"];
    for (const body of bodies) await refuses(own(tally, "PUT", "/views/kept", body), 400, "invalid_count");
    await refuses(own(tally, "PUT", "/views/kept", Buffer.from([0xff, 0xfe])), 400, "invalid_encoding");
    await refuses(own(tally, "PUT", "/views/kept", "1".padEnd(2000)), 413, "body_too_large");
    await refuses(own(tally, "PUT", "/views/kept", "1".padEnd(2000), { "Transfer-Encoding": "chunked" }), 413, "body_too_large");
    for (const path of ["/views/", "/views/%00", "/views/:head"]) {
      await refuses(own(tally, "PUT", path, "1"), 400, "invalid_post");
      await refuses(own(tally, "DELETE", path), 400, "invalid_post");
    }
    assert.equal((await ping(tally, "kept", 1)).told.views, 6);
  });

  test("is deleted from the ledger, from Workers KV and from the top list", async () => {
    for (const _ of "abc") await ping(tally, "gone", 1);
    await until(() => tally.kv(), ({ entries }) => entries.gone === "3");
    const before = await until(() => read(tally, "/top?limit=100"), ({ posts }) => posts.some(({ post }) => post === "gone"));
    assert.deepEqual(before.posts.find(({ post }) => post === "gone"), { post: "gone", views: 3 });
    assert.equal((await own(tally, "DELETE", "/views/gone")).status, 200);
    assert.equal((await records(tally)).has("gone"), false);
    const after = await until(() => read(tally, "/top?limit=100"), ({ posts }) => posts.length === before.posts.length - 1);
    assert.deepEqual(after.posts, before.posts.filter(({ post }) => post !== "gone"));
    const { entries } = await until(() => tally.kv(), ({ entries }) => !("gone" in entries));
    assert.equal("gone" in entries, false);
    assert.deepEqual(await read(tally, "/views/gone"), { post: "gone", views: 0 });
    assert.equal((await own(tally, "DELETE", "/views/gone")).status, 200);
    assert.equal((await ping(tally, "gone", 2)).told.views, 1);
  });
});

describe("an export", () => {
  const others = Array.from({ length: 450 }, (_, i) => ({ post: `post-${i}`, views: 1 + (i % 40) }));
  const hour = (ago) => new Date(Date.now() - ago * 3_600_000).toISOString();
  let tally;
  before(async () => {
    tally = await serve(TALLY, { vars: VARS });
    others[0].hours = { [hour(20).slice(0, 13)]: 1 };
    others[39] = { post: "month", views: 99, days: { [hour(24 * 9).slice(0, 10)]: 30 } };
    assert.equal(await imports(tally, "format=ndjson", others.map((line) => JSON.stringify(line)).join("\n")), 450);
    await Promise.all(HOSTILE.flatMap((post, i) => "abc".slice(i % 3).split("").map(() => ping(tally, encodeURIComponent(post), 1))));
  });
  after(() => tally.stop());

  const tops = (of) => Promise.all(["all", "day", "week", "month"].map((period) => read(of, `/top?limit=100&period=${period}`)));

  for (const format of FORMATS) {
    test(`in ${format}, imported into an empty Tally, gives the same counts and windows in every mode`, async () => {
      const { status, headers, body } = await own(tally, "GET", `/export?format=${format}`);
      assert.equal(status, 200);
      assert.match(headers["content-type"], { json: /^application\/json/, ndjson: /ndjson/, csv: /^text\/csv/ }[format]);
      assert.equal(headers["cache-control"], "private, no-store");
      const expected = await records(tally);
      assert.equal(expected.size, 450 + HOSTILE.length);
      for (const mode of ["add", "replace", "max"]) {
        await alone({}, async (copy) => {
          // The format is told, or seen.
          const query = mode === "add" ? "mode=add" : `mode=${mode}&format=${format}`;
          assert.equal(await imports(copy, query, body), expected.size);
          assert.deepEqual(await records(copy), expected);
          const sorted = (text) => text.split("\n").map((line) => line.replace(/,$/, "")).sort();
          assert.deepEqual(sorted((await own(copy, "GET", `/export?format=${format}`)).body), sorted(body));
          if (mode !== "add") return;
          const views = [...expected.values()].reduce((sum, { views }) => sum + views, 0);
          for (const of of [tally, copy]) await until(() => read(of, "/stats"), (stats) => stats.views === views);
          assert.deepEqual(await tops(copy), await tops(tally));
          assert.deepEqual(await read(copy, "/history"), await read(tally, "/history"));
        });
      }
    });
  }

  test("has views by hour and by day", async () => {
    const record = (await records(tally)).get("=1+1");
    const sum = (views) => Object.values(views).reduce((a, b) => a + b);
    assert.equal(sum(record.hours), record.views);
    assert.equal(sum(record.days), record.views);
    assert.equal((await tops(tally))[3].posts[0].post, "month");
  });

  test("in CSV has no cell that a spreadsheet would take for a formula", async () => {
    const { body, headers } = await own(tally, "GET", "/export?format=csv");
    assert.match(headers["content-disposition"], /^attachment/);
    const [head, ...lines] = body.trimEnd().split("\r\n");
    assert.equal(head, "post,views,hours,days");
    assert.equal(lines.length, 450 + HOSTILE.length);
    const formulas = HOSTILE.filter((post) => /^[=+\-@]/.test(post));
    assert.ok(formulas.length >= 5);
    for (const post of formulas) assert.ok(lines.some((line) => line.startsWith(`"'${post}",`)), post);
    for (const line of lines) assert.match(line, /^"(?![=+\-@\t\r])(?:[^"]|"")+",\d+,[\d:T -]*,[\d: -]*$/);
  });
});

describe("an import", () => {
  test("adds, replaces or keeps the greater, and takes the tutorial's entries", () =>
    alone({}, async (tally) => {
      const tutorial = '{"142":"2","143":8,"posts":"5"}';
      assert.equal(await imports(tally, "", tutorial), 3);
      assert.deepEqual(await totals(tally), { 142: 2, 143: 8, posts: 5 });
      await imports(tally, "mode=max", tutorial);
      await imports(tally, "mode=max", '{"142":1,"143":9}');
      assert.deepEqual(await totals(tally), { 142: 2, 143: 9, posts: 5 });
      await imports(tally, "mode=add", tutorial);
      assert.deepEqual(await totals(tally), { 142: 4, 143: 17, posts: 10 });
      await imports(tally, "mode=replace", '{"142":"1"}');
      assert.deepEqual(await totals(tally), { 142: 1, 143: 17, posts: 10 });
      assert.equal((await ping(tally, "142", 1)).told.views, 2);
      const { body } = await own(tally, "GET", "/export?format=csv");
      const once = await records(tally);
      await imports(tally, "mode=max", body);
      assert.deepEqual(await records(tally), once);
      await imports(tally, "mode=add&format=csv", body);
      assert.deepEqual(await totals(tally), { 142: 4, 143: 34, posts: 20 });
      const [[, views]] = Object.entries((await records(tally)).get("142").hours);
      assert.equal(views, 2);
      assert.equal((await until(() => read(tally, "/stats"), ({ views }) => views === 58)).views, 58);
    }));

  const objects = [
    '{"post":"x","views":-1}', '{"post":"x","views":1.5}', '{"post":"x","views":"abc"}', '{"post":"x"}', '{"views":1}',
    '{"post":":x","views":1}', '{"post":"","views":1}', '{"post":5,"views":1}', '{"post":"x","views":9007199254740992}',
    '{"post":"x","views":1,"hours":{"yesterday":1}}', '{"post":"x","views":1,"days":{"2026-02-30":1}}',
    '{"post":"x","views":1,"days":{"2026-11-20":-1}}', '{"post":"x","views":1,"more":1}', "nonsense", "[1]", '["x",1]',
    `{"post":"${"x".repeat(513)}","views":1}`, '{"post":"x\\u0000","views":1}',
  ];
  const rows = [
    "x,-1,,", "x,1.5,,", "x,abc,,", "x", "x,,,", ",1,,", ":x,1,,", "x,9007199254740992,,", "x,1,yesterday:1,", "x,1,,2026-02-30:1",
    "x,1,,2026-11-20:-1", "x,1,,,more", "nonsense", `${"x".repeat(513)},1,,`, "x\0,1,,",
  ];
  const object = '{"post":"b","views":2}';
  // The third line is bad, or good.
  const files = [
    ["JSON", "json", objects, object, (line) => `{"posts":[\n{"post":"a","views":9},\n${line},\n{"post":"c","views":1}\n]}`],
    ["NDJSON", "ndjson", objects, object, (line) => `{"post":"a","views":9}\n{"post":"c","views":1}\n${line}\n`],
    ["NDJSON with an empty line", "ndjson", objects, object, (line) => `{"post":"a","views":9}\n\n${line}\n`],
    ["CSV", "csv", rows, "b,2,,", (line) => `post,views,hours,days\r\na,9,,\r\n${line}\r\nc,1,,\r\n`],
    ["CSV as an editor saves it", "csv", rows, "b,2,,", (line) => `\ufeffpost,views,hours,days\na,9,,\n${line}\nc,1,,`],
    ["CSV with an empty line", "csv", rows, "b,2,,", (line) => `a,9,,\n\n${line}\nc,1,,\n`],
  ];
  for (const [name, format, bad, good, file] of files) {
    test(`of ${name} is refused by the number of its bad line, and nothing of it is applied`, () =>
      alone({}, async (tally) => {
        await imports(tally, "", '{"a":1,"b":2}');
        const before = (await own(tally, "GET", "/export")).body;
        for (const line of bad) {
          for (const mode of ["add", "replace", "max"]) {
            const message = await refuses(own(tally, "POST", `/import?mode=${mode}&format=${format}`, file(line)), 400, "invalid_import");
            assert.match(message, /\b3\b/, line);
          }
        }
        assert.equal((await own(tally, "GET", "/export")).body, before);
        assert.ok((await imports(tally, `mode=max&format=${format}`, file(good))) >= 2);
        assert.equal((await totals(tally)).a, 9);
      }));
  }

  test("that is none at all is refused, and nothing is applied", () =>
    alone({}, async (tally) => {
      await imports(tally, "", '{"a":1}');
      const send = (query, body, headers) => own(tally, "POST", `/import?${query}`, body, headers);
      for (const mode of ["", "sum", "ADD"]) await refuses(send(`mode=${mode}`, '{"a":5}'), 400, "invalid_mode");
      for (const format of ["", "xml", "JSON"]) {
        await refuses(send(`format=${format}`, '{"a":5}'), 400, "invalid_format");
        await refuses(own(tally, "GET", `/export?format=${format}`), 400, "invalid_format");
      }
      await refuses(send("mode=add", Buffer.from('{"\xff":5}', "latin1")), 400, "invalid_encoding");
      const deep = 200_000;
      for (const body of ["[".repeat(deep), '{"a":'.repeat(deep), `{"posts":${"[".repeat(deep)}`, "{", "{}}", '{"a":5', '{"a":null}', '{"a":{"views":5}}']) {
        await refuses(send("mode=add&format=json", body), 400, "invalid_import");
      }
      const large = Buffer.alloc((4 << 20) + 1, " ");
      large.write('{"a":5}');
      // It is told by its length, and not read.
      await refuses(send("mode=add", undefined, { "Content-Length": large.length, Connection: "close" }), 413, "body_too_large");
      await refuses(send("mode=add", large, { "Transfer-Encoding": "chunked" }), 413, "body_too_large");
      assert.deepEqual(await totals(tally), { a: 1 });
      assert.equal(await imports(tally, "mode=add", large.subarray(0, 4 << 20)), 1);
      assert.deepEqual(await totals(tally), { a: 6 });
      assert.doesNotMatch(tally.log(), /panicked/);
      assert.ok(!tally.log().includes(SECRET));
    }));
});
