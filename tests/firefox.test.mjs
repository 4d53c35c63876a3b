// The pages' scripts and the dashboard in Firefox, which is driven by WebDriver BiDi.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { FAILURES, html, startBlog, startTally } from "./blog.mjs";
import { NO_FIREFOX, launchFirefox } from "./browser.mjs";
import { read, until } from "./visitors.mjs";
import { ROOT, request } from "./workerd.mjs";

describe("in Firefox", { skip: NO_FIREFOX }, () => {
  const pages = {};
  let tally, blog, browser;
  before(async () => {
    if (NO_FIREFOX) return;
    tally = await startTally({ ADMIN_TOKEN: "secret" });
    blog = await startBlog((url) => pages[url.pathname]?.(url));
    browser = await launchFirefox();
  });
  beforeEach(() => tally?.forget());
  after(async () => {
    await browser?.close();
    blog?.stop();
    await tally?.stop();
  });

  const script = (attributes = "") => `<script async src="${tally.url}/views.js" ${attributes}></script>`;
  const numbers = (page) => page.$$eval("[data-views]", (all) => all.map((one) => one.textContent));
  const shown = (page, isRight) => until(() => numbers(page), isRight, 20);
  const pinged = async (...posts) => {
    const wanted = posts.map((post) => `POST /views/${post}`);
    assert.deepEqual(await until(tally.pings, (pings) => pings.length >= wanted.length, 20), wanted);
  };

  /** Shows a page to a reader whose browser nobody drives, as far as it tells; `errors` are those of the page. */
  async function visit(path, use, init) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    page.errors = [];
    // Firefox reports a request that fails as an error of the page, too.
    page.on("pageerror", ({ message }) => message.startsWith("Cross-Origin Request Blocked") || page.errors.push(message));
    await page.evaluateOnNewDocument(() => Object.defineProperty(Navigator.prototype, "webdriver", { get: () => false }));
    if (init) await page.evaluateOnNewDocument(init);
    try {
      await page.goto(/^http/.test(path) ? path : blog.url + path);
      await use(page);
      assert.deepEqual(page.errors, []);
    } finally {
      await context.close();
    }
  }

  async function set(post, views) {
    const path = `/views/${encodeURIComponent(post)}`;
    const headers = { Authorization: "Bearer secret" };
    assert.equal((await request(tally.direct, path, { method: "PUT", headers, body: `${views}` })).status, 200);
    await until(() => read({ url: tally.direct }, path), (told) => told.views === views);
  }

  test("a page counts its view, and shows its number and others", async () => {
    await set("other", 1234567);
    pages["/hello/"] = () => html(script(), '<i data-views>–</i><i data-views="other">–</i>', "de");
    await visit("/hello/?token=secret#access_token=secret", async (page) => {
      assert.deepEqual(await shown(page, (texts) => !texts.includes("–")), ["1", "1.234.567"]);
      assert.deepEqual(await page.$$eval("[data-views]", (all) => all.map((one) => one.dataset.viewsState)), ["known", "known"]);
      await pinged("/hello");
      assert.doesNotMatch(JSON.stringify(tally.raw()), /secret/);
    });
  });

  test("a single-page site counts what it goes to and comes back to, with and without the Navigation API", async () => {
    for (const init of [undefined, () => Reflect.deleteProperty(self, "navigation")]) {
      tally.forget();
      pages["/one"] = () => html(script('data-post="1"'));
      await visit("/one", async (page) => {
        await shown(page, ([text]) => text !== "–");
        await page.evaluate(() => history.pushState(null, "", "/two"));
        await pinged("1", "/two");
        await page.evaluate(() => history.back());
        await pinged("1", "/two", "1");
      }, init);
    }
  });

  test("who does not want to be tracked is counted once in a tab, and nothing else is stored", async () => {
    pages["/private"] = () => html(script());
    await visit("/private", async (page) => {
      await pinged("/private");
      await page.reload();
      await shown(page, ([text]) => text !== "–");
      await pinged("/private");
      assert.deepEqual(await page.evaluate(() => [{ ...localStorage }, { ...sessionStorage }, document.cookie]), [{}, { "tally/private": "1" }, ""]);
    }, () => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true }));
  });

  test("a Tally that fails leaves the page alone", async () => {
    pages["/142"] = () => html(script('data-post="142"'), '<i data-views>–</i><i data-views="143">…</i>');
    for (const what of ["is down", "answers 500", "answers null", 'answers {"post":"142","views":"7"}']) {
      tally.forget(FAILURES[what]);
      await visit("/142", async (page) => {
        const states = () => page.$$eval("[data-views]", (all) => all.map((one) => one.dataset.viewsState));
        assert.deepEqual(await until(states, (all) => all.every((state) => state === "failed"), 20), ["failed", "failed"], what);
        assert.deepEqual(await numbers(page), ["–", "…"], what);
      });
    }
  });

  test("the docs' lines for a strict policy count, and fill the list", async () => {
    const docs = readFileSync(join(ROOT, "docs/embed.md"), "utf8");
    const here = (text) => text.replaceAll("https://tally.you.workers.dev", tally.url);
    const tags = here(docs.match(/<script.* integrity=".*<\/script>/g).join("\n"));
    const policy = here(/^Content-Security-Policy: (.*)$/m.exec(docs)[1]);
    await set("/strictly/top", 2_000_000);
    const body = '<i data-views>–</i><ol data-top-views="1"></ol><a href="/strictly/top">The top</a>';
    pages["/strict"] = () => ({ headers: { "Content-Security-Policy": policy }, body: html(tags, body) });
    await visit("/strict", async (page) => {
      assert.deepEqual(await shown(page, ([text]) => text === "1"), ["1"]);
      assert.equal(await until(() => page.$eval("ol", (list) => list.textContent), (text) => text, 20), "The top 2,000,000");
    });
  });

  test("an image counts, and the dashboard tells", async () => {
    pages["/image"] = () => html("", `<img alt="" width="1" height="1" src="${tally.url}/views/%2Fimage%2F.gif">`);
    await visit("/image", async (page) => {
      await until(() => page.$eval("img", (image) => image.complete), Boolean);
      assert.equal(await page.$eval("img", (image) => image.naturalWidth), 1);
    });
    assert.equal((await until(() => read({ url: tally.direct }, "/views/%2Fimage"), ({ views }) => views === 1)).views, 1);
    await visit(`${tally.direct}/dashboard?post=%2Fimage`, async (page) => {
      const text = (id) => page.$eval(id, (one) => one.textContent);
      assert.equal(await until(() => text("#in-all"), (told) => told.startsWith("1 "), 20), "1 view in all");
      assert.ok((await page.$$eval("#list button", (all) => all.length)) > 0);
      assert.equal(await page.$$eval("#plot canvas", (all) => all.length), 1);
    });
  });
});
