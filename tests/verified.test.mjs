// Posts that the site confirms: Tally on workerd with SITE_URL, and a small site behind it.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { ping as pingAs, read, until, visitor } from "./visitors.mjs";
import { ROOT, TALLY, request, serve, temporaryFolder } from "./workerd.mjs";

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
const ping = (post, { to = tally, at, origin = blog.url, n = 256 * visitors++ } = {}) =>
  pingAs(to, encodeURIComponent(post) + (at === undefined ? "" : `?at=${at}`), n, { Origin: origin });
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
  // Another network, of which each may claim a few posts.
  visitors = (visitors | 255) + 1;
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

test("an image counts a post that the site has, and no other", async () => {
  blog.pages.set("/2026/pictured", page({}));
  const image = (post) => request(tally.url, `/views/${encodeURIComponent(post)}.gif`, { headers: { ...visitor(visitors++), Referer: `${blog.url}/` } });
  for (const post of ["/2026/pictured/", "/2026/pictured", "/not-pictured"]) {
    const { status, headers } = await image(post);
    assert.deepEqual([status, headers["content-type"]], [200, "image/gif"], post);
  }
  assert.deepEqual((await ping("/2026/pictured")).told, { post: "/2026/pictured", views: 3, counted: true });
  assert.deepEqual((await ping("/not-pictured")).told, UNKNOWN("/not-pictured"));
  assert.deepEqual([blog.times("/2026/pictured"), blog.times("/not-pictured")], [1, 1]);
});

test("a post that the site does not have does not; it is not asked for again", async () => {
  for (let n = 0; n < 3; n++) {
    const { status, told } = await ping("/not-there");
    assert.equal(status, 200);
    assert.deepEqual(told, UNKNOWN("/not-there"));
  }
  assert.equal(blog.times("/not-there"), 1);
});

describe("a page", () => {
  /** Whether a page with these parts proves a post. */
  const proves = async (path, answer, post = path, options = {}) => {
    blog.pages.set(path, answer);
    return (await ping(post, options)).told.counted;
  };

  test("names the post by data-post, data-prefix, its canonical or its own address", async () => {
    assert.ok(await proves("/named/1", page({ post: "142" }), "142", { at: "/named/1" }));
    assert.ok(!(await proves("/named/2", page({ post: "143" }), "144", { at: "/named/2" })));
    assert.ok(!(await proves("/named/3", page({ post: "145" }))));
    assert.ok(await proves("/named/4/", page({}), "/named/4", { at: "/named/4/" }));
    assert.ok(await proves("/named/5", page({ head: '<link rel="canonical" href="/canonical">' }), "/canonical", { at: "/named/5" }));
    assert.ok(await proves("/named/6", page({ head: '<link rel="canonical" href="https://else.example/x">' })));
    assert.ok(!(await proves("/named/7", page({ head: '<link rel="canonical" href="https://else.example/x">' }), "/x", { at: "/named/7" })));
    const prefixed = page({}).replace("<script", '<script data-prefix="fr"');
    assert.ok(await proves("/named/8", prefixed, "fr/named/8", { at: "/named/8" }));
    assert.ok(await proves("/named/caf%C3%A9", page({}), "/named/café"));
    assert.ok(await proves("/named/caf%C3%A8", page({}), "/named/cafè", { at: "/named/caf%C3%A8" }));
    assert.ok(await proves("/named/9", page({ post: "147" }), "147", { at: "%2Fnamed%2F9" }));
    assert.ok(!(await ping("146")).told.counted, "names no page");
  });

  test("has the script in it, and is HTML that is there", async () => {
    assert.ok(!(await proves("/no/script", page({ script: "/other.js" }))));
    assert.ok(!(await proves("/no/comment", `<!-- ${page({})} -->`)));
    assert.ok(!(await proves("/no/text", `<textarea>${page({})}`)));
    const typed = (response) => response.writeHead(200, { "Content-Type": "text/plain" }).end(page({}));
    assert.ok(!(await proves("/no/html", typed)));
    assert.ok(!(await proves("/no/gone", status(410))));
    assert.ok(!(await proves("/search/hacked", page({ head: '<meta name="Robots" content="noindex, follow">' }))));
    const tag = (attributes) => page({}).replace("<script", `<script ${attributes}`);
    assert.ok(!(await proves("/no/skip", tag('data-skip="1"'))));
    assert.ok(!(await proves("/no/only", tag('data-only="/posts/* /about"'))));
    assert.ok(await proves("/yes/only", tag('data-only="/posts/* /yes/*" data-skip="0"')));
  });

  test("may redirect within the site, but not out of it or for ever", async () => {
    const to = (Location) => (response) => response.writeHead(301, { Location }).end();
    blog.pages.set("/redirects/there/", page({}));
    assert.ok(await proves("/redirects/there", to("/redirects/there/")));
    const other = await site();
    other.pages.set("/redirects/out", page({}));
    assert.ok(!(await proves("/redirects/out", to(`${other.url}/redirects/out`))));
    assert.ok(!(await proves("/redirects/out2", to(`//${new URL(other.url).host}/redirects/out`))));
    assert.deepEqual(other.asked, []);
    await other.close();
    for (const path of ["/a%2Fb", "/a//b"]) assert.ok(!(await proves("/redirects/odd", to(path), `/redirects/odd${path.length}`, { at: "/redirects/odd" })));
    assert.ok(!blog.asked.some((url) => /^.a(%2F|..b)/.test(url)), "not followed");
    assert.ok(!(await proves("/redirects/loop", to("/redirects/loop"))));
    assert.equal(blog.times("/redirects/loop"), 6);
  });

  test("is on the site, whatever a ping says", async () => {
    const before = blog.asked.length;
    const tricks = ["//evil.example", "/\\evil.example", "%2F%5Cevil.example", "@evil.example", "http://evil.example/", "http:", "evil", "/../x", "/%2e%2e/x", "/x?y", "%2f%2fevil.example", "/a%2fb", "/a%5Cb", "/a%00", "/a//b", ""];
    for (const [n, at] of tricks.entries()) assert.deepEqual((await ping(`trick-${n}`, { at })).told, UNKNOWN(`trick-${n}`), at);
    assert.equal(blog.asked.length, before);
    const foreign = await ping("/2026/hello", { origin: "https://evil.example" });
    assert.equal(foreign.status, 403);
  });

  test("is read up to 1 MiB", async () => {
    const filled = (bytes) => page({ head: `<style>${"x".repeat(bytes)}</style>` });
    assert.ok(await proves("/long/1", filled(1_000_000)));
    assert.ok(!(await proves("/long/2", filled(2 << 20))));
  });
});

test("titles and addresses are in the list, as texts", async () => {
  const title = "Tom &amp; Jerry&#8217;s\n &quot;caf&eacute;&quot; &lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;";
  blog.pages.set("/titles/1", page({ title }));
  blog.pages.set("/titles/2", page({ head: '<meta property="og:title" content="Short"><link rel="canonical" href="/titles/two/">', post: "titles-2" }));
  blog.pages.set("/titles/3", page({ title: "x".repeat(5000) }));
  for (let n = 0; n < 5; n++) {
    await ping("/titles/1");
    await ping("titles-2", { at: "/titles/2" });
    await ping("/titles/3");
  }
  const find = (posts, post) => posts.find((one) => one.post === post);
  const listed = (posts) => find(posts, "/titles/1") && find(posts, "titles-2") && find(posts, "/titles/3");
  const { posts } = await until(() => read(tally, "/top?limit=100"), ({ posts }) => listed(posts)?.views === 5);
  assert.deepEqual(find(posts, "/titles/1"), {
    post: "/titles/1",
    views: 5,
    title: 'Tom & Jerry’s "café" </script><script>alert(1)</script>',
    url: `${blog.url}/titles/1`,
  });
  assert.deepEqual(find(posts, "titles-2"), { post: "titles-2", views: 5, title: "Short", url: `${blog.url}/titles/two/` });
  assert.equal(find(posts, "/titles/3").title, "x".repeat(200));
});

test("a page whose posts are in the hash confirms any path, under its own title, as often as a network may ask", async () => {
  blog.pages.set("/shell", page({ title: "The site's title" }).replace("<script", "<script data-hash"));
  const n = 256 * visitors++;
  for (let invented = 0; invented < 30; invented++) assert.equal((await ping(`/invented/${invented}`, { at: "/shell", n })).told.views, 1);
  assert.equal((await ping("/invented/more", { at: "/shell", n })).status, 429);
  assert.ok(!(await ping("invented", { at: "/shell" })).told.counted, "no path");
  const { posts } = await until(() => read(tally, "/top?limit=100"), ({ posts }) => posts.some(({ post }) => post === "/invented/0"));
  const { title, url } = posts.find(({ post }) => post === "/invented/0");
  assert.deepEqual([title, url], ["The site's title", `${blog.url}/shell`]);
});

test("a viral new post: 500 pings at once in two isolates are counted exactly, by one fetch", async () => {
  // A network that has had its new posts of this hour asks first, which is no matter of the others.
  const spent = 256 * 10_000;
  for (let n = 0; n < 30; n++) await ping(`/nothing/${n}`, { n: spent });
  assert.equal((await ping("/nothing/more", { n: spent })).status, 429);
  blog.pages.set("/viral", (response) =>
    setTimeout(() => response.writeHead(200, { "Content-Type": "text/html" }).end(page({})), 500));
  const reader = { url: tally.reader };
  const answers = await Promise.all(Array.from({ length: 500 }, (_, n) => ping("/viral", { to: n % 2 ? reader : tally, n: spent + n })));
  const [first, others] = [answers.slice(0, 256), answers.slice(256)];
  assert.ok(first.every(({ status }) => status === 200 || status === 429));
  assert.ok(others.every(({ status }) => status === 200));
  const views = answers.filter(({ status }) => status === 200).map(({ told }) => told.views).sort((a, b) => a - b);
  assert.deepEqual(views, Array.from(views, (_, n) => n + 1));
  assert.equal(blog.times("/viral"), 1);
});

describe("what asks for a post that is not known writes nothing", () => {
  const COUNTED = `${ROOT}/build/counted/counted.js`;
  let counted;
  const operations = async () => JSON.parse((await request(counted.url, "/operations")).body);
  /** The calls of the ledger and the rows that it writes meanwhile. */
  const during = async (work) => {
    const before = await operations();
    await work();
    const after = await operations();
    return { requests: after.requests - before.requests, rows: after.rows - before.rows };
  };
  before(async () => {
    // Nothing is published meanwhile.
    const slow = vars({ PUBLISH_SECONDS: 3600 });
    counted = await serve(COUNTED, { vars: slow, reader: slow, rateLimit: false });
    blog.pages.set("/known", page({}));
    await ping("/known", { to: counted });
    // What Workers KV has is taken over before.
    await until(() => counted.log(), (log) => log.includes('"published"'), 20);
    let rows;
    await until(operations, (told) => told.rows === rows || void (rows = told.rows));
  });
  after(() => counted.stop());
  const elsewhere = () => ({ url: counted.reader });

  test("readers who wait for its page", async () => {
    let answer;
    const isAsked = new Promise((resolve) => blog.pages.set("/waited", (response) => resolve((answer = () => response.writeHead(200, { "Content-Type": "text/html" }).end(page({}))))));
    const before = await operations();
    const readers = Array.from({ length: 50 }, (_, n) => ping("/waited", { to: n % 2 ? counted : elsewhere() }));
    await isAsked;
    // The other isolate asks whether it may read the page, too.
    const { requests, rows } = await until(operations, ({ requests }) => requests > before.requests + 5);
    assert.ok(requests > before.requests + 5);
    assert.equal(rows, before.rows);
    answer();
    const views = (await Promise.all(readers)).map(({ told }) => told.views);
    assert.deepEqual(views.sort((a, b) => a - b), Array.from(views, (_, n) => n + 1));
  });

  test("readers of one that the site does not have", async () => {
    const first = await during(() => ping("/nowhere", { to: counted }));
    // That a ping did not count is noted, with others of the same second.
    assert.ok(first.rows <= 2, JSON.stringify(first));
    await sleep(1500);
    const again = await during(async () => {
      for (let n = 0; n < 50; n++) assert.deepEqual((await ping("/nowhere", { to: counted })).told, UNKNOWN("/nowhere"));
    });
    // Nothing but that note.
    assert.ok(again.requests <= 2 && again.rows <= 4, JSON.stringify(again));
    await sleep(1500);
    const other = await during(() => ping("/nowhere", { to: elsewhere() }));
    assert.ok(other.rows <= 2, JSON.stringify(other));
    assert.equal(blog.times("/nowhere"), 1);
  });

  test("an isolate that waits for another one asks now and then", async () => {
    blog.pages.set("/hangs/here", () => {});
    const { requests } = await during(() => Promise.all([counted, elsewhere()].map((to) => ping("/hangs/here", { to }))));
    assert.equal(blog.times("/hangs/here"), 1);
    assert.ok(requests < 25, `${requests} requests`);
  });
});

test("the owner has a post looked at, and is told why it is not real", async () => {
  const verify = async (query, headers = TOKEN) => {
    const answer = await request(tally.url, `/verify?${query}`, { method: "POST", headers });
    return { status: answer.status, told: JSON.parse(answer.body) };
  };
  blog.pages.set("/owner", page({ title: "Before" }));
  await ping("/owner");
  blog.pages.set("/owner", page({ title: "After" }));
  const found = await verify("post=/owner");
  assert.deepEqual(found.told, { post: "/owner", verified: true, title: "After", url: `${blog.url}/owner` });
  const not = await verify("post=/owner/not");
  assert.deepEqual(not.told, { post: "/owner/not", verified: false, reason: "the site answered with status 404" });
  assert.equal((await verify("post=1&at=/owner")).told.reason, "the page's script tag names another post");
  assert.equal((await verify("post=/owner", {})).status, 401);
  assert.equal((await verify("")).status, 400);
});

test("what the owner sets or imports counts without a page, and gets its title from one", async () => {
  await request(tally.url, "/views/owned", { method: "PUT", headers: TOKEN, body: "1000" });
  blog.pages.set("/owned", page({ post: "owned", title: "Owned" }));
  assert.equal((await ping("owned", { at: "/owned" })).told.views, 1001);
  const top = () => read(tally, "/top?limit=1");
  const { posts } = await until(top, ({ posts }) => posts[0].title === "Owned");
  assert.deepEqual(posts, [{ post: "owned", views: 1001, title: "Owned", url: `${blog.url}/owned` }]);
});

describe("while the site cannot be read", () => {
  let alone;
  const to = (options = {}) => ({ to: alone, ...options });
  const start = (more) => serve(TALLY, { vars: vars(), rateLimit: false, ...more });

  for (const code of [500, 403, 429]) {
    test(`status ${code}: a new post counts and is not shown until it is verified`, async () => {
      const state = temporaryFolder();
      alone = await start({ state });
      blog.pages.set("/down", page({ title: "Down" }));
      blog.down = status(code);
      for (const views of [1, 2]) assert.deepEqual((await ping("/down", to())).told, { post: "/down", views, counted: true });
      const told = await until(() => stats(alone), ({ site }) => site.waiting === 1);
      assert.equal(told.views, 0);
      assert.equal(told.posts, 0);
      assert.deepEqual(told.site.urls, [`${blog.url}/`]);
      assert.equal(told.site.unreadable.why, `status ${code}`);
      assert.match(told.site.unreadable.since, /^\d{4}-/);
      assert.deepEqual((await read(alone, "/top")).posts, []);
      assert.deepEqual((await read(alone, "/views?post=/down")).views, { "/down": 0 });
      assert.equal(alone.log().split("the site cannot be read").length, 2, "one line");
      await alone.stop("SIGKILL");
      alone = await start({ state });
      assert.equal((await ping("/down", to())).told.views, 3);
      blog.down = undefined;
      const answer = await request(alone.url, "/verify?post=/down", { method: "POST", headers: TOKEN });
      assert.equal(JSON.parse(answer.body).verified, true);
      const { posts } = await until(() => read(alone, "/top"), ({ posts }) => posts.length > 0);
      assert.deepEqual(posts, [{ post: "/down", views: 3, title: "Down", url: `${blog.url}/down` }]);
      const after = await until(() => stats(alone), ({ site }) => site.waiting === 0);
      assert.equal(after.site.unreadable, undefined);
      assert.equal(after.views, 3);
      await alone.stop();
    });
  }

  test("a post that waits and is not real is gone, also after a kill", async () => {
    const state = temporaryFolder();
    const slow = { state, vars: vars({ PUBLISH_SECONDS: 3600 }) };
    alone = await start(slow);
    blog.pages.set("/back", page({}));
    blog.down = status(500);
    assert.equal((await ping("/never", to())).told.views, 1);
    // A publication would write the books.
    await until(() => alone.log(), (log) => log.includes('"published"'), 20);
    blog.down = undefined;
    // Another post tells that the site is back.
    assert.equal((await ping("/back", to())).told.views, 1);
    const answer = await request(alone.url, "/verify?post=/never", { method: "POST", headers: TOKEN });
    assert.equal(JSON.parse(answer.body).verified, false);
    await alone.stop("SIGKILL");
    alone = await start(slow);
    assert.deepEqual((await ping("/never", to())).told, UNKNOWN("/never"));
    await alone.stop();
  });

  test("whoever names a wrong page first cannot keep a post waiting", async () => {
    alone = await start();
    blog.pages.set("/right", page({ post: "named", title: "Right" }));
    blog.pages.set("/other", page({}));
    blog.down = status(500);
    const liar = { at: "/wrong", n: visitors };
    visitors += 256;
    const reader = () => ({ at: "/right", n: (visitors += 256) });
    assert.equal((await ping("named", to(liar))).told.views, 1);
    for (const views of [2, 3]) assert.equal((await ping("named", to(reader()))).told.views, views);
    blog.down = undefined;
    // Another post tells that the site is back.
    assert.equal((await ping("/other", to())).told.views, 1);
    for (let n = 0; n < 3; n++) assert.equal((await ping("named", to(liar))).told.views, 3);
    await until(() => blog.times("/wrong"), (times) => times === 2);
    assert.equal((await ping("named", to(reader()))).told.views, 4);
    const { posts } = await until(() => read(alone, "/top"), ({ posts }) => posts.length === 2);
    assert.deepEqual(posts.find(({ post }) => post === "named"), { post: "named", views: 4, title: "Right", url: `${blog.url}/right` });
    await alone.stop();
  });

  test("a page that alone cannot be read proves nothing, and hides nothing", async () => {
    alone = await start();
    blog.pages.set("/", page({}));
    blog.pages.set("/.htaccess", status(403));
    blog.pages.set("/hangs", () => {});
    for (const at of ["/.htaccess", "/hangs"]) assert.deepEqual((await ping("/new", to({ at }))).told, UNKNOWN("/new"), at);
    blog.pages.delete("/");
    blog.pages.set("/new", page({}));
    assert.equal((await ping("/new", to())).told.views, 1);
    const { site } = await until(() => stats(alone), ({ views }) => views === 1);
    assert.deepEqual([site.waiting, site.unreadable], [0, undefined]);
    await alone.stop();
  });

  test("slow: a ping waits no longer than ten seconds, and counts", async () => {
    alone = await start();
    blog.pages.set("/slow", () => {});
    const begun = Date.now();
    const answers = await Promise.all(Array.from({ length: 20 }, () => ping("/slow", to())));
    assert.ok(Date.now() - begun < 10_000, `${Date.now() - begun} ms`);
    assert.deepEqual(answers.map(({ told }) => told.views).sort((a, b) => a - b), Array.from({ length: 20 }, (_, n) => n + 1));
    assert.equal(blog.times("/slow"), 1);
    assert.equal((await until(() => stats(alone), ({ site }) => site.waiting)).site.unreadable.why, "no answer within 5 seconds");
    await alone.stop();
  });
});

test("killed while a page is read: nothing is counted, and the next ping is", async () => {
  const state = temporaryFolder();
  let alone = await serve(TALLY, { vars: vars(), rateLimit: false, state });
  let begun;
  const isRead = new Promise((resolve) => (begun = resolve));
  blog.pages.set("/killed", begun);
  const lost = ping("/killed", { to: alone }).catch(() => "lost");
  await isRead;
  await alone.stop("SIGKILL");
  assert.equal(await lost, "lost");
  blog.pages.set("/killed", page({}));
  alone = await serve(TALLY, { vars: vars(), rateLimit: false, state });
  assert.equal((await ping("/killed", { to: alone })).told.views, 1);
  await alone.stop();
});

test("four ledgers verify and name their posts, also after a restart", async () => {
  const state = temporaryFolder();
  const start = () => serve(TALLY, { vars: vars({ LEDGERS: 4 }), rateLimit: false, state });
  let alone = await start();
  const posts = Array.from({ length: 12 }, (_, n) => `/four/${n}`);
  for (const post of posts) blog.pages.set(post, page({ title: `Title of ${post}` }));
  const counted = await Promise.all(posts.flatMap((post) => [1, 2, 3].map(() => ping(post, { to: alone }))));
  assert.ok(counted.every(({ told }) => told.counted), JSON.stringify(counted.find(({ told }) => !told.counted)?.told));
  for (const post of posts) assert.equal(blog.times(post), 1);
  const top = () => read(alone, "/top?limit=100");
  const found = await until(top, ({ posts }) => posts?.length === 12 && posts.every(({ title, views }) => title && views === 3), 30);
  assert.deepEqual(
    found.posts.map(({ post, title, url }) => [post, title, url]).sort(),
    posts.map((post) => [post, `Title of ${post}`, `${blog.url}${post}`]).sort(),
  );
  await alone.stop();
  alone = await start();
  assert.equal((await ping(posts[0], { to: alone })).told.views, 4);
  await alone.stop();
});

test("what was not counted is told", async () => {
  const { not_counted } = await until(stats, ({ not_counted }) => not_counted.unknown >= 3);
  assert.ok(not_counted.unknown >= 3, JSON.stringify(not_counted));
});
