// The script of a list of the most viewed posts, in a real browser: /top.js. And both scripts under the
// strict policy of docs/embed.md.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { PUBLIC } from "../tools/shell.mjs";
import { FAILURES, USER_AGENT, html, numbers, openBlog } from "./blog.mjs";
import { NO_BROWSER } from "./browser.mjs";
import { until } from "./visitors.mjs";
import { ROOT, request } from "./workerd.mjs";

const skip = NO_BROWSER;
let blog, tally, pages, visit, pinged, set;
before(async () => {
  if (NO_BROWSER) return;
  blog = await openBlog();
  ({ tally, pages, visit, pinged, set } = blog);
});
beforeEach(() => blog?.forget());
after(() => blog?.stop());

test("the script is small", () => {
  const bytes = (file) => gzipSync(readFileSync(join(PUBLIC, file))).length;
  assert.ok(bytes("top.js") <= 450, `${bytes("top.js")} bytes`);
  assert.ok(bytes("top.js.rest.js") <= 1200, `${bytes("top.js.rest.js")} bytes`);
});

test("a list is filled with links to the most viewed posts", { skip }, async () => {
  await blog.clear();
  const posts = { "/a/long-story": 500_000, 'x"><script>alert(1)</script>': 490_000, 142: 480_000, "javascript:alert(1)": 470_000, "//evil.example/x": 460_000, "/caf\u00e9/b_c": 450_000, "/card": 440_000, "/": 430_000, "/constructor": 420_000, constructor: 410_000, undefined: 400_000, "/labelled": 390_000, "/last": 380_000, "/too-many": 370_000 };
  for (const [post, views] of Object.entries(posts)) await set(post, views);
  const list = `<script async src="${tally.url}/top.js"></script><ol data-top-views="7"><li>…</li></ol>`;
  const links =
    '<a href="/a/long-story/#main">Skip</a> <a href="/card/?x"><h2> The\n title </h2>and an excerpt</a> <a href="/">Home</a> <map><area href="/a/long-story/"></map> ' +
    '<a href="/named/" data-post="142">The <b>142nd</b></a> <a href="/a/long-story/?ref"></a> <a href="/a/long-story/index.html">A &lt;long&gt; story</a> ' +
    '<a href="/caf%c3%a9/b_c">Café</a> <a href="/caf%E9">Broken</a> <a href="http://evil.example/constructor">Evil</a> <a href="javascript://blog.example/constructor?%0aalert(1)">Evil</a> ' +
    '<a href="/labelled" aria-label="The label"><img alt="">More</a> <a href="/last/">The last</a> <a href="/too-many">Too many</a> <img name="currentScript" src="http://evil.example/">';
  pages["/home"] = () => html("", list + links, "de");
  const page = await visit("/home");
  page.on("dialog", () => assert.fail("alert"));
  const entries = () => page.$$eval("li", (all) => all.map((one) => [one.textContent, one.querySelector("a")?.href]));
  const found = await until(entries, (all) => all.length > 1);
  assert.deepEqual(found, [
    ["A <long> story 500.000", `${blog.url}/a/long-story/index.html`],
    ["The 142nd 480.000", `${blog.url}/named/`],
    ["Café 450.000", `${blog.url}/caf%c3%a9/b_c`],
    ["The\n title 440.000", `${blog.url}/card/?x`],
    ["Home 430.000", `${blog.url}/`],
    ["The label 390.000", `${blog.url}/labelled`],
    ["The last 380.000", `${blog.url}/last/`],
  ]);
  assert.equal(await page.$$eval("li.tally-post > a.tally-link + span.tally-views", (all) => all.length), 7);
  assert.deepEqual(tally.asked(), ["GET /top?limit=100&period=all"]);
  assert.deepEqual(page.errors, []);
});

test("lists have periods and lengths of their own, and stay as they are where they cannot be had", { skip }, async () => {
  await blog.clear();
  await set("/only/set", 1_000_000);
  for (const post of ["%2Fseen%2Fa", "%2Fseen%2Fb"]) await request(tally.direct, `/views/${post}`, { method: "POST", headers: { "User-Agent": USER_AGENT } });
  await until(async () => (await request(tally.direct, "/top?period=day")).body, (body) => body.includes("/seen/b"));
  const list = (attributes) => `<ul ${attributes}><li>…</li></ul>`;
  pages["/lists"] = () =>
    html(
      `<script async src="${tally.url}/top.js"></script>`,
      list('data-top-views="1"') + list('data-top-views data-period="day"') + list('data-top-views="1000" data-period="year"') + '<a href="/only/set">Set</a> <a href="/seen/a">A</a> <a href="/seen/b">B</a>',
    );
  const page = await visit("/lists");
  const lengths = () => page.$$eval("ul", (all) => all.map((one) => one.querySelectorAll("a").length));
  const [one, ten, none] = await until(lengths, ([one, ten]) => one && ten);
  assert.deepEqual([one, none], [1, 0]);
  assert.ok(ten > 1 && ten <= 10, `${ten}`);
  assert.deepEqual(tally.asked().sort(), ["all", "day", "year"].map((period) => `GET /top?limit=100&period=${period}`));
  for (const [what, fail] of Object.entries(FAILURES)) {
    tally.forget(fail);
    // A new reader: the last one's browser has kept the list.
    const page = await visit("/lists");
    // Chromium itself asks again where a connection breaks.
    const asked = await until(() => new Set(tally.asked()), (requests) => requests.size === 3);
    assert.equal(asked.size, 3, what);
    await sleep(50);
    assert.deepEqual(await page.$$eval("li", (items) => items.map((item) => item.textContent)), ["…", "…", "…"], what);
    assert.deepEqual(page.errors, [], what);
  }
});

/** Has Tally tell of these posts. */
const tell = (posts) => tally.forget((response) => response.writeHead(200, { "Access-Control-Allow-Origin": "*" }).end(JSON.stringify({ period: "all", posts })));
const entries = (page) => page.$$eval("li", (all) => all.map((one) => [one.textContent, one.querySelector("a")?.href]));

test("titles and addresses are those that Tally has from the site, and are text", { skip }, async () => {
  tell([
    { post: "142", views: 9, title: "Hello <b>&amp;</b>", url: "https://blog.example/2026/hello/" },
    { post: "143", views: 8, title: "<img src=x onerror=alert(1)>", url: "http://blog.example/x?a=b" },
    ...["javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "//evil.example/", "/relative", "https:evil", "", null, 7, {}, ["https://blog.example/"]].map((url, n) => ({ post: `bad-${n}`, views: 7, title: "Bad", url })),
    ...["", null, undefined].map((title, n) => ({ post: `none-${n}`, views: 6, title, url: "https://blog.example/" })),
    { post: "/linked", views: 5 },
  ]);
  pages["/home"] = () => html(`<script async src="${tally.url}/top.js"></script>`, '<ol data-top-views="5"><li>…</li></ol><a href="/linked">Linked</a>');
  const page = await visit("/home");
  page.on("dialog", () => assert.fail("alert"));
  assert.deepEqual(await until(() => entries(page), (all) => all.length > 1), [
    ["Hello <b>&amp;</b> 9", "https://blog.example/2026/hello/"],
    ["<img src=x onerror=alert(1)> 8", "http://blog.example/x?a=b"],
    ["Linked 5", `${blog.url}/linked`],
  ]);
  assert.equal(await page.$$eval("ol img, ol b", (all) => all.length), 0);
  assert.deepEqual(page.errors, []);
});

test("as many as were asked for, from the site's own feeds and sitemaps where the page links to too few", { skip }, async () => {
  const xml = (body) => ({ body: `<?xml version="1.0"?>${body}`, headers: { "Content-Type": "application/xml" } });
  tell(["/linked", "/rss", "/café", "/stranger", "/atom", "/untitled", "/news", "/late"].map((post, n) => ({ post, views: 9 - n })));
  let asked = [];
  const feeds = {
    "/rss.xml": `<rss xmlns:a="http://www.w3.org/2005/Atom"><channel><title>Blog</title><link>/</link>
      <item><title>In RSS &amp; &lt;b&gt;</title><link> ${blog.url}/rss/ </link></item>
      <item><title>Caf\u00e9</title><link>${blog.url}/caf%c3%a9/index.html</link></item><item><link>${blog.url}/untitled</link></item>
      <item><title>Not ours</title><link>http://evil.example/stranger</link></item><item><title>Broken</title><link>http://[</link></item></channel></rss>`,
    "/atom.xml": `<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>In Atom</title><link rel="self" href="/self"/><link rel="alternate" href="${blog.url}/atom"/></entry></feed>`,
    "/sitemap.xml": `<urlset xmlns:n="http://www.google.com/schemas/sitemap-news/0.9"><url><loc>${blog.url}/news</loc><n:news><n:title>In the news</n:title></n:news></url></urlset>`,
  };
  for (const [path, body] of Object.entries(feeds)) pages[path] = () => (asked.push(path), xml(body));
  const named =
    '<link rel="alternate" type="application/rss+xml" href="/rss.xml"><link rel="icon" type="image/svg+xml" href="/icon.svg">' +
    '<link rel="alternate" type="application/atom+xml" href="/atom.xml"><link rel="sitemap" href="/sitemap.xml"><link rel="sitemap" href="/more.xml">';
  const page = (count) => html(`${named}<script async src="${tally.url}/top.js"></script>`, `<ul data-top-views="${count}"></ul><a href="/linked">Linked</a>`);
  const wanted = ["Linked 9", "In RSS & <b> 8", "Café 7", "In Atom 5", "In the news 3"];
  for (const [count, read] of [[1, []], [3, ["/rss.xml"]], [10, Object.keys(feeds)]]) {
    asked = [];
    pages["/home"] = () => page(count);
    const opened = visit("/home");
    const shown = await until(async () => entries(await opened), (all) => all.length >= Math.min(count, 5));
    assert.deepEqual(shown.map(([text]) => text), wanted.slice(0, count));
    assert.deepEqual(asked, read, `${count}`);
  }
});

test("a list that a single-page site shows later is filled, and once", { skip }, async () => {
  await set("/later", 3_000_000);
  pages["/start"] = () => html(`<script async src="${tally.url}/top.js"></script>`, "<main></main>");
  const page = await visit("/start");
  const show = () => page.evaluate(() => (document.querySelector("main").innerHTML = '<a href="/later">Later</a><ol data-top-views></ol>'));
  for (let n = 0; n < 2; n++) {
    await show();
    assert.equal(await until(() => page.textContent("ol"), (text) => text), "Later 3,000,000");
    await page.evaluate(() => document.body.append("more"));
  }
  assert.deepEqual(tally.asked(), ["GET /top?limit=100&period=all"]);
  assert.deepEqual(page.errors, []);
  // Also where the links come after the list.
  await page.evaluate(() => (document.querySelector("main").innerHTML = "<ol data-top-views></ol>"));
  await sleep(200);
  await page.evaluate(() => document.querySelector("main").insertAdjacentHTML("beforeend", '<a href="/later">Later</a>'));
  assert.equal(await until(() => page.textContent("ol"), (text) => text), "Later 3,000,000");
  assert.deepEqual(tally.asked(), ["GET /top?limit=100&period=all"]);
});

test("the docs' lines for a strict policy work as they stand", { skip }, async () => {
  const docs = readFileSync(join(ROOT, "docs/embed.md"), "utf8");
  const here = (text) => text.replaceAll("https://tally.you.workers.dev", tally.url);
  const tags = here(docs.match(/<script.* integrity=".*<\/script>/g).join("\n"));
  const policy = here(/^Content-Security-Policy: (.*)$/m.exec(docs)[1]);
  for (const file of ["views.js", "top.js"]) {
    const digest = createHash("sha384").update(readFileSync(join(PUBLIC, file))).digest("base64");
    assert.ok(docs.includes(`${file}" integrity="sha384-${digest}"`), `the integrity of ${file} is sha384-${digest}`);
  }
  await set("/strictly/top", 2_000_000);
  const body = '<i data-views>–</i><ol data-top-views="1"></ol>';
  const headers = { "Content-Security-Policy": policy };
  pages["/strict"] = () => ({ headers, body: html(tags, body + '<a href="/strictly/top">The top</a>') });
  const page = await visit("/strict");
  assert.deepEqual(await until(() => numbers(page), ([text]) => text === "1"), ["1"]);
  assert.equal(await until(() => page.textContent("ol"), (text) => text), "The top 2,000,000");
  // The author's switch is part of the script.
  const said = page.waitForEvent("dialog");
  page.evaluate(() => (location.hash = "tally-skip")).catch(() => {});
  const dialog = await said;
  assert.match(dialog.message(), /stop counting/);
  await dialog.dismiss();

  // And the script is held to what was hashed.
  pages["/other"] = () => ({ headers, body: html(tags.replace(/sha384-..../g, "sha384-AAAA"), body) });
  const other = await visit("/other");
  tally.forget();
  assert.deepEqual([await pinged(0), await numbers(other)], [[], ["–"]]);
});
