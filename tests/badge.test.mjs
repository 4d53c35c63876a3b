// GET /badge/{post}.svg, on workerd and in a browser.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { NO_BROWSER, launch } from "./browser.mjs";
import { HOSTILE, ping, until } from "./visitors.mjs";
import { TALLY, request, serve } from "./workerd.mjs";

let tally;
before(async () => (tally = await serve(TALLY, { vars: { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000 } })));
after(() => tally.stop());

const badge = (post, query = "") => `/badge/${encodeURIComponent(post)}.svg${query}`;
const get = (path, headers) => request(tally.url, path, { headers });

test("a badge has the published number", async () => {
  await ping(tally, "142", 1);
  const { body } = await until(() => get(badge("142")), ({ body }) => body.includes("views: 1"));
  assert.match(body, /<title>views: 1<\/title>/);
  assert.match((await get(badge("never-seen"))).body, /<title>views: 0<\/title>/);
});

test("the post is all of the path before .svg", async () => {
  for (const [n, post] of ["/2026/hello", "a.svg", "a/b c", "é"].entries()) {
    await ping(tally, encodeURIComponent(post), n);
    await until(() => get(badge(post)), ({ body }) => body.includes("views: 1"));
    assert.match((await get(badge(post))).body, /views: 1</, post);
  }
  assert.match((await get("/badge//2026/hello.svg")).body, /views: 1</);
});

test("what it is, and that it may be kept as long as any answer", async () => {
  const { status, headers } = await get(badge("142"));
  assert.equal(status, 200);
  assert.equal(headers["content-type"], "image/svg+xml; charset=utf-8");
  assert.equal(headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(headers["cross-origin-resource-policy"], "cross-origin");
  assert.equal(headers["access-control-allow-origin"], "*");
  assert.equal(headers["cache-control"], "public, max-age=1, stale-if-error=86400");
  const unchanged = await get(badge("142"), { "If-None-Match": headers.etag });
  assert.deepEqual([unchanged.status, unchanged.body], [304, ""]);
  const head = await request(tally.url, badge("142"), { method: "HEAD" });
  assert.deepEqual([head.status, head.body], [200, ""]);
});

test("every style is an answer of its own", async () => {
  const queries = ["", "?label=seen", "?color=red", "?label=seen&color=red", "?label=", "?label=a%26b", "?label=a+b"];
  for (const round of [1, 2]) {
    const answers = await Promise.all(queries.map((query) => get(badge("142", query))));
    assert.equal(new Set(answers.map(({ body }) => body)).size, queries.length, `round ${round}`);
    assert.equal(new Set(answers.map(({ headers }) => headers.etag)).size, queries.length);
  }
  // What one was kept as does not do for another.
  const { headers } = await get(badge("142", "?color=red"));
  assert.equal((await get(badge("142"), { "If-None-Match": headers.etag })).status, 200);
  // Nor does anything but the address say what it looks like.
  const plain = await get(badge("142"));
  const told = await get(badge("142"), { Accept: "application/json", "Accept-Language": "de", "X-Forwarded-Host": "evil.example" });
  assert.equal(told.body, plain.body);
});

test("a badge that is none gets a clear error", async () => {
  for (const [path, status, code] of [
    ["/badge/142", 404, "not_found"], ["/badge/", 404, "not_found"], ["/badge/142.png", 404, "not_found"],
    ["/badge/.svg", 400, "invalid_post"], ["/badge/%3Ax.svg", 400, "invalid_post"], ["/badge/%ff.svg", 400, "invalid_encoding"],
    ["/badge/142.svg?color=teal", 400, "invalid_color"], ["/badge/142.svg?color=%22", 400, "invalid_color"],
    [`/badge/142.svg?label=${"a".repeat(101)}`, 400, "invalid_label"], ["/badge/142.svg?label=%00", 400, "invalid_label"],
    ["/badge/142.svg?label=%ff", 400, "invalid_encoding"],
  ]) {
    const { status: got, headers, body } = await get(path);
    assert.equal(got, status, path);
    assert.equal(headers["content-type"], "application/json");
    assert.equal(JSON.parse(body).error.code, code, path);
  }
  const posted = await request(tally.url, badge("142"), { method: "POST" });
  assert.deepEqual([posted.status, posted.headers.allow], [405, "GET, HEAD, OPTIONS"]);
});

test("a browser shows it, and finds nothing in it but text", { skip: NO_BROWSER }, async () => {
  const browser = await launch();
  const page = await browser.newPage();
  page.on("dialog", (dialog) => assert.fail(dialog.message()));
  for (const label of [...HOSTILE, '"><script>alert(1)</script>', "]]>", "<!--", "&lt;"].filter((label) => label.length <= 100)) {
    const url = `${tally.url}${badge("142", `?color=%234c1&label=${encodeURIComponent(label)}`)}`;
    await page.goto(url);
    const found = await page.evaluate(() => ({
      root: document.documentElement.localName,
      title: document.querySelector("title").textContent,
      scripts: document.querySelectorAll("script, parsererror").length,
    }));
    assert.deepEqual(found, { root: "svg", title: `${label}: 1`, scripts: 0 }, label);
  }
  // What Tally answers itself loads nothing.
  await page.route("**/page", (route) => route.fulfill({ contentType: "text/html", body: "" }));
  await page.goto(`${tally.url}/page`);
  const size = await page.evaluate(async (src) => {
    const image = Object.assign(new Image(), { src });
    await image.decode();
    return [image.naturalWidth, image.naturalHeight];
  }, tally.url + badge("142"));
  assert.deepEqual(size, [58, 20]);
  await browser.close();
});
