// The counter over HTTP: like the JavaScript example byte for byte, and what Tally adds.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { EXAMPLE, TALLY, request, serve } from "./workerd.mjs";

const MAX = Number.MAX_SAFE_INTEGER;
let tally, example;
before(async () => {
  [tally, example] = await Promise.all([serve(TALLY), serve(EXAMPLE)]);
});
after(() => Promise.all([tally.stop(), example.stop()]));

const send = (path, options) => request(tally.url, path, options);
const body = async (path, options) => (await send(path, options)).body;

describe("like the JavaScript example", () => {
  const names = [
    "A", "a", "%41", "%C3%A9", "é", "%F0%9F%A6%80", "%E8%AE%A1%E6%95%B0", "%D8%B9%D8%AF%D8%A7%D8%AF",
    "a+b", "a%2Bb", "a%20b", "%00", "%0A", "%FF", "%E0%A4%A", "%", "%zz", "%EF%BB%BFbom", "a=b", "a;b",
    "'", "%22", "%5C", "<script>", "__proto__", "constructor", "..", "0", "false", "null", "x".repeat(1024),
  ];
  const queries = [
    "", "?", "?name", "?name=", "?name=&name=A", "?NAME=A", "?other=A", "?&&", "?=A",
    ...names.map((name) => `?name=${name}`),
    "?name=B&name=C", "?other=1&name=D&other=2", "?n%61me=E", "?+name=F", "?name=G#fragment", "?name=H?name=I",
  ];
  const paths = [
    "/", "/increment", "/decrement", "/increment/", "//increment", "/Increment", "/x", "/increment/x",
    "/./increment", "/x/../increment", "/../decrement", "/increment/..", "/%2e/increment", "/%2E%2e/increment",
    "/%69ncrement", "/increment%20", "/...", "/.increment", "/x/%2e%2e/decrement", "/\\increment", "/increment;x",
  ];

  for (const method of ["GET", "POST"]) {
    for (const path of paths) {
      test(`${method} ${path}`, async () => {
        for (const query of queries) {
          const target = path + query;
          const [ours, theirs] = await Promise.all(
            [tally, example].map(({ url }) => request(url, target, { method })),
          );
          assert.equal(ours.body, theirs.body, target);
          assert.equal(ours.status, theirs.status, target);
          assert.equal(ours.headers["content-type"], theirs.headers["content-type"], target);
        }
      });
    }
  }
});

test("the messages themselves", async () => {
  const usage =
    "Select a Durable Object to contact by using the `name` URL query string parameter, for example, ?name=A";
  assert.equal(await body("/"), usage);
  assert.equal(await body("/nowhere"), usage);
  assert.equal(await body("/nowhere?name=A"), "Not found");
  assert.equal(await body("/increment?name=words"), "Durable Object 'words' count: 1");
  assert.equal(await body("/decrement?name=words"), "Durable Object 'words' count: 0");
  assert.equal(await body("/decrement?name=words"), "Durable Object 'words' count: -1");
  assert.equal(await body("/?name=words"), "Durable Object 'words' count: -1");
});

test("an amount is an integer, or changes nothing", async () => {
  assert.equal(await body("/increment?name=amount&amount=5"), "Durable Object 'amount' count: 5");
  assert.equal(await body("/decrement?name=amount&amount=7"), "Durable Object 'amount' count: -2");
  assert.equal(await body("/increment?name=amount&amount=-3"), "Durable Object 'amount' count: -5");
  assert.equal(await body("/increment?name=amount&amount=0"), "Durable Object 'amount' count: -5");
  for (const amount of ["", "x", "1.5", "1e3", "NaN", "Infinity", "+1", "0x1", "9007199254740992", "9".repeat(5000)]) {
    for (const path of ["/increment", "/decrement"]) {
      const { status, body: reason } = await send(`${path}?name=amount&amount=${amount}`);
      assert.equal(status, 400, amount);
      assert.equal(reason, `An amount is an integer from -${MAX} to ${MAX}`);
    }
  }
  assert.equal(await body("/?name=amount"), "Durable Object 'amount' count: -5");
});

test("a count stays within what a number holds exactly", async () => {
  assert.equal(await body(`/increment?name=max&amount=${MAX}`), `Durable Object 'max' count: ${MAX}`);
  const refused = await send("/increment?name=max");
  assert.equal(refused.status, 409);
  assert.equal(refused.body, `The count would leave -${MAX} to ${MAX}; it is unchanged`);
  assert.equal(await body("/?name=max"), `Durable Object 'max' count: ${MAX}`);
  assert.equal(await body("/decrement?name=max"), `Durable Object 'max' count: ${MAX - 1}`);
  await send(`/decrement?name=min&amount=${MAX}`);
  assert.equal((await send("/decrement?name=min")).status, 409);
  assert.equal(await body("/?name=min"), `Durable Object 'min' count: ${-MAX}`);
});

test("a name has at most 1,024 bytes", async () => {
  const longest = "é".repeat(512);
  const encoded = encodeURIComponent(longest);
  assert.equal(await body(`/increment?name=${encoded}`), `Durable Object '${longest}' count: 1`);
  const { status, body: reason } = await send(`/increment?name=${encoded}x`);
  assert.equal(status, 400);
  assert.equal(reason, "A name has at most 1024 bytes");
});

test("JSON for those who accept it", async () => {
  const headers = { Accept: "application/json" };
  const counted = await send("/increment?name=json%22%5C", { headers });
  assert.equal(counted.headers["content-type"], "application/json");
  assert.equal(counted.body, '{"name":"json\\"\\\\","count":1}');
  const refused = await send("/increment?name=json&amount=x", { headers });
  assert.equal(refused.status, 400);
  assert.deepEqual(JSON.parse(refused.body), {
    error: { code: "invalid_amount", message: `An amount is an integer from -${MAX} to ${MAX}` },
  });
  const browser = { Accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };
  assert.match(await body("/?name=json", { headers: browser }), /^Durable Object/);
});

test("nothing may be kept by a cache", async () => {
  for (const path of ["/", "/?name=A", "/increment?name=cache", "/x?name=A", "/increment?name=A&amount=x"]) {
    assert.equal((await send(path)).headers["cache-control"], "no-store", path);
  }
});

test("HEAD answers without counting", async () => {
  await send("/increment?name=head");
  for (const path of ["/increment?name=head", "/decrement?name=head&amount=5", "/?name=head", "/"]) {
    const { status, headers, body: nothing } = await send(path, { method: "HEAD" });
    assert.equal(status, 200, path);
    assert.equal(nothing, "");
    assert.equal(headers["cache-control"], "no-store");
  }
  assert.equal((await send("/x?name=head", { method: "HEAD" })).status, 404);
  assert.equal((await send("/increment?name=head&amount=x", { method: "HEAD" })).status, 400);
  assert.equal(await body("/?name=head"), "Durable Object 'head' count: 1");
});

test("other methods are refused", async () => {
  for (const method of ["PUT", "DELETE", "PATCH", "OPTIONS"]) {
    for (const path of ["/", "/increment?name=method", "/x?name=method"]) {
      const { status, headers } = await send(path, { method });
      assert.equal(status, 405, `${method} ${path}`);
      assert.equal(headers.allow, "GET, HEAD, POST");
    }
  }
  assert.equal(await body("/?name=method"), "Durable Object 'method' count: 0");
});

test("no request is too odd for an answer", async () => {
  const odd = ["/?" + "a&".repeat(5000), "/" + "../".repeat(2000), "/?name=" + "%F0".repeat(4000), "/increment?name=A&amount=" + "%00".repeat(1000)];
  for (const path of odd) {
    const { status } = await send(path);
    assert.ok(status < 500, `${status} for ${path.slice(0, 40)}`);
  }
});
