// The script of a blog's page, in a real browser: what its tag says, what is left alone, what a page waits for.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { PUBLIC } from "../tools/shell.mjs";
import { html, numbers, openBlog } from "./blog.mjs";
import { NO_BROWSER } from "./browser.mjs";
import { end, listen } from "./network.mjs";
import { until } from "./visitors.mjs";

const skip = NO_BROWSER;
let blog, tally, pages, visit, pinged, set;
before(async () => {
  if (NO_BROWSER) return;
  blog = await openBlog();
  ({ tally, pages, visit, pinged, set } = blog);
});
beforeEach(() => blog?.forget());
after(() => blog?.stop());

const script = (attributes = "") => `<script async src="${tally.url}/views.js" ${attributes}></script>`;
const shown = (page, isRight) => until(() => numbers(page), isRight);

// Everything that can have an address, and every name that hides what a document has itself.
const SOURCES = [
  "<img src=$>", "<iframe src=$></iframe>", "<embed src=$>", "<audio src=$></audio>", "<video src=$></video>",
  "<video><source src=$><track src=$ default></video>", "<picture><source srcset=$ src=$><img src=$></picture>",
  "<input type=image src=$>", "<script src=$ data-post=strange data-skip=1></script>", "<script type=module src=$></script>",
  "<svg><script href=$ src=$ /></svg>", "<object data=$ src=$></object>", "<p src=$>", "<frame src=$>",
  "<link rel=preload as=script href=$ src=$>",
  ...["currentScript", "documentElement", "scripts", "head", "body", "tally", "dataset", "hidden", "readyState", "title"].map((name) => `<img name=${name} id=${name} src=$ data-post=strange>`),
  '<form name=querySelectorAll data-views=1><input name=dataset><input name=tally></form>',
];

test("nothing in the page stands for the script", { skip }, async () => {
  const strange = [];
  const stranger = await listen(({ method, url }, response) => {
    if (method === "POST" || !url.endsWith("/views.js")) strange.push(`${method} ${url}`);
    response.writeHead(200, { "Access-Control-Allow-Origin": "*", "Content-Type": "application/json" }).end('{"post":"142","views":666}');
  });
  try {
    const address = `"http://stranger.example:${stranger.address().port}/views.js"`;
    for (const source of SOURCES) {
      tally.forget();
      const body = `${source.replaceAll("$", address)}<i data-views>–</i>${script('data-post="142"')}`;
      pages["/sources"] = () => html("", body);
      const page = await visit("/sources");
      const said = [];
      page.on("dialog", (dialog) => (said.push(dialog.message()), dialog.dismiss()));
      assert.deepEqual(await pinged(1), ["POST /views/142"], source);
      assert.match(await page.textContent("i[data-views]"), /^\d+$/, source);
      await page.evaluate(() => (location.hash = "tally-skip"));
      await until(() => said, ([one]) => one);
      assert.equal(said.length, 1, source);
      assert.deepEqual(strange, [], source);
      await page.context().close();
    }
  } finally {
    end(stranger);
  }
});

test("what comes later does not stand for it, either", { skip }, async () => {
  pages["/later"] = () => html(script('data-post="142"'));
  const page = await visit("/later");
  await shown(page, ([text]) => text !== "–");
  await page.evaluate(() => {
    document.querySelector("script").remove();
    const evil = document.createElement("img");
    Object.assign(evil, { src: "http://stranger.example:9/views.js", name: "currentScript" });
    document.body.prepend(evil);
    history.pushState(null, "", "/later/on");
  });
  assert.deepEqual(await pinged(2), ["POST /views/142", "POST /views//later/on"]);
});

test("a script that is served from elsewhere sends to the Worker that its own tag names", { skip }, async () => {
  const strange = [];
  const stranger = await listen(({ method, url }, response) => {
    strange.push(`${method} ${url}`);
    response.writeHead(200, { "Access-Control-Allow-Origin": "*", "Content-Type": "application/json" }).end('{"post":"142","views":666}');
  });
  try {
    await set("other", 5);
    await set("/top", 9_000_000);
    const loaded = [];
    for (const file of ["views.js", "views.js.rest.js", "top.js", "top.js.rest.js"])
      pages[`/own/${file}`] = ({ search }) => {
        loaded.push(file + search);
        return { body: readFileSync(join(PUBLIC, file)), headers: { "Content-Type": "text/javascript" } };
      };
    const evil = `http://stranger.example:${stranger.address().port}`;
    const tag = (post, worker, file = "views") => `<script async src="/own/${file}.js?v=1" data-tally="${worker}" data-post="${post}"></script>`;
    const strangers = `<base id="x"><i data-tally="${evil}"></i><img name="currentScript" data-tally="${evil}"><form name="dataset"><input name="tally"></form>`;
    pages["/elsewhere"] = () =>
      html("", `${strangers}${tag("142", tally.url)}<i data-views>–</i><i data-views="other">–</i>${tag("", tally.url, "top")}<ol data-top-views></ol><a href="/top">The top</a>`);
    const page = await visit("/elsewhere");
    const [own, other] = await shown(page, (texts) => !texts.includes("–"));
    assert.deepEqual([/^\d+$/.test(own), other], [true, "5"]);
    assert.match(await until(() => page.textContent("ol"), (text) => text), /^The top 9,000,000/);
    await page.evaluate((tag) => {
      document.querySelector("script").outerHTML = tag;
      history.pushState(null, "", "/elsewhere/on");
    }, tag("143", evil));
    assert.deepEqual(await pinged(2), ["POST /views/142", "POST /views/143"]);
    const rest = (file) => `${file}?sha256-${createHash("sha256").update(readFileSync(join(PUBLIC, file))).digest("base64")}`;
    // A new rest has a new address: an old one that the browser has kept would not have the hash.
    assert.deepEqual([...new Set(loaded)].sort(), ["top.js?v=1", rest("top.js.rest.js"), "views.js?v=1", rest("views.js.rest.js")].sort());
    assert.deepEqual(strange, []);
    assert.deepEqual(page.errors, []);
  } finally {
    end(stranger);
  }
});

test("path rules in one tag say which pages of a site count", { skip }, async () => {
  const tag = script('data-only="/posts/* /*/notes/*.html /about+(me)"');
  const all = { "/posts/a/": true, "/posts/": false, "/posts/b/c": true, "/de/notes/x.html": true, "/de/notes/xhtml": false, "/about+(me)": true, "/about": false, "/": false, "/tags/posts/a": false };
  for (const [path, isCounted] of Object.entries(all)) {
    tally.forget();
    pages[path] = () => html(tag);
    const page = await visit(path);
    assert.match((await shown(page, ([text]) => text !== "–"))[0], /^\d+$/);
    assert.equal(tally.pings().length, isCounted ? 1 : 0, path);
    await page.context().close();
  }
});

test("a prefix is put before the name of every post", { skip }, async () => {
  await set("fr/other", 5);
  pages["/hello"] = () => html(script('data-prefix="fr" data-only="/hello"'), '<i data-views>–</i><i data-views="/other/">–</i>');
  const page = await visit("/hello");
  assert.deepEqual(await shown(page, (texts) => !texts.includes("–")), ["1", "5"]);
  assert.deepEqual(tally.asked().sort(), ["GET /views?post=fr/other", "POST /views/fr/hello"]);
});

test("a canonical address of another host does not count", { skip }, async () => {
  for (const [href, post] of [
    ["https://blog.example/c", "/c"], ["https://www.blog.example/c?x#y", "/c"], ["//blog.example:99/c", "/c"], ["https://other.example/c", "/page"],
    ["https://blog.example.evil.example/c", "/page"], ["https://evil.example/blog.example/c", "/page"], ["mailto:blog.example", "/page"], ["", "/page"],
  ]) {
    tally.forget();
    pages["/page"] = () => html(`<link rel="canonical" href="${href}">${script()}`);
    const page = await visit("/page?q");
    assert.deepEqual(await pinged(1), [`POST /views/${post}`], href);
    await page.context().close();
  }
  // A base moves relative addresses, and no other.
  tally.forget();
  pages["/based"] = () => html(`<base href="https://other.example/x/">${script()}`, '<i data-views="/elsewhere">–</i><i data-views>–</i>');
  assert.deepEqual(await shown(await visit("/based"), (texts) => !texts.includes("–")), ["0", "1"]);
  assert.deepEqual(tally.pings(), ["POST /views//based"]);
});

test("a hash-routed site counts its fragments' paths", { skip }, async () => {
  const tag = '<link rel="canonical" href="/app">' + script("data-hash");
  pages["/app"] = () => html(tag);
  const page = await visit("/app#/posts/one?token=secret");
  assert.deepEqual(await pinged(1), ["POST /views//posts/one"]);
  await page.evaluate(() => (location.hash = "#!/posts/two/"));
  assert.deepEqual(await pinged(2), ["POST /views//posts/one", "POST /views//posts/two"]);
  await page.evaluate(() => (location.hash = "#/posts/two?other#part"));
  assert.equal((await pinged(2)).length, 2);
  await page.goBack();
  await page.goBack();
  assert.deepEqual((await pinged(3)).slice(2), ["POST /views//posts/one"]);
  // A fragment that is no path is never sent, nor is any on a site of another kind.
  await page.goto(`${blog.url}/app?x#access_token=secret`);
  assert.deepEqual((await pinged(4)).slice(3), ["POST /views//app"]);
  pages["/plain"] = () => html(script());
  await page.goto(`${blog.url}/plain#/posts/secret`);
  assert.deepEqual((await pinged(5)).slice(4), ["POST /views//plain"]);
  assert.doesNotMatch(JSON.stringify(tally.raw()), /secret/);
});

test("elements that hold more than text are left alone, and true is the page's own post", { skip }, async () => {
  const article = '<article data-views="123"><h2>A title</h2><img alt=""><form><input name="q"></form></article>';
  pages["/article"] = () => html(script('data-post="own"'), `${article}<form id="f" data-views></form><input form="f" name="dataset"><i data-views="true">–</i><i data-views="TRUE">–</i>`);
  const page = await visit("/article");
  assert.deepEqual(await shown(page, (texts) => !texts.includes("–")), ["A title", "1", "1", "0"]);
  assert.equal(await page.$eval("article", (one) => one.outerHTML.replace(/ data-views="123"/, "")), article.replace(/ data-views="123"/, ""));
  assert.deepEqual(page.errors, []);
});

test("what a framework puts in an element's place, or says of it, is filled again", { skip }, async () => {
  for (const [post, views] of [["a", 5], ["b", 6]]) await set(post, views);
  pages["/hydrated"] = () => html("", '<main><i data-views="a">–</i></main>');
  const page = await visit("/hydrated");
  // A tag that comes late, as from a tag manager.
  await page.evaluate((src) => document.body.append(Object.assign(document.createElement("script"), { src })), `${tally.url}/views.js`);
  assert.deepEqual(await shown(page, ([text]) => text === "5"), ["5"]);
  await page.evaluate(() => (document.querySelector("main").innerHTML = '<i data-views="a">–</i>'));
  assert.deepEqual(await shown(page, ([text]) => text === "5"), ["5"]);
  await sleep(500);
  await page.evaluate(() => (document.querySelector("i").dataset.views = "b"));
  assert.deepEqual(await shown(page, ([text]) => text === "6"), ["6"]);
  await page.evaluate(() => (document.querySelector("i").textContent = "–"));
  assert.deepEqual(await shown(page, ([text]) => text === "6"), ["6"]);
  assert.deepEqual(await pinged(1), ["POST /views//hydrated"]);
});

test("where a ping is refused or lost, the number is read", { skip }, async () => {
  await set("142", 9);
  pages["/142"] = () => html(script('data-post="142"'));
  const origin = { "Access-Control-Allow-Origin": "*" };
  const answers = [403, 429, 503].map((status) => (response) => response.writeHead(status, origin).end('{"error":{}}'));
  for (const answer of [...answers, (response) => response.destroy(), (response) => response.writeHead(403).end()]) {
    // The ping only.
    tally.forget((response) => {
      tally.forget();
      answer(response);
    });
    const page = await visit("/142");
    assert.deepEqual(await shown(page, ([text]) => text === "9"), ["9"]);
    assert.deepEqual(tally.asked(), ["GET /views?post=142"]);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  }
});

test("a post that is shown for a moment is counted", { skip }, async () => {
  for (const init of [() => {}, () => Reflect.deleteProperty(self, "navigation")]) {
    tally.forget();
    pages["/first"] = () => html(script());
    const page = await visit("/first", { init });
    await pinged(1);
    for (const path of ["/a", "/b", "/c"]) {
      await page.evaluate((path) => history.pushState(null, "", path), path);
      await sleep(150);
    }
    assert.deepEqual(await pinged(4), ["/first", "/a", "/b", "/c"].map((path) => `POST /views/${path}`));
    // Also one that is left with the page.
    await page.evaluate(() => (history.pushState(null, "", "/d"), (location = "/elsewhere")));
    assert.deepEqual((await pinged(5)).slice(4), ["POST /views//d"]);
    await page.context().close();
  }
});

test("nothing is counted or shown before the page is there, with and without the Navigation API", { skip }, async () => {
  pages["/slow.js"] = async () => {
    await sleep(1500);
    return { body: "", headers: { "Content-Type": "text/javascript" } };
  };
  pages["/slow"] = () => html(script(), `<i data-views>–</i><script>setTimeout(() => document.body.append("…"), 900)</script><script src="/slow.js"></script><p>more</p><i data-views="other">–</i>`);
  for (const init of [() => {}, () => Reflect.deleteProperty(self, "navigation")]) {
    tally.forget();
    const page = await visit("/slow", { init });
    await shown(page, (texts) => !texts.includes("–"));
    assert.deepEqual(tally.asked().sort(), ["GET /views?post=other", "POST /views//slow"]);
    await page.context().close();
  }
});

test("a new address is not judged by the old tag", { skip }, async () => {
  pages["/list"] = () => html(script('data-skip="1"'));
  const page = await visit("/list");
  await shown(page, ([text]) => text === "0");
  await page.evaluate(() => history.pushState(null, "", "/post"));
  await sleep(1500);
  await page.evaluate((tag) => (document.querySelector("script").outerHTML = tag), script('data-post="p"'));
  assert.deepEqual(await pinged(1), ["POST /views/p"]);
  // It is the post's when the reader comes back, too, and the list is the list.
  await page.goBack();
  assert.deepEqual(await shown(page, ([text]) => text === "0"), ["0"]);
  await page.goForward();
  assert.deepEqual(await pinged(2), ["POST /views/p", "POST /views/p"]);
  // And a list that comes after a post.
  await page.evaluate(() => history.pushState(null, "", "/tags"));
  await sleep(1500);
  await page.evaluate((tag) => (document.querySelector("script").outerHTML = tag), script('data-skip="1" data-x'));
  await sleep(3000);
  assert.equal((await pinged(2)).length, 2);
});

test("more than 100 numbers are asked in parts, also after the back/forward cache", { skip }, async () => {
  const posts = Array.from({ length: 230 }, (_, n) => `long-${n}`);
  pages["/archive"] = () => html(script('data-skip="1"'), posts.map((post) => `<i data-views="${post}">–</i>`).join(""));
  const page = await visit("/archive");
  await shown(page, (texts) => texts.every((text) => text === "0"));
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Network.enable");
  await devtools.send("Network.clearBrowserCache");
  await devtools.send("Network.setCacheDisabled", { cacheDisabled: true });
  tally.forget();
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await until(tally.asked, (asked) => asked.length >= 3);
  await sleep(300);
  assert.deepEqual(tally.asked().map((line) => line.split("post=").length - 1).sort(), [100, 100, 30]);
});

test("the page waits for nothing: a script that hangs, is refused or cut off", { skip }, async () => {
  const refused = await listen(() => {});
  const { port } = refused.address();
  end(refused);
  const hanging = await listen(({ url }, response) => {
    if (url === "/cut/views.js") response.writeHead(200, { "Content-Type": "text/javascript", "Content-Length": 1000 }).write("(()=>{");
    if (url === "/cut/views.js") setTimeout(() => response.destroy(), 300);
  });
  try {
    const hung = `http://tally.example:${hanging.address().port}`;
    const inserted = (src) => `<script>addEventListener("load", () => { const tag = document.createElement("script"); tag.src = "${src}"; document.head.append(tag) })</script>`;
    // A browser holds `load` back for every script of the page that is on its way, async or not.
    for (const [tag, waits] of [
      [(src) => `<script async src="${src}"></script>`, ["load"]],
      [(src) => inserted(src), []],
    ]) {
      for (const [src, isHung] of [[`${hung}/views.js`, true], [`http://tally.example:${port}/views.js`], [`${hung}/cut/views.js`]]) {
        pages["/waits"] = () => html(tag(src) + "<script>self.events = []; for (const type of ['DOMContentLoaded', 'load']) addEventListener(type, () => events.push(type))</script>");
        const context = await (await visit("/")).context();
        const page = await context.newPage();
        await page.goto(`${blog.url}/waits`, { waitUntil: "commit" });
        const expected = ["DOMContentLoaded", "load"].filter((type) => !(isHung && waits.includes(type)));
        const events = await until(() => page.evaluate(() => self.events), (events) => events?.length >= expected.length, 3);
        assert.deepEqual(events, expected, tag(src));
        await context.close();
      }
    }
  } finally {
    end(hanging);
  }
  // A script that is there, and a Worker that does not answer, hold nothing back.
  tally.forget(() => {});
  pages["/waits"] = () => html(script());
  const start = Date.now();
  await visit("/waits");
  assert.ok(Date.now() - start < 3000);
  await until(tally.asked, ([line]) => line);
});

test("an idle page takes no time of the main thread", { skip }, async () => {
  const places = Array.from({ length: 230 }, (_, n) => `<i data-views="idle-${n}">–</i>`).join("");
  pages["/idle"] = () => html(script(), places);
  pages["/without"] = () => html("", places);
  const spent = async (path, isReady) => {
    const page = await visit(path);
    await shown(page, isReady);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Emulation.setCPUThrottlingRate", { rate: 6 });
    await devtools.send("Performance.enable");
    await sleep(1500);
    const metrics = async () => Object.fromEntries((await devtools.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
    const before = await metrics();
    await sleep(4000);
    const after = await metrics();
    await page.context().close();
    return (name) => after[name] - before[name];
  };
  const idle = await spent("/idle", (texts) => texts.every((text) => text === "0"));
  for (const name of ["ScriptDuration", "LayoutDuration", "RecalcStyleDuration"]) assert.equal(idle(name), 0, name);
  // What is left is the browser's own, and in a page without the script as well.
  const without = await spent("/without", () => true);
  assert.ok(idle("TaskDuration") < without("TaskDuration") + 0.03, `${idle("TaskDuration")} s, ${without("TaskDuration")} s without`);
});

test("what docs/embed.md says that the script stores is all that it stores", { skip }, async () => {
  const stored = (page) =>
    page.evaluate(async () => ({
      local: { ...localStorage }, session: { ...sessionStorage }, cookie: document.cookie, databases: await indexedDB.databases(),
      caches: await self.caches?.keys() ?? [], window: self.name, state: history.state,
    }));
  const nothing = { local: {}, session: {}, cookie: "", databases: [], caches: [], window: "", state: null };
  pages["/kept"] = () => html(script(), '<i data-views>–</i><i data-views="x">–</i>');
  for (const [name, value] of [["none"], ["globalPrivacyControl", true], ["doNotTrack", '"1"']]) {
    const page = await visit("/kept", { init: `Object.defineProperty(navigator, "${name}", { value: ${value} })` });
    await shown(page, (texts) => !texts.includes("–"));
    await page.evaluate(() => history.pushState(null, "", "/on"));
    await until(tally.pings, (pings) => pings.includes("POST /views//on"));
    assert.deepEqual(await stored(page), { ...nothing, session: name === "none" ? {} : { "tally/kept": "1", "tally/on": "1" } }, name);
    tally.forget();
    await page.context().close();
  }
});
