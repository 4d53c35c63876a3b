// The script of a blog's page, in a real browser: /views.js.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { PUBLIC } from "../tools/shell.mjs";
import { FAILURES, USER_AGENT, html, numbers, openBlog } from "./blog.mjs";
import { NO_BROWSER, NO_WHOLE_BROWSER, launch, spawnBrowser } from "./browser.mjs";
import { HOSTILE, until } from "./visitors.mjs";
import { request, temporaryFolder } from "./workerd.mjs";

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

test("the script is small", () => {
  const bytes = (file) => gzipSync(readFileSync(join(PUBLIC, file))).length;
  assert.ok(bytes("views.js") <= 1000, `${bytes("views.js")} bytes`);
  assert.ok(bytes("views.js.rest.js") <= 1850, `${bytes("views.js.rest.js")} bytes`);
});

test("any page may use the scripts, and keep them for an hour", { skip }, async () => {
  for (const file of ["/views.js", "/views.js.rest.js", "/top.js", "/top.js.rest.js"]) {
    const { status, headers } = await request(tally.direct, file);
    assert.equal(status, 200);
    assert.match(headers["content-type"], /^text\/javascript/);
    assert.equal(headers["access-control-allow-origin"], "*");
    assert.equal(headers["cross-origin-resource-policy"], "cross-origin");
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.match(headers["cache-control"], /^public, max-age=3600/);
  }
});

test("a page counts its view and shows the number", { skip }, async () => {
  pages["/hello/"] = () => html(script('data-post="142"'), "<i data-views>–</i> <b data-views=142>–</b>");
  const page = await visit("/hello/");
  assert.deepEqual(await shown(page, ([first]) => first === "1"), ["1", "1"]);
  const again = await visit("/hello/");
  assert.deepEqual(await shown(again, ([first]) => first === "2"), ["2", "2"]);
  // One request each, without a preflight.
  assert.deepEqual(await pinged(2), ["POST /views/142", "POST /views/142"]);
  assert.equal(tally.asked().length, 2);
  assert.deepEqual(await page.$$eval("[data-views]", (all) => all.map((one) => one.dataset.viewsState)), ["known", "known"]);
  assert.deepEqual(page.errors, []);
});

test("a page without numbers loads nothing else, and has no request open", { skip }, async () => {
  pages["/bare"] = () => html(script(), "");
  const page = await visit("/bare");
  await page.waitForLoadState("networkidle", { timeout: 5000 });
  assert.deepEqual(await pinged(1), ["POST /views//bare"]);
  assert.equal(await page.$$eval("script", (all) => all.length), 1);
  assert.deepEqual(page.errors, []);
});

test("the post is the path of the page, as the page says it", { skip }, async () => {
  const canonical = (href) => html(`<link rel="canonical" href="${href}">${script()}`);
  const posts = {
    "/2026/a-post/": [html(script()), "/2026/a-post"],
    "/2026/b-post/index.html": [html(script()), "/2026/b-post"],
    "/c.html": [html(script()), "/c.html"],
    "/": [html(script()), "/"],
    "/index.html": [html(script()), "/"],
    "/d?utm=1#x": [canonical("https://blog.example/the-d/?a=b#c"), "/the-d"],
    "/e": [canonical("../relative/index.html"), "/relative"],
    "/caf%C3%A9/%E6%97%A5%E6%9C%AC": [html(script()), "/café/日本"],
    "/f": [html(script('data-post="/by/hand/"')), "/by/hand"],
    "/g": [html(script('data-post="https://other.example/whole/?q"')), "/whole"],
    "/h": [html(script('data-post="a/b?c#d e+f&g=%"')), "a/b?c#d e+f&g=%"],
  };
  for (const [path, [page]] of Object.entries(posts)) pages[path.split(/[?#]/)[0]] = () => page;
  for (const [path, [, post]] of Object.entries(posts)) {
    tally.forget();
    const page = await visit(path);
    assert.deepEqual(await shown(page, ([number]) => number === "1" || number === "2"), [post === "/" && path !== "/" ? "2" : "1"], path);
    assert.deepEqual(tally.pings(), [`POST /views/${post}`]);
    await page.context().close();
  }
});

test("query and fragment never leave the page, whatever its address", { skip }, async () => {
  for (const path of ["/plain", "/caf%E9", "/%", "/%ff/%zz/", "/%E0%A4%A", "/a%3Fb%23c", "/x;y=z"]) {
    tally.forget();
    const spelled = path.replace(/(?<=.)\/$/, "");
    let post = spelled;
    try {
      post = decodeURIComponent(post);
    } catch {}
    pages[path] = () => ({ body: html(script(), "<i data-views>–</i>"), headers: { "Referrer-Policy": "unsafe-url" } });
    const page = await visit(`${path}?token=secret#access_token=secret`);
    const [text] = await shown(page, ([text]) => text !== "–");
    assert.match(text, /^\d+$/, path);
    const requests = tally.raw();
    assert.deepEqual(requests.map(({ method, path }) => [method, path]), [["POST", `/views/${encodeURIComponent(post)}?at=${path}`]]);
    assert.doesNotMatch(JSON.stringify(requests), /secret/, path);
    await page.context().close();
  }
});

test("nor do they leave a frame that has its page in an attribute", { skip }, async () => {
  const inside = `<base href='about:srcdoc'><script>location.hash = 'access_token=secret'</script>${script('data-skip="0"')}<i data-views>–</i>`;
  pages["/srcdoc"] = () => html("", `<iframe srcdoc="${inside.replaceAll('"', "&quot;")}"></iframe>`);
  await visit("/srcdoc");
  assert.deepEqual(await pinged(1), ["POST /views/about:srcdoc"]);
  assert.doesNotMatch(JSON.stringify(tally.raw()), /secret/);
});

test("the numbers of other posts come in one request, as the language writes them", { skip }, async () => {
  await set("million", 1234567);
  await set("/with/path", 9007199254740991);
  const places = ["million", "", "/with/path/", "never-seen", "https://blog.example/with/path/?x"];
  const body = places.map((post) => `<i data-views="${post}">?</i>`).join("") + '<p lang="en_US"><i data-views="million">?</i></p>';
  pages["/list"] = () => html(script('data-post="lister"'), body, "de");
  const page = await visit("/list");
  const grouped = "9.007.199.254.740.991";
  const expected = ["1.234.567", "1", grouped, "0", grouped, "1234567"];
  assert.deepEqual(await shown(page, (texts) => texts.join() === expected.join()), expected);
  assert.deepEqual(tally.asked().sort(), ["GET /views?post=million&post=/with/path&post=never-seen", "POST /views/lister"]);
});

test("a list of any length is filled, a hundred at a time", { skip }, async () => {
  const posts = Array.from({ length: 230 }, (_, n) => `long-${n}`);
  pages["/archive"] = () => html(script('data-skip="1"'), posts.map((post) => `<i data-views="${post}">–</i>`).join(""));
  const page = await visit("/archive");
  const texts = await shown(page, (texts) => texts.every((text) => text === "0"));
  assert.ok(texts.every((text) => text === "0"));
  assert.equal(tally.asked().length, 3);
});

test("posts that look like something else are shown as text, and counted", { skip }, async () => {
  const attribute = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
  const hostile = [...HOSTILE, '"><script>alert(1)</script>', "javascript:alert(1)"];
  let post;
  pages["/hostile"] = () => html(script(`data-post="${attribute(post)}"`), `<i data-views="${attribute(post)}">–</i>`);
  const page = await visit("/");
  page.on("dialog", () => assert.fail(post));
  for (post of hostile) {
    tally.forget();
    await page.goto(`${blog.url}/hostile`);
    await until(tally.pings, ([ping]) => ping);
    assert.deepEqual(await shown(page, ([text]) => text !== "–"), ["1"], post);
  }
  assert.deepEqual(page.errors, []);
});

test("a script that is included twice counts once", { skip }, async () => {
  pages["/twice"] = () => html(script() + script() + script('data-post="other"'));
  await visit("/twice");
  // Whichever runs first: the order of `async` scripts is not told.
  const pings = await pinged(1);
  assert.equal(pings.length, 1);
  assert.match(pings[0], /^POST \/views\/(\/twice|other)$/);
});

test("a single-page site counts every post that it goes to", { skip }, async () => {
  pages["/one"] = () => html(script('data-post="1"'), "<h1>One</h1><i data-views>–</i>");
  const page = await visit("/one");
  await shown(page, ([text]) => text === "1");
  const push = (path, method = "pushState") =>
    page.evaluate(([path, method]) => history[method](null, "", path), [path, method]);
  await push("/two");
  assert.deepEqual(await pinged(2), ["POST /views/1", "POST /views//two"]);
  assert.deepEqual(await shown(page, ([text]) => text === "1"), ["1"]);

  // Not another post.
  await push("/two?page=2#there");
  await push("/two/", "replaceState");
  await push("/two#comments", "replaceState");
  assert.equal((await pinged(2)).length, 2);

  // What has come later is filled, too; what the site has taken over from the page before has
  // the number of this one.
  await set("3", 30);
  await page.evaluate(() => document.body.insertAdjacentHTML("beforeend", "<i data-views>–</i><i data-views=3>–</i>"));
  assert.deepEqual(await shown(page, (texts) => texts[2] === "30"), ["1", "1", "30"]);

  await page.goBack();
  await page.goBack();
  assert.deepEqual((await pinged(3)).slice(2), ["POST /views/1"]);
  assert.deepEqual(await shown(page, ([text]) => text === "2"), ["2", "2", "30"]);
  await page.goForward();
  assert.deepEqual((await pinged(4)).slice(3), ["POST /views//two"]);
  await push("/three", "replaceState");
  assert.deepEqual((await pinged(5)).slice(4), ["POST /views//three"]);
  assert.deepEqual(page.errors, []);
});

test("a single-page site that puts another tag in the place of the first is obeyed", { skip }, async () => {
  pages["/start"] = () => html("", script('data-skip="1"') + "<i data-views>–</i>");
  const page = await visit("/start");
  await shown(page, ([text]) => text === "0");
  const goTo = (path, tag) =>
    page.evaluate(([path, tag]) => {
      history.pushState(null, "", path);
      document.querySelector("script").outerHTML = tag;
    }, [path, tag]);
  await goTo("/swapped", script());
  assert.deepEqual(await pinged(1), ["POST /views//swapped"]);
  await goTo("/start", script('data-skip="1"'));
  await goTo("/again", script('data-skip="1"'));
  assert.deepEqual((await pinged(1)).length, 1);
  // Without any it goes on as it was told last.
  await goTo("/gone", "");
  assert.deepEqual((await pinged(1)).length, 1);
  assert.deepEqual(page.errors, []);
});

test("programs, frames and the author's own machine do not count, unless asked to", { skip }, async () => {
  await set("frame", 5);
  const body = '<i data-views="frame">–</i>';
  pages["/page"] = () => html(script('data-post="frame"'), body);
  pages["/asked"] = () => html(script('data-post="frame" data-skip="0"'), body);
  pages["/never"] = () => html(script('data-post="frame" data-skip="1"'), body);
  pages["/framing"] = () => html("", '<iframe src="/page"></iframe>');
  pages["/asking"] = () => html("", '<iframe src="/asked"></iframe>');
  const driven = await launch();
  const page = await driven.newPage({ userAgent: USER_AGENT });
  const file = join(temporaryFolder(), "page.html");

  for (const [path, origin, isCounted] of [
    ["/page", blog.url], ["/asked", blog.url, true],
  ]) {
    tally.forget();
    await page.goto(origin + path);
    const [text] = await until(() => numbers(page), ([text]) => text !== "–");
    assert.equal(tally.pings().length, isCounted ? 1 : 0, path);
    assert.equal(text, isCounted ? "6" : "5", path);
  }
  await driven.close();

  const own = (host) => `http://${host}:${blog.port}`;
  for (const [path, host, count] of [
    ["/page", own("localhost"), 0], ["/page", own("127.0.0.1"), 0], ["/asked", own("localhost"), 1],
    ["/never", blog.url, 0], ["/framing", blog.url, 0], ["/asking", blog.url, 1],
  ]) {
    tally.forget();
    const page = await visit(path, { host });
    const framed = page.frames().at(-1);
    await until(() => numbers(framed), ([text]) => text !== "–");
    assert.equal((await pinged(count)).length, count, host + path);
    assert.deepEqual(page.errors, []);
  }
  for (const [attributes, count] of [["", 0], ['data-skip="0"', 1]]) {
    tally.forget();
    writeFileSync(file, html(script(`data-post="frame" ${attributes}`), body));
    await visit("", { host: pathToFileURL(file).href });
    assert.equal((await pinged(count)).length, count, `file: ${attributes}`);
  }
});

test("a reader who leaves at once is counted", { skip }, async () => {
  pages["/left"] = () => html(script(`onload="location = '/next'"`));
  pages["/next"] = () => html("");
  const page = await visit("/left");
  await page.close();
  assert.deepEqual(await pinged(1), ["POST /views//left"]);
});

test("a Tally that fails leaves the page alone", { skip }, async () => {
  pages["/142"] = () => html(script('data-post="142"'), '<i data-views>–</i><i data-views="143">…</i>');
  const page = await visit("/");
  for (const [what, fail] of Object.entries(FAILURES)) {
    tally.forget(fail);
    await page.goto(`${blog.url}/142`);
    // The ping is not sent again; the number is read, where there is an answer.
    const lines = ["GET /views?post=143", "POST /views/142", ...(what === "does not answer" ? [] : ["GET /views?post=142"])].sort();
    // Chromium itself asks again where a connection breaks.
    const asked = await until(() => [...new Set(tally.asked())].sort(), (requests) => requests.length === lines.length);
    assert.deepEqual(asked, lines, what);
    await sleep(300);
    assert.deepEqual(await numbers(page), ["–", "…"], what);
    const state = what === "does not answer" ? "loading" : "failed";
    assert.deepEqual(await page.$$eval("[data-views]", (all) => all.map((one) => one.dataset.viewsState)), [state, state], what);
    assert.deepEqual(page.errors, [], what);
  }
});

test("no number stays when another post is shown and its own is not to be had", { skip }, async () => {
  pages["/stays"] = () => html(script());
  const page = await visit("/stays");
  assert.deepEqual(await shown(page, ([text]) => text === "1"), ["1"]);
  tally.forget(FAILURES["is down"]);
  await page.evaluate(() => history.pushState(null, "", "/goes"));
  assert.deepEqual(await shown(page, ([text]) => text === "–"), ["–"]);
  await page.goBack();
  assert.deepEqual(await shown(page, ([text]) => text === "1"), ["1"]);
  assert.deepEqual(page.errors, []);
});

test("who does not want to be tracked is counted once in a tab", { skip }, async () => {
  pages["/private"] = () => html(script());
  for (const name of ["globalPrivacyControl", "doNotTrack"]) {
    tally.forget();
    const init = `Object.defineProperty(navigator, "${name}", { value: ${name === "doNotTrack" ? '"1"' : true} })`;
    const page = await visit("/private", { init });
    await pinged(1);
    await page.reload();
    const [before] = await shown(page, ([text]) => text !== "–");
    assert.match(before, /^\d+$/);
    assert.equal((await pinged(1)).length, 1, name);
    const tab = await page.context().newPage();
    await tab.goto(`${blog.url}/private`);
    assert.equal((await pinged(2)).length, 2);
  }
  tally.forget();
  const page = await visit("/private");
  await pinged(1);
  await page.reload();
  assert.equal((await pinged(2)).length, 2);
});

test("a page that may not store anything counts all the same", { skip }, async () => {
  pages["/stored"] = () => ({ body: html(script("data-skip=0")), headers: { "Content-Security-Policy": "sandbox allow-scripts" } });
  const init = () => Object.defineProperty(navigator, "globalPrivacyControl", { value: true });
  const page = await visit("/stored", { init });
  assert.equal(await page.evaluate(() => { try { return localStorage.length; } catch (error) { return error.name; } }), "SecurityError");
  assert.equal((await pinged(1)).length, 1);
  assert.deepEqual(page.errors, []);
});

test("an author switches with #tally-skip whether to be counted, and is asked first", { skip }, async () => {
  pages["/own"] = () => html(script());
  const page = await visit("/own-blog");
  const said = [];
  let answer = "accept";
  page.on("dialog", (dialog) => (said.push(dialog.message()), dialog[answer]()));
  const asked = (count) => until(() => said, () => said.length >= count);
  const stored = () => page.evaluate(() => ({ ...localStorage }));

  // Who follows a link and does not agree is counted as before.
  answer = "dismiss";
  await page.goto(`${blog.url}/own?a=b#tally-skip`);
  await asked(1);
  assert.match(said[0], /stop counting/);
  assert.deepEqual(await pinged(1), ["POST /views//own"]);
  assert.deepEqual(await stored(), {});
  assert.equal(page.url(), `${blog.url}/own?a=b`);

  answer = "accept";
  tally.forget();
  await page.goto(`${blog.url}/own?again#tally-skip`);
  await asked(2);
  await shown(page, ([text]) => text !== "–");
  assert.deepEqual(await pinged(0), []);
  assert.deepEqual(await stored(), { "tally-skip": "1" });

  // On a page that is open already.
  await page.evaluate(() => (location.hash = "tally-skip"));
  await asked(3);
  assert.match(said[2], /count my visits again/);
  await page.goto(`${blog.url}/own?counted`);
  await pinged(1);
  assert.equal(said.length, 3);

  pages["/unstored"] = () => ({ body: html(script("data-skip=0")), headers: { "Content-Security-Policy": "sandbox allow-scripts allow-modals" } });
  await page.goto(`${blog.url}/unstored#tally-skip`);
  await asked(4);
  assert.match(said[3], /stores nothing/);
});

// A debugger switches prerendering and the back/forward cache off, and the shell has no background: these
// pages drive themselves and report to their server, until `isDone`.
const report = (what) => `fetch("/report?" + encodeURIComponent(JSON.stringify(${what})))`;
async function undriven(path, isDone) {
  const reports = [];
  pages["/report"] = (url) => {
    reports.push(JSON.parse(decodeURIComponent(url.search.slice(1))));
    return "";
  };
  const browser = await spawnBrowser(blog.url + path, `--user-agent=${USER_AGENT}`, "--disable-popup-blocking");
  try {
    return await until(() => reports, isDone, 20);
  } finally {
    await browser.stop();
  }
}

test("a prerendered page counts once it is shown", { skip }, async () => {
  const rules = JSON.stringify({ prerender: [{ urls: ["/ahead"], eagerness: "immediate" }] });
  const go = 'setTimeout(() => (location = "/ahead"), 2500)';
  pages["/before"] = () => html(`<script type="speculationrules">${rules}</script><script>${go}</script>`);
  const tell = `document.prerendering ? ${report('"prerendering"')} : setTimeout(() => ${report('"shown"')}, 500)`;
  pages["/ahead"] = () => html(`${script()}<script>${tell}; document.onprerenderingchange = () => ${report('"activated"')}</script>`);
  let early;
  const reports = await undriven("/before", (reports) => {
    if (!reports.includes("activated")) early = tally.asked();
    return reports.length > 1 && tally.pings().length;
  });
  assert.deepEqual(reports, ["prerendering", "activated"]);
  assert.deepEqual(early, []);
  assert.deepEqual(await pinged(1), ["POST /views//ahead"]);
});

test("a page in a background tab counts when it is shown", { skip: NO_WHOLE_BROWSER }, async () => {
  pages["/front"] = () => html('<script>open("/cover"); setTimeout(() => (location = "/behind"), 500)</script>');
  pages["/cover"] = () => html("<script>setTimeout(close, 3000)</script>");
  pages["/behind"] = () =>
    html(`${script()}<script>
      ${report('document.hidden ? "behind" : "in front"')};
      document.onvisibilitychange = () => ${report('"shown"')};
    </script>`);
  let early;
  const reports = await undriven("/front", (reports) => {
    if (!reports.includes("shown")) early = tally.asked();
    return reports.length > 1 && tally.pings().length;
  });
  assert.deepEqual(reports, ["behind", "shown"]);
  assert.deepEqual(early, []);
  assert.deepEqual(await pinged(1), ["POST /views//behind"]);
});

test("when it is told that it is in the background, as well", { skip }, async () => {
  pages["/behind"] = () => html(script());
  const init = () => {
    let hidden = true;
    Object.defineProperty(Document.prototype, "hidden", { get: () => hidden });
    self.show = () => {
      hidden = false;
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    };
  };
  const page = await visit("/behind", { init });
  assert.deepEqual(await pinged(0), []);
  await page.evaluate(() => self.show());
  assert.deepEqual(await pinged(1), ["POST /views//behind"]);
});

test("a page from the back/forward cache shows new numbers and does not count again", { skip: NO_WHOLE_BROWSER }, async () => {
  const tell = report("{ persisted, text: document.body.innerText }");
  pages["/kept"] = () =>
    html(`${script()}<script>
      onpageshow = ({ persisted }) => {
        if (!persisted) setTimeout(() => (location = "/after"), 1500);
        setTimeout(() => ${tell}, 1000);
      };
    </script>`);
  pages["/after"] = () => html("<script>setTimeout(() => history.back(), 1500)</script>");
  const counting = (async () => {
    await pinged(1);
    await request(tally.direct, "/views/%2Fkept", { method: "POST", headers: { "User-Agent": USER_AGENT } });
  })();
  const reports = await undriven("/kept", (reports) => reports.length > 1);
  await counting;
  assert.deepEqual(reports, [{ persisted: false, text: "1" }, { persisted: true, text: "2" }]);
  assert.deepEqual(await pinged(1), ["POST /views//kept"]);
});

test("when it is told that it comes from that cache, as well", { skip }, async () => {
  pages["/told"] = () => html(script());
  const page = await visit("/told");
  await shown(page, ([text]) => text === "1");
  await set("/told", 7);
  const restore = () => page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await restore();
  assert.deepEqual(await shown(page, ([text]) => text === "7"), ["7"]);
  assert.deepEqual(tally.asked(), ["POST /views//told", "GET /views?post=/told"]);
  // What was published before this reader was counted does not take the number back.
  await set("/told", 3);
  await sleep(1100);
  await restore();
  await until(tally.asked, (requests) => requests.length === 3);
  await sleep(700);
  assert.deepEqual([tally.asked().length, await numbers(page)], [3, ["7"]]);
  tally.forget(FAILURES["is down"]);
  await restore();
  await sleep(500);
  assert.deepEqual(await numbers(page), ["7"]);
  assert.deepEqual(page.errors, []);
});
