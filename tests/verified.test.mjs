// Posts that the site confirms: Tally on workerd with SITE_URL, and a small site behind it.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { ping as pingAs, read, until } from "./visitors.mjs";
import { TALLY, request, serve, temporaryFolder } from "./workerd.mjs";

const FAST = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 100_000 };
const TOKEN = { Authorization: "Bearer token" };

/** A site: what it answers by path, and how often it was asked. */
async function site() {
  const pages = new Map();
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url);
    site.agent = request.headers["user-agent"];
    const page = site.down ?? pages.get(request.url);
    if (page === undefined) return response.writeHead(404, { "Content-Type": "text/html" }).end("<title>Not found</title>");
    if (typeof page === "function") return page(response);
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(page);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const site = {
    url: `http://127.0.0.1:${server.address().port}`,
    pages,
    asked,
    times: (path) => asked.filter((url) => url === path).length,
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))),
  };
  return site;
}

const SCRIPT = "https://tally.you.workers.dev/views.js";
const page = ({ title = "Hello", post, head = "", script = SCRIPT }) =>
  `<!doctype html><html><head><title>${title}</title>${head}</head><body><p>…</p>
  <script async src="${script}"${post === undefined ? "" : ` data-post="${post}"`}></script></body></html>`;

let blog, tally;
let visitors = 0;
const ping = (post, { to = tally, at, origin = blog.url, n = visitors++ } = {}) =>
  pingAs(to, encodeURIComponent(post) + (at === undefined ? "" : `?at=${encodeURIComponent(at)}`), n, { Origin: origin });
const status = (code) => (response) => response.writeHead(code, { "Content-Type": "text/html" }).end(page({}));
const vars = (more = {}) => ({ ...FAST, SITE_URL: blog.url, ADMIN_TOKEN: "token", ...more });
const stats = (to = tally) => read(to, "/stats");
const UNKNOWN = (post) => ({ post, views: 0, counted: false, reason: "unknown" });

before(async () => {
  blog = await site();
  tally = await serve(TALLY, { vars: vars(), reader: vars(), rateLimit: false });
});
after(async () => {
  await tally.stop();
  await blog.close();
});
beforeEach(() => {
  blog.down = undefined;
});

test("a post that the site has counts; its page is read once", async () => {
  blog.pages.set("/2026/hello", page({}));
  for (const views of [1, 2, 3]) {
    const { status, told } = await ping("/2026/hello");
    assert.equal(status, 200);
    assert.deepEqual(told, { post: "/2026/hello", views, counted: true });
  }
  assert.equal(blog.times("/2026/hello"), 1);
  assert.match(blog.agent ?? "", /Tally/);
});

test("a post that the site does not have does not; it is not asked for again", async () => {
  for (let n = 0; n < 3; n++) {
    const { status, told } = await ping("/not-there");
    assert.equal(status, 200);
    assert.deepEqual(told, UNKNOWN("/not-there"));
  }
  assert.equal(blog.times("/not-there"), 1);
});
