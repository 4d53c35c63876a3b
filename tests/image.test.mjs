// GET /views/{post}.gif: an image that counts, by the rules of a ping; by hand on the Worker, and as pages without
// a script, feeds and amp-analytics ask for it, in a real browser.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { html, openBlog } from "./blog.mjs";
import { NO_BROWSER } from "./browser.mjs";
import { ping, read, until, visitor } from "./visitors.mjs";
import { ROOT, TALLY, request, serve } from "./workerd.mjs";

const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000 };
const BOT = { "User-Agent": "Googlebot/2.1" };
const GIF = /^GIF89a\x01\0\x01\0/;

/** Asks for an image as the nth visitor. */
const image = ({ url }, path, n, headers = {}, method = "GET") =>
  request(url, `/views/${path}.gif`, { method, headers: { ...visitor(n), ...headers } });

test("an image counts by the rules of a ping", async () => {
  const tally = await serve(TALLY, { vars: VARS });
  try {
    const { status, headers, body } = await image(tally, "142", 1);
    assert.equal(status, 200);
    assert.match(body, GIF);
    assert.equal(headers["content-type"], "image/gif");
    assert.equal(headers["content-length"], "43");
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers["cross-origin-resource-policy"], "cross-origin");
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers.etag, undefined);
    // A repeat, also of a ping; a crawler; a page that is fetched ahead. All get the image.
    for (const [n, more] of [[1, {}], [2, BOT], [3, { "Sec-Purpose": "prefetch" }]]) assert.match((await image(tally, "142", n, more)).body, GIF);
    assert.equal((await ping(tally, "142", 1)).told.reason, "duplicate");
    assert.equal((await image(tally, "142", 4)).status, 200);
    assert.equal((await image(tally, "142", 5, {}, "HEAD")).headers["content-type"], "image/gif");
    assert.deepEqual((await ping(tally, "142", 6)).told, { post: "142", views: 3, counted: true });
    for (let n = 0; n < 2; n++) await image(tally, "142", 7 + n, {}, "GET");
    // With an id it counts once, whoever sends it.
    for (let n = 0; n < 2; n++) await request(tally.url, "/views/142.gif?id=once", { headers: visitor(20 + n) });
    assert.deepEqual((await ping(tally, "142", 6)).told.views, 6);
    // A post that is called so itself.
    await image(tally, "cat.gif", 1);
    assert.deepEqual((await ping(tally, "cat.gif", 2)).told, { post: "cat.gif", views: 2, counted: true });
    const sum = (skipped) => Object.values(skipped).reduce((sum, one) => sum + one);
    const { not_counted: skipped } = await until(() => read(tally, "/stats"), (stats) => sum(stats.not_counted) >= 6);
    assert.deepEqual({ ...skipped }, { ...skipped, duplicate: 4, bot: 1, prefetch: 1, origin: 0, flood: 0 });

    await tally.kv("PUT", "/limit/2");
    const floods = [];
    for (let n = 0; n < 4; n++) floods.push(await image(tally, `flood-${n}`, 9));
    assert.deepEqual(floods.map(({ status }) => status), [200, 200, 429, 429]);
    assert.equal(JSON.parse(floods[3].body).error.code, "flood");
    for (const [path, code] of [["", "invalid_post"], ["%zz", "invalid_encoding"], ["x".repeat(513), "invalid_post"]]) {
      const { status, body } = await image(tally, path, 10);
      assert.deepEqual([status, JSON.parse(body).error.code], [400, code]);
    }
  } finally {
    await tally.stop();
  }
});

test("with ALLOWED_ORIGINS its Referer stands for Origin", async () => {
  const tally = await serve(TALLY, { vars: { ...VARS, ALLOWED_ORIGINS: "https://blog.example" } });
  const site = { "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image" };
  try {
    const counted = ["https://blog.example/", "https://blog.example/2026/hello?x"];
    for (const [n, Referer] of counted.entries()) assert.equal((await image(tally, "a", n, { ...site, Referer })).status, 200, Referer);
    for (const headers of [
      { Referer: "https://evil.example/" }, { Referer: "https://evil.example/https://blog.example/" }, { Referer: "http://blog.example/" },
      { Referer: "https://blog.example@evil.example/" }, { Referer: "https://blog.example.evil.example" },
      { Referer: "https://blog.example/", Origin: "https://evil.example" },
    ]) {
      const { status, body } = await image(tally, "a", 9, { ...site, ...headers });
      assert.deepEqual([status, JSON.parse(body).error.code], [403, "origin"], JSON.stringify(headers));
    }
    const { views } = (await ping(tally, "a", 10, { Origin: "https://blog.example" })).told;
    assert.equal(views, 3);
  } finally {
    await tally.stop();
  }
});

describe("in a browser", { skip: NO_BROWSER }, () => {
  let blog, tally, pages, visit;
  before(async () => {
    if (NO_BROWSER) return;
    blog = await openBlog();
    ({ tally, pages, visit } = blog);
  });
  after(() => blog?.stop());
  const posts = async (wanted) => {
    const views = async () => (await read({ url: tally.direct }, `/views?${wanted.map((post) => `post=${encodeURIComponent(post)}`).join("&")}`)).views;
    return until(views, (views) => Object.values(views).every((count) => count > 0));
  };

  test("the docs' line counts and shows nothing, with and without scripts", async () => {
    const docs = readFileSync(join(ROOT, "docs/embed.md"), "utf8");
    const line = /^<noscript>(<img .*)<\/noscript>$/m.exec(docs)[0].replaceAll("https://tally.you.workers.dev", tally.url);
    pages["/plain"] = () => html("", line.replace(/<\/?noscript>/g, ""));
    const page = await visit("/plain");
    await page.waitForFunction(() => document.images[0].complete);
    const { width, height, naturalWidth } = await page.$eval("img", ({ width, height, naturalWidth }) => ({ width, height, naturalWidth }));
    assert.deepEqual({ width, height, naturalWidth }, { width: 1, height: 1, naturalWidth: 1 });
    assert.deepEqual(await posts(["142"]), { 142: 1 });
    const { headers } = tally.raw()[0];
    assert.deepEqual([headers.origin, headers.referer], [undefined, `${blog.url}/`]);
    // In a page with scripts it is not asked for.
    await blog.forget();
    pages["/scripted"] = () => html("", line);
    await (await visit("/scripted")).waitForLoadState("networkidle");
    assert.deepEqual(tally.asked(), []);
  });

  test("the recipe for AMP counts with what amp-analytics requests", async () => {
    const docs = readFileSync(join(ROOT, "docs/embed.md"), "utf8");
    const config = JSON.parse(/<amp-analytics>\s*<script type="application\/json">([^]*?)<\/script>/.exec(docs)[1]);
    assert.deepEqual(config.transport, { beacon: false, xhrpost: false, image: true });
    for (const trigger of Object.values(config.triggers)) assert.equal(trigger.on, "visible");
    for (const [path, post] of [["/2026/hello/", "/2026/hello"], ["/caf%C3%A9/%E6%97%A5", "/café/日"], ["/", "/"]]) {
      await blog.forget();
      pages["/amp"] = () => html(`<link rel="canonical" href="${blog.url}${path}">`);
      const page = await visit("/amp");
      // What amp-analytics does with such a request: variables are put in percent-encoded, an Image is given the address.
      await page.evaluate((request) => {
        const { pathname } = new URL(document.querySelector("link[rel=canonical]").href);
        const image = new Image();
        image.width = image.height = 1;
        image.src = request.replace("${canonicalPath}", encodeURIComponent(pathname));
        return image.decode();
      }, config.requests.pageview.replace("https://tally.you.workers.dev", tally.url));
      assert.deepEqual(await posts([post]), { [post]: 1 });
    }
  });
});
