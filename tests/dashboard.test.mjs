// The owner's dashboard, in a real browser on the Worker as `npm start` serves it: that it shows what
// was counted, whatever posts are called and whatever the network does, to everybody.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { NO_BROWSER, launch } from "./browser.mjs";
import { startDev } from "./dev.mjs";
import { HOSTILE, ping, read, until } from "./visitors.mjs";
import { ROOT, request } from "./workerd.mjs";

const AXE = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const DAY = 86_400_000;
const hour = (ago) => new Date(Date.now() - ago * 3_600_000).toISOString().slice(0, 13);
const day = (ago) => new Date(Date.now() - ago * DAY).toISOString().slice(0, 10);
const English = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
const digits = (count) => count.toLocaleString("en-GB");
const NUMBERS = /\/(stats|top|history|views)\b/;
const SCREENS = ["light", "dark"].flatMap((colorScheme) => [320, 1280].map((width) => ({ colorScheme, width })));

const SOURCES = join(ROOT, "public");
const WORDS = join(SOURCES, "dashboard/words");
const words = (language) => JSON.parse(readFileSync(join(WORDS, `${language}.json`), "utf8"));
const LANGUAGES = ["de", "en", "es", "fr", "ja", "pt", "zh"];

test("no language lacks a text, or a place in one", () => {
  const places = (text) => text.match(/\{\w+\}/g)?.sort() ?? [];
  assert.deepEqual(readdirSync(WORDS).sort(), LANGUAGES.map((language) => `${language}.json`));
  const english = words("en");
  for (const language of LANGUAGES) {
    const texts = words(language);
    assert.deepEqual(Object.keys(texts), Object.keys(english), language);
    for (const [key, text] of Object.entries(texts)) {
      assert.deepEqual(places(text), places(english[key]), `${language}: ${key}`);
      assert.ok(text.trim().length > 0, `${language}: ${key}`);
    }
  }
  // And none is asked for that there is not.
  const files = ["dashboard.html", "dashboard.js", ...readdirSync(join(SOURCES, "dashboard")).filter((file) => file.endsWith(".js")).map((file) => `dashboard/${file}`)];
  const keys = files.flatMap((file) => [...readFileSync(join(SOURCES, file), "utf8").matchAll(/(?:\b(?:text|around)\(|data-text=)"([^"]+)"/g)].map(([, key]) => key));
  assert.ok(keys.length > 40);
  assert.deepEqual(keys.filter((key) => !(key in english)), []);
});

describe("the dashboard", { skip: NO_BROWSER }, () => {
  let tally, browser;
  before(async () => {
    [tally, browser] = await Promise.all([startDev({ vars: { ADMIN_TOKEN: "secret" } }), launch()]);
  });
  after(async () => {
    await browser?.close();
    await tally?.stop();
  });

  /** Opens the page; `problems` gathers what a page without faults does not do. */
  async function open(query = "", { width = 1280, height = 900, locale = "en-GB", prepare, ...options } = {}) {
    const page = await browser.newPage({ viewport: { width, height }, locale, ...options });
    page.setDefaultTimeout(5000);
    page.problems = [];
    page.on("console", (message) => message.type() === "error" && page.problems.push(message.text()));
    page.on("pageerror", (error) => page.problems.push(error.message));
    page.on("dialog", (dialog) => page.problems.push(dialog.message()) && dialog.dismiss());
    page.on("request", (asked) => {
      const { origin, protocol } = new URL(asked.url());
      if (origin !== tally.url && protocol !== "data:") page.problems.push(asked.url());
    });
    await prepare?.(page);
    await page.goto(`${tally.url}/dashboard${query}`);
    return page;
  }

  /** Uses a page, which must have no problems in the end. */
  async function visit(query, options, use) {
    const page = await open(query, options);
    try {
      await use(page);
      assert.deepEqual(page.problems, []);
    } finally {
      await page.close();
    }
  }

  /** Waits for an element to have a text. */
  async function shows(page, selector, text) {
    const found = await until(() => page.locator(selector).textContent(), (found) => found === text, 5);
    assert.equal(found, text, selector);
  }

  /** The top list as it is read: posts and their views. */
  const list = (page) => page.locator("#list button").evaluateAll((rows) =>
    rows.map((row) => [row.querySelector("bdi").textContent, row.querySelector("span span").textContent]));

  async function lists(page, rows) {
    const wanted = JSON.stringify(rows.map(([post, views]) => [post, digits(views)]));
    const found = await until(() => list(page), (found) => JSON.stringify(found) === wanted, 5);
    assert.equal(JSON.stringify(found), wanted);
  }

  /** The rows of the table, the latest day first, as a post's history has them. */
  async function tabulates(page, history) {
    const wanted = history.map(({ day, views }) => [English.format(new Date(day)), digits(views)]).reverse();
    const rows = () => page.locator("#days tr").evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
    const found = await until(rows, (found) => JSON.stringify(found) === JSON.stringify(wanted), 5);
    assert.deepEqual(found, wanted);
  }

  async function violations(page) {
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  }

  /** Whether all is reachable at any width: nothing sticks out to the side. */
  const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

  async function bring(records) {
    const body = records.map((record) => JSON.stringify(record)).join("\n");
    const headers = { Authorization: "Bearer secret" };
    const { status, body: told } = await request(tally.url, "/import?format=ndjson", { method: "POST", headers, body });
    assert.equal(status, 200, told);
  }

  test("has a policy without exceptions, and is not for search engines", async () => {
    const { headers, body } = await request(tally.url, "/dashboard");
    assert.match(headers["content-security-policy"], /^default-src 'none';/);
    assert.doesNotMatch(headers["content-security-policy"], /unsafe|\*|https?:/);
    assert.match(headers["content-security-policy"], /frame-ancestors 'none'/);
    assert.equal(headers["referrer-policy"], "no-referrer");
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.match(body, /<meta name="robots" content="noindex">/);
  });

  test("without JavaScript it says where the numbers are", () =>
    visit("", { javaScriptEnabled: false }, async (page) => assert.match(await page.locator("noscript p").filter({ visible: true }).textContent(), /\/stats/)));

  test("nothing counted yet: tells how to begin, and shows the first view by itself", () =>
    visit("", { permissions: ["clipboard-read", "clipboard-write"], prepare: (page) => page.clock.install() }, async (page) => {
      await page.locator("#start").waitFor();
      await shows(page, "#tag", `<script async src="${tally.url}/views.js"></script>`);
      assert.match((await request(tally.url, "/views.js")).headers["content-type"], /javascript/);
      await page.getByRole("button", { name: "Copy" }).click();
      await shows(page, "#copy", "Copied");
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await page.textContent("#tag"));
      for (const id of ["views", "today", "week", "posts"]) await shows(page, `#${id}`, "0");
      assert.deepEqual([await page.isVisible("#chart"), await page.isVisible("#top")], [false, false]);
      await ping(tally, "first", 1);
      await until(() => read(tally, "/stats"), ({ views }) => views === 1);
      await shows(page, "#views", "0");
      await page.clock.fastForward(66_000);
      await shows(page, "#views", "1");
      await lists(page, [["first", 1]]);
      assert.equal(await page.isVisible("#start"), false);
      await shows(page, "#readout", "1 view");
      assert.match(await page.getAttribute("#plot", "aria-label"), /^The whole site: 1 view in 30 days, the most on .* with 1, 1 today\.$/);
    }));

  test("nothing counted yet, for everybody", async () => {
    const nothing = { views: 0, posts: 0, not_counted: { bot: 3 }, kv: { writes: 0, budget: 900 }, adopted: null, published: null };
    const prepare = (page) => page.route(/\/stats/, (route) => route.fulfill({ json: nothing }));
    for (const screen of SCREENS) {
      await visit("", { ...screen, prepare }, async (page) => {
        await page.locator("#start").waitFor();
        assert.deepEqual(await violations(page), []);
        assert.equal(await overflow(page), 0);
      });
    }
  });

  describe("with views", () => {
    let stats;
    const long = "/2026/a-post-with-a-long-address-that-does-not-fit-into-a-line/of-a-phone/nor/of-a-desktop";
    before(async () => {
      await bring([
        { post: "old", views: 3_000_000_000 },
        { post: "month", views: 50_000, days: { [day(3)]: 1000, [day(20)]: 8000 } },
        { post: "week", views: 40_000, days: { [day(3)]: 7000 } },
        { post: "today", views: 9000, hours: { [hour(2)]: 500, [hour(0)]: 1 }, days: { [day(0)]: 501 } },
        { post: long, views: 12, days: { [day(29)]: 5, [day(1)]: 7 } },
        ...Array.from({ length: 8 }, (_, i) => ({ post: `p${i}`, views: 3 })),
      ]);
      for (let n = 0; n < 20; n++) await ping(tally, "pinged", n);
      for (let n = 0; n < 4; n++) await ping(tally, "pinged", n);
      for (let n = 0; n < 3; n++) await ping(tally, "pinged", n, { "User-Agent": "Googlebot/2.1" });
      await ping(tally, "pinged", 1, { "Sec-Purpose": "prefetch" });
      stats = await until(() => read(tally, "/stats"), ({ posts, not_counted: skipped }) =>
        posts === 15 && skipped.duplicate === 4 && skipped.bot === 3 && skipped.prefetch === 1);
    });

    test("the totals are what was counted", () =>
      visit("", {}, async (page) => {
        await shows(page, "#views", digits(1 + 3_000_000_000 + 50_000 + 40_000 + 9000 + 12 + 24 + 20));
        await shows(page, "#posts", "15");
        await shows(page, "#today", "522");
        const { days } = await read(tally, "/history");
        await shows(page, "#week", digits(days.slice(-7).reduce((sum, { views }) => sum + views, 0)));
        const { published } = await read(tally, "/stats");
        assert.equal(await page.getAttribute("#published time", "datetime"), published);
        assert.match(await page.textContent("#published"), /^Published now · \d+ \w+ \d{4}/);
      }));

    test("what was not counted, and why", () =>
      visit("", {}, async (page) => {
        const share = (count) => (count / 8).toLocaleString("en-GB", { style: "percent", maximumFractionDigits: 1 });
        await shows(page, "#skipped-sum", "8");
        const reasons = await page.locator("#reasons > div").evaluateAll((rows) =>
          rows.map((row) => [row.querySelector("code").textContent, row.querySelector("dd").textContent, row.querySelector(".quiet").textContent]));
        const occurred = Object.entries(stats.not_counted).filter(([, count]) => count);
        assert.deepEqual(reasons.map(([name, count]) => [name, count]), occurred.map(([name, count]) => [name, `${count} ${share(count)}`]));
        assert.equal(parseInt(Object.fromEntries(reasons).duplicate), 4);
        // Those that never occurred are one line.
        assert.match(await page.textContent("#never"), /^Never so far: .*Floods/);
        for (const [name, , meaning] of reasons) assert.ok(meaning.length > 30, name);
        // It is Tally's first day.
        const begun = new Date(stats.not_counted_since);
        assert.ok(Date.now() - begun < DAY, begun);
        await shows(page, "#skipped-since", `Since ${begun.toLocaleDateString("en-GB", { dateStyle: "medium" })}`);
      }));

    test("nothing is said of since when, where nobody knows", async () => {
      const prepare = (page) => page.route(/\/stats/, (route) => route.fulfill({ json: { ...stats, not_counted_since: undefined } }));
      await visit("", { prepare }, async (page) => {
        await shows(page, "#skipped-sum", "8");
        assert.equal(await page.textContent("#skipped-since"), "");
        assert.equal(await page.isVisible("#skipped-since"), false);
      });
    });

    test("who can add posts, which posts wait, and that the site cannot be read, in every language", async () => {
      const since = "2026-11-21T10:07:42Z";
      const site = { urls: ["https://blog.example", "https://two.example/blog"], waiting: 1 };
      const unreadable = { since, why: "status 503" };
      const answers = [{ new_posts: { from: "anyone", setting: "SITE_URL" } }, { site }, { site: { ...site, waiting: 1234, unreadable } }, { site: { ...site, waiting: 0, unreadable } }, { site: { ...site, waiting: 0 } }];
      for (const [language, locale] of Object.entries({ en: "en-GB", de: "de-DE", fr: "fr-FR", es: "es-ES", pt: "pt-BR", ja: "ja-JP", zh: "zh-CN" })) {
        const texts = words(language);
        const say = (key, values) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
        let answer;
        const prepare = (page) => page.route(/\/stats/, (route) => route.fulfill({ json: { ...stats, new_posts: undefined, ...answer } }));
        const page = await open("", { locale, prepare });
        /** Asks until an answer shows a text; one that is under way is the one before. */
        const tells = async (index, selector, text) => {
          answer = answers[index];
          const found = await until(() => page.evaluate((selector) => {
            dispatchEvent(new Event("online"));
            return document.querySelector(selector).textContent;
          }, selector), (found) => found === text, 5);
          assert.equal(found, text, locale);
        };
        await tells(0, "#open", say("open", { setting: "SITE_URL" }));
        assert.equal(await page.isVisible("#site"), false, locale);
        const one = texts[`site.waiting.${new Intl.PluralRules(locale).select(1)}`];
        await tells(1, "#site", one.replace("{n}", "1"));
        assert.equal(await page.textContent("#open"), say("closed", { sites: "https://blog.example, https://two.example/blog" }));
        const when = await page.evaluate(([tag, since]) => new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "short" }).format(new Date(since)), [locale, since]);
        const outage = `${say("site.unreadable", { when, why: "status 503" })} ${say("site.help", {})}`;
        await tells(2, "#site", `${outage} ${say("site.waiting.other", { n: (1234).toLocaleString(locale) })}`);
        assert.deepEqual(await violations(page), []);
        await tells(3, "#site", outage);
        await tells(4, "#site", "");
        assert.equal(await page.isVisible("#site"), false, locale);
        assert.deepEqual(page.problems, [], locale);
        await page.close();
      }
      for (const bad of [{ site: { urls: [1], waiting: 0 } }, { site: { urls: [], waiting: "3" } }, { site: { ...site, unreadable: { since: "soon", why: "x" } } }, { site: { ...site, unreadable: { since, why: {} } } }, { not_counted_since: 7 }]) {
        const prepare = (page) => page.route(/\/stats/, (route) => route.fulfill({ json: { ...stats, ...bad } }));
        const page = await open("", { prepare });
        await page.locator("#notice").waitFor();
        assert.match(await page.textContent("#trouble"), /^Tally’s answer cannot be read\./, JSON.stringify(bad));
        await page.close();
      }
    });

    test("the writes of the day, and what the takeover left", async () => {
      await visit("", {}, async (page) => {
        const { kv } = await read(tally, "/stats");
        await shows(page, "#writes", `${digits(kv.writes)} of ${digits(kv.budget)}`);
        assert.deepEqual(await page.locator("#meter").evaluate(({ value, max }) => ({ writes: value, budget: max })), kv);
        assert.equal(await page.isVisible("#adopted"), false);
      });
      const prepare = (page) => page.route(/\/stats/, (route) => route.fulfill({ json: { ...stats, adopted: { posts: 1, left: 12 } } }));
      await visit("", { prepare }, async (page) => {
        await page.locator("#adopted").waitFor();
        assert.match(await page.textContent("#adopted"), /^1 post was taken over from Workers KV .* 12 entries were left alone /);
      });
    });

    const TOP = {
      all: ["old", "month", "week", "today", "pinged", long, "p0", "p1", "p2", "p3"],
      month: ["month", "week", "today", "pinged", long, "first"],
      week: ["week", "month", "today", "pinged", long, "first"],
      day: ["today", "pinged", "first"],
    };
    const posts = async (page, period) => {
      const found = await until(() => list(page), (rows) => rows.map(([post]) => post).join() === TOP[period].join(), 5);
      assert.deepEqual(found.map(([post]) => post), TOP[period]);
      assert.equal(await page.locator("[name=period]:checked").inputValue(), period);
    };

    test("the top list of each period: by mouse, by keyboard, by address, and back", () =>
      visit("", {}, async (page) => {
        await posts(page, "all");
        await page.getByLabel("7 days").click();
        await posts(page, "week");
        assert.equal(new URL(page.url()).search, "?period=week");
        await lists(page, [["week", 7000], ["month", 1000], ["today", 501], ["pinged", 20], [long, 7], ["first", 1]]);
        await page.keyboard.press("ArrowRight");
        await posts(page, "day");
        assert.equal(new URL(page.url()).search, "?period=day");
        await page.keyboard.press("ArrowLeft");
        await page.keyboard.press("ArrowLeft");
        await posts(page, "month");
        await page.goBack();
        await posts(page, "week");
        await page.goBack();
        await posts(page, "day");
        await page.goBack();
        await page.goBack();
        await posts(page, "all");
        assert.equal(page.url(), `${tally.url}/dashboard`);
        await page.goForward();
        await posts(page, "week");
        await page.reload();
        await posts(page, "week");
        for (const odd of ["year", "__proto__", ""]) {
          await page.goto(`${tally.url}/dashboard?period=${odd}`);
          await posts(page, "all");
        }
      }));

    test("the chart: of the site, of a post that is clicked, typed or in the address", () =>
      visit("", {}, async (page) => {
        const site = (await read(tally, "/history")).days;
        const { days } = await read(tally, "/history?post=month");
        const label = (text) => until(() => page.getAttribute("#plot", "aria-label"), (label) => label.startsWith(text), 5);
        await tabulates(page, site);
        await shows(page, "#what", "The whole site");
        const ofSite = await drawing(page);
        assert.ok(ofSite.bars > 500, `${ofSite.bars} pixels of bars`);

        await page.locator("#list button").nth(1).click();
        await tabulates(page, days);
        await shows(page, "#what", "month");
        await shows(page, "#in-all", "50,000 views in all");
        await shows(page, "#readout", "9,000 views");
        await shows(page, "#older", "Older, or imported without dates: 41,000 views.");
        assert.equal(await label("month:"), `month: 9,000 views in 30 days, the most on ${English.format(new Date(day(20)))} with 8,000, 0 today.`);
        await shows(page, "#said", await label("month:"));
        assert.equal(new URL(page.url()).search, "?post=month");
        assert.equal(await page.title(), "month – Tally");
        assert.equal(await page.locator("#list [aria-pressed=true] bdi").textContent(), "month");
        const ofPost = await drawing(page);
        assert.ok(ofPost.bars > 100 && ofPost.image !== ofSite.image, "the post's bars");

        await page.getByLabel("Post", { exact: true }).fill("today");
        await page.keyboard.press("Enter");
        await tabulates(page, (await read(tally, "/history?post=today")).days);
        await shows(page, "#what", "today");
        await page.goBack();
        await shows(page, "#what", "month");
        assert.equal(await page.inputValue("#post"), "month");
        await tabulates(page, days);
        await page.getByRole("button", { name: "Whole site" }).click();
        await shows(page, "#what", "The whole site");
        await tabulates(page, site);
        assert.equal(page.url(), `${tally.url}/dashboard`);
        assert.equal(await page.evaluate(() => document.activeElement.id), "chart-title");

        await page.goto(`${tally.url}/dashboard?period=week&post=never-seen`);
        await shows(page, "#in-all", "No views have been counted for this post. Is it spelled as in the list?");
        await label("never-seen: 0 views in 30 days, 0 today.");
        await page.goto(`${tally.url}/dashboard?post=month`);
        await tabulates(page, days);
        await page.locator("#list [aria-pressed=true]").click();
        await shows(page, "#what", "The whole site");
      }));

    test("on a phone, a post that is chosen brings its chart into view", () =>
      visit("", { width: 320, height: 600, reducedMotion: "reduce" }, async (page) => {
        await posts(page, "all");
        await page.locator("#list button").last().click();
        await shows(page, "#what", "p3");
        const { y } = await page.locator("#chart").boundingBox();
        assert.ok(y >= 0 && y < 100, `the chart begins at ${y}`);
      }));

    test("the chart tells the day under the pointer, and follows size and colours", () =>
      visit("?post=today", { colorScheme: "light" }, async (page) => {
        await shows(page, "#readout", "501 views");
        const over = page.locator(".u-over");
        const { width, height } = await over.boundingBox();
        await over.hover({ position: { x: width - 12, y: height / 2 } });
        await shows(page, "#readout", `${English.format(new Date(day(0)))}: 501 views`);
        await page.mouse.move(0, 0);
        await shows(page, "#readout", "501 views");
        const light = await drawing(page);
        await page.emulateMedia({ colorScheme: "dark" });
        const dark = await until(() => drawing(page), ({ image }) => image !== light.image, 5);
        assert.ok(dark.bars > 20 && dark.image !== light.image, "drawn anew in dark");
        await page.setViewportSize({ width: 320, height: 700 });
        const fits = () => page.evaluate(() => document.querySelector("canvas").getBoundingClientRect().right <= document.querySelector("#plot").getBoundingClientRect().right);
        assert.ok(await until(fits, Boolean, 5), "the chart is as wide as its place");
        assert.equal(await overflow(page), 0);
      }));

    /** How many pixels of the chart have the bars' colour, and the whole picture. */
    const drawing = (page) => page.evaluate(() => {
      const canvas = document.querySelector("#plot canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const style = getComputedStyle(document.documentElement);
      const colours = ["--bar", "--today"].map((name) => style.getPropertyValue(name).trim()).map((bar) => [1, 3, 5].map((i) => parseInt(bar.slice(i, i + 2), 16)));
      let bars = 0;
      for (let i = 0; i < data.length; i += 4) {
        const isBar = ([r, g, b]) => Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12 && data[i + 3] > 100;
        if (colours.some(isBar)) bars++;
      }
      return { bars, image: canvas.toDataURL() };
    });

    test("a post that is none is refused beside the field, in words", async () => {
      const page = await open();
      await page.getByLabel("Post", { exact: true }).fill(":head");
      await page.getByRole("button", { name: "Show" }).click();
      const told = await until(() => page.textContent("#wrong"), Boolean, 5);
      assert.match(told, /^A post is 1 to 512 bytes/);
      assert.equal(await page.getAttribute("#post", "aria-invalid"), "true");
      assert.equal(await page.isVisible("#notice"), false);
      await page.getByLabel("Post", { exact: true }).fill("month");
      await page.keyboard.press("Enter");
      await shows(page, "#wrong", "");
      await shows(page, "#in-all", "50,000 views in all");
      await page.close();
    });

    const BROKEN = [
      ["no network", (route) => route.abort(), /^Tally does not answer\./],
      ["an error of a proxy", (route) => route.fulfill({ status: 502, body: "<h1>Bad gateway</h1>" }), /^Tally answers with an error \(502\)\./],
      ["an error of Tally", (route) => route.fulfill({ status: 503, json: { error: { code: "unpublished", message: "Workers <b>KV</b>" } } }), /^Tally answers with an error \(503\)\. Workers <b>KV<\/b>\./],
      ...["<html>", "", "null", "[]", "{}", '{"views":"<img>","posts":{},"days":[]}', '{"days":[{"day":"soon","views":1}],"posts":[{"post":1,"views":1}]}', '{"views":-1,"posts":1.5}'].map((body) =>
        [`garbage, ${body}`, (route) => route.fulfill({ status: 200, body }), /^Tally’s answer cannot be read\./]),
    ];
    test("keeps the last numbers where the network or the server fails, and tells", async () => {
      const page = await open("?post=month");
      const numbers = () => page.evaluate(() => [...document.querySelectorAll("#totals dd, #list bdi, #days td, #reasons dd, #writes")].map((element) => element.textContent));
      await shows(page, "#in-all", "50,000 views in all");
      await posts(page, "all");
      const before = await numbers();
      assert.ok(before.length > 50);
      for (const [name, handler, told] of BROKEN) {
        await page.route(NUMBERS, handler);
        await page.evaluate(() => dispatchEvent(new Event("online")));
        await page.locator("#notice").waitFor();
        assert.match(await page.textContent("#trouble"), told, name);
        assert.match(await page.textContent("#trouble"), /The numbers shown are the last ones received\.$/);
        assert.deepEqual(await numbers(), before, name);
        await page.unroute(NUMBERS);
        await page.getByRole("button", { name: "Try again" }).click();
        await page.locator("#notice").waitFor({ state: "hidden" });
      }
      const odd = [{ views: -1 }, { posts: 1.5 }, { views: 1e16 }, { views: "3" }, { kv: null }, { not_counted: { bot: "<b>" } }, { published: "soon" }, { adopted: 3 }];
      for (const answer of odd) {
        await page.route(/\/stats/, (route) => route.fulfill({ json: { ...stats, ...answer } }));
        await page.evaluate(() => dispatchEvent(new Event("online")));
        await page.locator("#notice").waitFor();
        assert.deepEqual(await numbers(), before, JSON.stringify(answer));
        await page.unroute(/\/stats/);
        await page.getByRole("button", { name: "Try again" }).click();
        await page.locator("#notice").waitFor({ state: "hidden" });
      }
      await page.route(NUMBERS, (route) => route.abort());
      await page.getByLabel("7 days").click();
      await shows(page, "#none", "This list could not be loaded.");
      assert.deepEqual(await list(page), []);
      assert.equal(await page.locator("script, img, iframe").count(), 1);
      await page.close();
    });

    test("asks every minute, and not while nobody looks", () =>
      visit("", { prepare: (page) => page.clock.install() }, async (page) => {
        let asked = 0;
        await posts(page, "all");
        page.on("request", (request) => (asked += /\/stats/.test(request.url())));
        const see = (state) => page.evaluate((state) => {
          Object.defineProperty(document, "visibilityState", { configurable: true, value: state });
          document.dispatchEvent(new Event("visibilitychange"));
        }, state);
        const settle = async () => {
          await page.clock.runFor(66_000);
          await page.waitForLoadState("networkidle");
        };
        await settle();
        assert.equal(asked, 1);
        await see("hidden");
        await settle();
        await settle();
        assert.equal(asked, 1);
        await see("visible");
        assert.equal(await until(() => asked, (asked) => asked === 2, 1), 2);
      }));

    test("a server that fails from the beginning, or is slow, is told, and asked again", async () => {
      const page = await open("", {
        prepare: async (page) => {
          await page.clock.install();
          await page.route(NUMBERS, (route) => route.abort());
        },
      });
      await page.locator("#notice").waitFor();
      assert.match(await page.textContent("#trouble"), /Trying again every minute/);
      assert.equal(await page.textContent("#views"), "");
      await page.unroute(NUMBERS);
      await page.clock.fastForward(66_000);
      await posts(page, "all");
      await page.locator("#notice").waitFor({ state: "hidden" });
      const held = [];
      await page.route(NUMBERS, (route) => void held.push(route));
      await page.reload();
      await until(() => held.length, (asked) => asked >= 3, 5);
      await page.clock.fastForward(6000);
      await shows(page, "#published", "Tally is taking a long time to answer.");
      for (const route of held) await route.continue();
      await posts(page, "all");
      await page.close();
    });

    test("for everybody: no violation that axe finds, nothing cut off, nothing jumps", async () => {
      for (const screen of SCREENS) {
        const query = `?post=${encodeURIComponent(long)}&period=month`;
        // Adds up how far what is seen is moved by what comes.
        const prepare = (page) => page.addInitScript(() => {
          globalThis.moved = 0;
          new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => (globalThis.moved += value))).observe({ type: "layout-shift", buffered: true });
        });
        await visit("", { ...screen, prepare }, async (page) => {
          await posts(page, "all");
          const moved = await page.evaluate(() => new Promise((resolve) => setTimeout(() => resolve(globalThis.moved), 100)));
          assert.ok(moved < 0.05, `moved by ${moved}`);
        });
        await visit(query, screen, async (page) => {
          await posts(page, "month");
          await shows(page, "#in-all", "12 views in all");
          await page.locator("summary").click();
          assert.deepEqual(await violations(page), []);
          assert.equal(await overflow(page), 0);
          await page.emulateMedia({ media: "print" });
          assert.equal(await overflow(page), 0);
        });
      }
      const prepare = (page) => page.route(NUMBERS, (route) => route.abort());
      const page = await open("", { prepare });
      await page.locator("#notice").waitFor();
      assert.deepEqual(await violations(page), []);
      await page.close();
    });

    test("with the keyboard alone, and the focus is always seen", () =>
      visit("", {}, async (page) => {
        await posts(page, "all");
        const walk = async () => {
          await page.keyboard.press("Tab");
          return page.evaluate(() => {
            const { activeElement: element } = document;
            const seen = element.matches("[type=radio]") ? element.nextSibling : element;
            const { outlineStyle, outlineWidth } = getComputedStyle(seen);
            return [element.id || element.value || element.textContent.trim(), outlineStyle !== "none" && parseFloat(outlineWidth) >= 2];
          });
        };
        const stops = [];
        for (let n = 0; n < 15; n++) stops.push(await walk());
        assert.deepEqual(stops.map(([stop]) => stop.split("3,000")[0]).slice(0, 6), ["Show as a table", "csv-days", "post", "Show", "all", "old"]);
        assert.deepEqual(stops.filter(([, seen]) => !seen), []);
        assert.equal(new Set(stops.map(([stop]) => stop)).size, 15);
        await page.keyboard.press("Enter");
        await shows(page, "#what", "p3");
        // The list is read again and the focus stays.
        await page.evaluate(() => dispatchEvent(new Event("online")));
        await page.keyboard.press("Shift+Tab");
        await page.keyboard.press("Space");
        await shows(page, "#what", "p2");
        await page.keyboard.press("Space");
        await shows(page, "#what", "The whole site");
      }));

    test("the focus stays on a post whose place changes", () =>
      visit("", { prepare: (page) => page.clock.install() }, async (page) => {
        let order = ["a", "b", "c"];
        await page.route(/\/top/, (route) => route.fulfill({ json: { period: "all", posts: order.map((post, i) => ({ post, views: 9 - i })) } }));
        await page.reload();
        await lists(page, [["a", 9], ["b", 8], ["c", 7]]);
        await page.locator("#list button").nth(1).focus();
        order = ["c", "a", "b"];
        await page.clock.fastForward(66_000);
        await lists(page, [["c", 9], ["a", 8], ["b", 7]]);
        assert.equal(await page.evaluate(() => document.activeElement.querySelector("bdi").textContent), "b");
      }));

    test("numbers and dates are the reader's", () =>
      visit("?post=month", { locale: "de-DE" }, async (page) => {
        await shows(page, "#in-all", "50.000 Aufrufe insgesamt");
        await shows(page, "#posts", "15");
        assert.match(await page.textContent("#published"), /^Veröffentlicht (jetzt|vor \d+ \p{L}+) · \d+\.\d+\.\d{4}/u);
        assert.match(await page.getAttribute("#plot", "aria-label"), /^month: 9\.000 Aufrufe in 30 Tagen/);
      }));

    test("words are in the browser's language, and in English where it is another", async () => {
      for (const [locale, language, lang] of [
        ["de-AT", "de", "de-AT"], ["fr-CA", "fr", "fr-CA"], ["es-MX", "es", "es-MX"], ["pt-BR", "pt", "pt-BR"],
        ["ja-JP", "ja", "ja-JP"], ["zh-CN", "zh", "zh-CN"], ["zh-TW", "en", "en"], ["nl-NL", "en", "en"],
      ]) {
        const requests = [];
        const prepare = (page) => page.on("request", (asked) => asked.url().includes("/words/") && requests.push(new URL(asked.url()).pathname));
        await visit("", { locale, prepare }, async (page) => {
          const texts = words(language);
          await shows(page, "#top-title", texts["top.title"]);
          const said = await page.$$eval("[data-text]", (all) => all.map((one) => [one.dataset.text, one.textContent]));
          assert.deepEqual(said.filter(([key, text]) => texts[key] !== text), [], locale);
          assert.equal(await page.evaluate(() => document.documentElement.lang), lang);
          const [never] = texts["skipped.never"].split("{");
          assert.ok((await until(() => page.textContent("#never"), (text) => text, 5)).startsWith(never), locale);
        });
        assert.deepEqual(requests, language === "en" ? [] : [`/dashboard/words/${language}.json`]);
      }
      // A language that cannot be had is no reason to show nothing.
      const prepare = (page) => page.route(/words/, (route) => route.fulfill({ status: 200, body: "<html>" }));
      const page = await open("", { locale: "de-DE", prepare });
      await shows(page, "#top-title", "Top posts");
      await posts(page, "all");
      await page.close();
    });

    test("titles, and links to http addresses only", async () => {
      const listed = [
        { post: "142", views: 9, title: "Hello <b>world</b>", url: "https://blog.example/2026/hello/" },
        { post: "143", views: 8, title: "Bad", url: "javascript:alert(1)" },
        { post: "/plain", views: 7 },
        { post: "145", views: 6, title: "Bad", url: "https://" },
        { post: "146", views: 5, title: "", url: "//evil.example/" },
      ];
      const prepare = (page) => page.route(/\/top/, (route) => route.fulfill({ json: { period: "all", posts: listed } }));
      await visit("", { prepare }, async (page) => {
        await lists(page, [["Hello <b>world</b>", 9], ["Bad", 8], ["/plain", 7], ["Bad", 6], ["146", 5]]);
        assert.deepEqual(await page.$$eval("a", (all) => all.map(({ href, rel, target }) => [href, rel, target])), [["https://blog.example/2026/hello/", "noreferrer", "_blank"]]);
        assert.deepEqual(await page.$$eval("#list small", (all) => all.map((one) => one.textContent)), ["142", "143", "145"]);
        await page.locator("#list button").first().click();
        await shows(page, "#what", "Hello <b>world</b>142");
        assert.equal(await page.getAttribute("#what a", "href"), "https://blog.example/2026/hello/");
        assert.equal(await page.title(), "Hello <b>world</b> – Tally");
        assert.equal(new URL(page.url()).searchParams.get("post"), "142");
        assert.deepEqual(await violations(page), []);
        assert.equal(await page.locator("#list b").count(), 0);
      });
      for (const bad of [{ title: 7 }, { url: {} }]) {
        const prepare = (page) => page.route(/\/top/, (route) => route.fulfill({ json: { period: "all", posts: [{ post: "a", views: 1, ...bad }] } }));
        const page = await open("", { prepare });
        await shows(page, "#none", "This list could not be loaded.");
        await page.close();
      }
    });

    test("an address that is pasted is understood", () =>
      visit("", {}, async (page) => {
        for (const [pasted, post] of [[`https://blog.example${long}/?utm_source=x#top`, long], [`${long}/index.html`, long], ["month", "month"], ["https://blog.example/caf%C3%A9/", "/café"]]) {
          await page.getByLabel("Post", { exact: true }).fill(pasted);
          await page.keyboard.press("Enter");
          await shows(page, "#what", post);
          assert.equal(new URL(page.url()).searchParams.get("post"), post);
        }
        await shows(page, "#in-all", "No views have been counted for this post. Is it spelled as in the list?");
      }));

    test("what is shown can be had as CSV, in which no cell is a formula", async () => {
      const listed = [{ post: "=1+1", views: 9, title: '"a",\n@b', url: "https://blog.example/,x" }, { post: "-2", views: 8 }, { post: "x;=1+1;", views: 7 }];
      const prepare = (page) => page.route(/\/top/, (route) => route.fulfill({ json: { period: "week", posts: listed } }));
      await visit("?post=month&period=week", { prepare }, async (page) => {
        const saved = async (id) => {
          await page.locator(`${id}:enabled`).waitFor();
          const [download] = await Promise.all([page.waitForEvent("download"), page.click(id)]);
          return [download.suggestedFilename(), readFileSync(await download.path(), "utf8")];
        };
        await shows(page, "#in-all", "50,000 views in all");
        const { days } = await read(tally, "/history?post=month");
        const lines = ["day,views", ...days.map(({ day, views }) => `${day},${views}`), ""].join("\r\n");
        assert.deepEqual(await saved("#csv-days"), ["tally-days.csv", `\ufeff${lines}`]);
        const list = `\ufeffpost,title,url,views\r\n'=1+1,"""a"",\n@b","https://blog.example/,x",9\r\n'-2,,,8\r\n"x;'=1+1;",,,7\r\n`;
        assert.deepEqual(await saved("#csv-top"), ["tally-week.csv", list]);
      });
    });

    test("every bar is seen, also today's, and no card leaves an empty place beside another", async () => {
      for (const colorScheme of ["light", "dark"]) {
        await visit("", { colorScheme }, async (page) => {
          await posts(page, "all");
          const contrasts = await page.evaluate(() => {
            const style = getComputedStyle(document.documentElement);
            const brightness = (name) => {
              const hex = style.getPropertyValue(name).trim().replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3");
              const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255).map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
              return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const contrast = (...names) => {
              const [dark, bright] = names.map(brightness).sort((a, b) => a - b);
              return (bright + 0.05) / (dark + 0.05);
            };
            return ["--bar", "--today"].map((name) => contrast(name, "--card"));
          });
          for (const contrast of contrasts) assert.ok(contrast >= 3, `${colorScheme}: ${contrasts}`);
          await page.getByLabel("24 hours").click();
          await posts(page, "day");
          const gap = (above, below) => page.evaluate(([above, below]) => document.querySelector(below).getBoundingClientRect().top - document.querySelector(above).getBoundingClientRect().bottom, [above, below]);
          assert.deepEqual([await gap("#chart", "#skipped"), await gap("#top", "#budget")], [20, 20]);
        });
      }
    });

    test("posts and reasons that look like something else are text", async () => {
      const records = HOSTILE.map((post, i) => ({ post, views: 9e9 - i, hours: { [hour(0)]: 1000 - i }, days: { [day(0)]: 1000 - i } }));
      await bring([...records, { post: '"><script>alert(1)</script>', views: 1e10, hours: { [hour(0)]: 2000 }, days: { [day(0)]: 2000 } }]);
      await until(() => read(tally, "/top?limit=1"), ({ posts }) => posts[0].views === 1e10);
      const reasons = { "<img src=x onerror=alert(2)>": Number.MAX_SAFE_INTEGER, constructor: 3, ["__proto__"]: 4 };
      const prepare = (page) => page.route(/\/stats/, (route) => route.fulfill({ body: JSON.stringify({ ...stats, not_counted: reasons }).replace("{", '{"__proto__":5,') }));
      await visit("", { prepare, width: 320 }, async (page) => {
        await lists(page, [['"><script>alert(1)</script>', 1e10], ...records.slice(0, 9).map(({ post, views }) => [post, views])]);
        assert.deepEqual(await page.locator("#reasons dt").allTextContents(), Object.keys(reasons));
        await shows(page, "#skipped-sum", "9,007,199,254,740,998");
        for (const { post, views } of [{ post: '"><script>alert(1)</script>', views: 1e10 }, ...records]) {
          await page.getByLabel("Post", { exact: true }).fill(post);
          await page.keyboard.press("Enter");
          await shows(page, "#what", post);
          await shows(page, "#in-all", `${digits(views)} views in all`);
          const label = await until(() => page.getAttribute("#plot", "aria-label"), (label) => label.startsWith(`${post}:`), 5);
          assert.ok(label.startsWith(`${post}: `), label);
          assert.equal(new URL(page.url()).searchParams.get("post"), post);
          assert.equal(await page.title(), `${post} – Tally`.replace(/^ | +(?= )/g, ""));
          assert.equal(await overflow(page), 0, post);
        }
        for (let row = 0; row < 10; row++) {
          await page.locator("#list button").nth(row).click();
          const [post] = (await list(page))[row];
          await shows(page, "#what", post);
          assert.equal(new URL(page.url()).searchParams.get("post"), post);
        }
        assert.deepEqual(await page.evaluate(() => [...document.scripts].map(({ src }) => new URL(src).pathname)), ["/dashboard.js"]);
        assert.equal(await page.locator("img, iframe, a, b, style").count(), 0);
      });
    });
  });
});
