// The WordPress plugin, as `npm run wordpress` zips it: uploaded, used and deleted in a browser, on a real
// WordPress, with the Worker behind it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unzipSync } from "fflate";
import { ROOT, say } from "../tools/shell.mjs";
import { NO_BROWSER, launch } from "./browser.mjs";
import { startDev } from "./dev.mjs";
import { startNetwork } from "./network.mjs";
import { until } from "./visitors.mjs";
import { EDITOR, NO_WORDPRESS, OWNER, startWordPress } from "./wordpress.mjs";
import { request } from "./workerd.mjs";

const PLUGIN = join(ROOT, "wordpress");
const ZIP = join(ROOT, "build/tally-views.zip");
const TOKEN = "correct-horse-battery-staple-9f8e7d6c";
const HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>Quote\'s & <b>bold</b>';
const READER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

const zip = () => spawnSync(process.execPath, [join(ROOT, "tools/wordpress.mjs")]);
const source = (name) => readFileSync(join(PLUGIN, name), "utf8");
const sources = (ending) => readdirSync(PLUGIN, { recursive: true }).filter((name) => name.endsWith(ending));

test("the zip holds the plugin in a folder, and is the same every time", () => {
  const digests = [1, 2].map(() => {
    const { status, stderr } = zip();
    assert.equal(status, 0, `${stderr}`);
    assert.match(`${stderr}`, /^tally: .*build\/tally-views\.zip \(\d+ KB\)\n$/);
    return createHash("sha256").update(readFileSync(ZIP)).digest("hex");
  });
  assert.equal(digests[0], digests[1]);
  // The date is the first that a zip can tell.
  assert.equal(readFileSync(ZIP).readUInt32LE(10), 0x00210000);
  const files = unzipSync(readFileSync(ZIP));
  for (const name of Object.keys(files)) assert.match(name, /^tally-views\/[\w./-]+$/);
  // What counts is the Worker's own script, behind a few bytes; its rest is as its hash says.
  const script = readFileSync(join(ROOT, "build/public/views.js"), "utf8");
  assert.ok(Buffer.from(files["tally-views/assets/views.js"]).toString().endsWith(script));
  const rest = createHash("sha256").update(files["tally-views/assets/views.js.rest.js"]).digest("base64");
  assert.ok(script.includes(`sha256-${rest}`));
  assert.equal(Buffer.from(files["tally-views/tally-views.php"]).toString(), source("tally-views.php"));
  assert.equal(Buffer.from(files["tally-views/LICENSE"]).toString(), readFileSync(join(ROOT, "LICENSE-MIT"), "utf8"));
});

test("the version is the same everywhere", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  assert.equal(/^ \* Version: +(\S+)$/m.exec(source("tally-views.php"))[1], version);
  assert.equal(/^Stable tag: (\S+)$/m.exec(source("readme.txt"))[1], version);
});

test("every text is in the template for translators", () => {
  const template = Buffer.from(unzipSync(readFileSync(ZIP))["tally-views/languages/tally-views.pot"]).toString();
  const known = [...template.matchAll(/^msgid(?:_plural)? (".*")$/gm)].map(([, text]) => JSON.parse(text));
  for (const name of [...sources(".php"), ...sources(".js")]) {
    const code = source(name);
    const texts = [...code.matchAll(/_[_en]\(\s*'(.*?)', (?:'(.*?)', \$\w+, )?'tally-views' \)/g)].flatMap(([, one, many]) => [one, many]);
    for (const text of texts) assert.ok(text === undefined || known.includes(text), text);
    assert.equal(code.match(/'tally-views' \)/g)?.length ?? 0, texts.length / 2, name);
    // Nothing is translated as another plugin's, or not at all.
    assert.equal(code.match(/\b(esc_html|esc_attr)?_[_enx]\(/g)?.length ?? 0, texts.length / 2, name);
  }
  for (const text of ["Post views", "popular", "Tally Views"]) assert.ok(known.includes(text), text);
  if (spawnSync("msgfmt", ["--version"]).status === 0) {
    const { status, stderr } = spawnSync("msgfmt", ["--check-format", "-o", "-", "-"], { input: template });
    assert.equal(status, 0, `${stderr}`);
  }
});

test("every text is there in every language", () => {
  const files = unzipSync(readFileSync(ZIP));
  const text = (name) => Buffer.from(files[`tally-views/languages/tally-views${name}`]).toString();
  /** The translations in a file of gettext, by context and text. */
  const read = (source) =>
    source.split(/\n{2,}/).slice(1).map((block) => ({
      id: [...block.matchAll(/^msg(?:ctxt|id|id_plural) (".*")$/gm)].map(([, part]) => JSON.parse(part)).join("\n"),
      texts: [...block.matchAll(/^msgstr(?:\[\d\])? (".*")$/gm)].map(([, part]) => JSON.parse(part)),
    }));
  const signs = (text) => [...new Set(text.match(/%(\d\$)?s/g))].sort().join();
  const wanted = read(text(".pot")).map(({ id }) => id).sort();
  for (const [language, plurals] of Object.entries({ de_DE: 2, fr_FR: 2, es_ES: 2, pt_BR: 2, ja: 1, zh_CN: 1 })) {
    const entries = read(text(`-${language}.po`));
    assert.deepEqual(entries.map(({ id }) => id).sort(), wanted, language);
    for (const { id, texts } of entries) {
      assert.ok(texts.every(Boolean) && [1, plurals].includes(texts.length), `${language}: ${id}`);
      for (const one of texts) assert.equal(signs(one), signs(id), `${language}: ${id}`);
    }
    for (const handle of ["editor", "admin"]) {
      const { "tally-views": data } = JSON.parse(text(`-${language}-tally-views-${handle}.json`)).locale_data;
      assert.ok(data["Show the views"][0] && data[""]["plural-forms"], language);
    }
  }
});

const skip = NO_WORDPRESS || NO_BROWSER;
if (skip) say(`skipping the WordPress tests: ${skip}`);

describe("on a real WordPress", { skip }, () => {
  let wp, tally, network, browser, owner;
  /** The IDs of posts by name. */
  let posts;
  /** What pages have alerted. */
  const alerts = [];

  before(async () => {
    zip();
    // The first launch unpacks the browser, and where temporary files go is another place meanwhile.
    browser = await launch();
    [wp, tally] = await Promise.all([startWordPress(), startDev({ vars: { DEDUPE_SECONDS: 0, ADMIN_TOKEN: TOKEN } })]);
    network = await startNetwork(tally.url);
    posts = wp.php(CONTENT);
    owner = await logIn(OWNER);
  });
  after(async () => {
    await browser?.close();
    network?.stop();
    await Promise.all([tally?.stop(), wp?.stop()]);
  });

  /** A page of a new visitor. */
  async function visitor() {
    const context = await browser.newContext({ userAgent: READER });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    page.on("dialog", (dialog) => {
      alerts.push(dialog.message());
      dialog.dismiss().catch(() => {});
    });
    return page;
  }

  async function logIn({ user, password }) {
    const page = await visitor();
    await page.goto(`${wp.url}/wp-login.php`);
    // The page takes the focus there after a while, wherever one is typing.
    await page.waitForFunction(() => document.activeElement.id === "user_login");
    await page.fill("#user_login", user);
    await page.fill("#user_pass", password);
    await Promise.all([page.waitForURL(/wp-admin/), page.click("#wp-submit")]);
    return page;
  }

  const admin = (page, path) => page.goto(`${wp.url}/wp-admin/${path}`);
  const open = (page, post) => page.goto(`${wp.url}/?page_id=${post}`);
  const view = (page, post) => page.goto(`${wp.url}/?p=${post}`);
  const settings = (page) => admin(page, "options-general.php?page=tally-views");

  /** Saves the settings with this address; what WordPress says. */
  async function saveUrl(url) {
    await settings(owner);
    await owner.fill("#tally_views_url", url);
    await Promise.all([owner.waitForURL(/settings-updated/), owner.click("#submit")]);
    return owner.locator(".notice p, .settings-error p").allTextContents();
  }

  /** What `work` asks the Worker, by method and path. */
  async function asked(work) {
    network.requests.length = 0;
    await work();
    return network.requests.map(({ method, path }) => `${method} ${path}`);
  }

  /** Does `work` while the Worker answers this, or what a function says for a path; null: while it is down. */
  async function answering(given, work) {
    network.answer = (response) => {
      const answer = typeof given === "function" ? given(response.req.url) : given;
      if (answer === null) return response.destroy();
      response.writeHead(answer.error ? 503 : 200, { "Content-Type": "application/json" });
      response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
    };
    try {
      return await work();
    } finally {
      network.answer = undefined;
    }
  }

  /** Sends the Worker a request as its owner. */
  const own = (method, path, body) => request(tally.url, path, { method, body, headers: { Authorization: `Bearer ${TOKEN}` } });
  /** Without the path that each says its page is at. */
  const pings = (requests) => requests.filter((request) => request.startsWith("POST")).map((request) => request.replace(/\?at=.*/, ""));
  const topOf = (requests) => requests.filter((request) => request.includes(" /top"));
  /** Nothing that is kept is fresh, and no failure is remembered. */
  const forget = () => wp.php("Tally_Views\\mark_stale(); delete_option('tally_views_health');");
  const cron = () => request(wp.local, "/wp-cron.php", { headers: { Host: wp.host } });
  /** Has cron fetch everything. */
  async function refresh() {
    forget();
    await cron();
  }
  const listed = async (page, scope = "article") =>
    (await page.locator(`${scope} ol.tally-top > li`).allTextContents()).map((text) => text.trim());
  /** Opens a page, and waits until its lists are as fresh as they get. */
  async function openLists(page, post) {
    await open(page, post);
    await page.waitForLoadState("networkidle");
  }
  /** How the Worker is, as the settings tell when they have asked. */
  async function status() {
    await owner.waitForSelector('[data-tally-status="asked"]');
    return owner.textContent(".tally-views-status");
  }

  test("the owner uploads and activates it", async () => {
    await admin(owner, "plugin-install.php?tab=upload");
    await owner.setInputFiles("#pluginzip", ZIP);
    await owner.click("#install-plugin-submit");
    await owner.click("text=Activate Plugin");
    await owner.waitForURL(/plugins\.php/);
    assert.equal(await owner.locator('tr.active[data-slug="tally-views"]').count(), 1);
    // Nothing is counted or shown before the Worker is set.
    const reader = await visitor();
    await view(reader, posts.shown);
    assert.equal(await reader.locator("script[src*='views.js'], [data-views], .tally-top").count(), 0);
    await owner.click('tr[data-slug="tally-views"] >> text=Settings');
    assert.match(await owner.textContent(".notice-warning"), /Nothing is counted yet/);
  });

  test("an address that cannot be the Worker's is refused, and one that is not is told", async () => {
    const refused = [
      "http://tally.example", "ftp://tally.example", "javascript:alert(1)", "https://", "https://a:b@tally.example", "https://ex ample",
      'https://a"><script>alert(1)</script>',
    ];
    for (const url of refused) {
      assert.match((await saveUrl(url)).join(), /not a Worker’s address/, url);
      assert.equal(await owner.inputValue("#tally_views_url"), "", url);
    }
    await saveUrl("  tally.example/views.js?x#y ");
    assert.equal(await owner.inputValue("#tally_views_url"), "https://tally.example");
    await saveUrl(`${wp.local}/`);
    assert.match(await status(), /has not answered for .*: The server at this address is not Tally/);
    assert.doesNotMatch((await saveUrl(`http://127.0.0.1:${network.port}/stats/`)).join(), /not a Worker’s address/);
    assert.equal(await owner.inputValue("#tally_views_url"), `http://127.0.0.1:${network.port}`);
    assert.match(await status(), /^Connected\. Views: 0, posts: 0 \(/);
    await answering(null, async () => {
      await settings(owner);
      assert.match(await status(), /^The Worker has not answered for 1 second: The connection to the Worker was interrupted\.$/);
    });
  });

  test("a reader's view is counted and shown", async () => {
    for (const views of ["1", "2"]) {
      const reader = await visitor();
      const requests = await asked(async () => {
        await view(reader, posts.shown);
        await reader.waitForFunction((views) => document.querySelector("[data-views]").textContent === views, views);
      });
      assert.deepEqual(pings(requests), [`POST /views/${posts.shown}`]);
      assert.equal(await reader.textContent("article .tally-views-label"), `Views: ${views}`);
      const script = reader.locator("script#tally-views-js");
      assert.equal(await script.getAttribute("data-post"), `${posts.shown}`);
      assert.notEqual(await script.getAttribute("async"), null);
      // It comes with the plugin, and knows the Worker from its tag.
      assert.match(await script.getAttribute("src"), /^http:\/\/blog\.example.*\/tally-views\/assets\/views\.js\?ver=/);
      assert.equal(await script.getAttribute("data-tally"), `http://127.0.0.1:${network.port}`);
      await reader.context().close();
    }
  });

  test("nobody else is", async () => {
    const editor = await logIn(EDITOR);
    const cases = [
      [editor, `?p=${posts.shown}`],
      [owner, `?p=${posts.shown}`],
      [owner, `?p=${posts.draft}&preview=true`],
      [owner, `?p=${posts.private}`],
      [await visitor(), `?p=${posts.locked}`],
      [await visitor(), "?p=999999"],
      [await visitor(), `?feed=rss2&p=${posts.shown}`],
      [await visitor(), ""],
    ];
    for (const [page, path] of cases) {
      const requests = await asked(async () => {
        await page.goto(`${wp.url}/${path}`, { waitUntil: "networkidle" }).catch((error) => assert.match(error.message, /Download|ERR_ABORTED/));
      });
      assert.deepEqual(pings(requests), [], path);
    }
    // They see the number, as it was published.
    await until(() => number(editor, posts.shown), (text) => text === "2", 45);
    assert.equal(await number(editor, posts.shown), "2");
    assert.equal(await editor.getAttribute("script#tally-views-js", "data-skip"), "1");
    // A cache has one page for all.
    const { body } = await request(wp.local, `/?p=${posts.shown}`, { headers: { Host: wp.host } });
    await editor.route(/[?]p=/, (route) => route.fulfill({ body, contentType: "text/html" }));
    assert.deepEqual(pings(await asked(() => view(editor, posts.shown).then(() => editor.waitForLoadState("networkidle")))), []);
    await editor.unroute(/[?]p=/);
    // Who has logged out is counted.
    await editor.goto(`${wp.url}/wp-login.php?action=logout`);
    await Promise.all([editor.waitForURL(/loggedout/), editor.click("a:has-text('log out')")]);
    assert.equal((await editor.context().cookies()).filter(({ name }) => name === "tally_views_uncounted").length, 0);
    await editor.context().close();
  });

  /** What a page shows as the views of its post, read afresh. */
  async function number(page, post) {
    await view(page, post);
    await page.waitForFunction(() => /\d/.test(document.querySelector("article [data-views]").textContent)).catch(() => {});
    return page.textContent("article [data-views]");
  }

  test("an editor is, once the owner wants it", async () => {
    await settings(owner);
    assert.equal(await owner.isChecked('[value="administrator"]'), true);
    await owner.uncheck('[value="editor"]');
    await Promise.all([owner.waitForURL(/settings-updated/), owner.click("#submit")]);
    assert.deepEqual(wp.php("return get_option('tally_views_settings')['uncounted'];"), ["administrator"]);
    const editor = await logIn(EDITOR);
    const requests = await asked(() => view(editor, posts.plain).then(() => editor.waitForLoadState("networkidle")));
    assert.deepEqual(pings(requests), [`POST /views/${posts.plain}`]);
    await settings(owner);
    await owner.check('[value="editor"]');
    await Promise.all([owner.waitForURL(/settings-updated/), owner.click("#submit")]);
  });

  /** The views of the posts, once all were told. */
  const TOP = { shown: 2, plain: 1, hostile: 7, old: 1234 };

  test("the most viewed posts are listed, and what is not a public post is not", async () => {
    wp.php(`$widget = ['title' => 'Most <i>viewed</i>', 'limit' => 2, 'period' => 'all', 'views' => true];
      update_option('widget_tally_top', [2 => $widget, '_multiwidget' => 1]);
      update_option('sidebars_widgets', ['wp_inactive_widgets' => [], 'side' => ['tally_top-2'], 'array_version' => 3]);`);
    const views = {
      [posts.hostile]: 7, [posts.old]: 1234, [posts.draft]: 90, [posts.private]: 91, [posts.locked]: 92, [posts.page]: 93,
      [posts.trashed]: 97, 999999: 94, "hello-world": 95, "<b>": 96,
    };
    const { status, body } = await own("POST", "/import", JSON.stringify(views));
    assert.equal(status, 200, body);
    // Every read is as old as it may be.
    for (const [period, least] of [["all", 12], ["week", 2], ["month", 2]]) {
      const told = async () => JSON.parse((await request(tally.url, `/top?limit=100&period=${period}`)).body).posts.length;
      assert.ok((await until(told, (found) => found >= least, 75)) >= least, period);
    }
    wp.php("delete_option('tally_views_top_all');");
    // The page is there before the list is: its browser has it fetched.
    assert.deepEqual(topOf(await asked(() => request(wp.local, `/?page_id=${posts.list}`, { headers: { Host: wp.host } }))), []);
    const reader = await visitor();
    assert.deepEqual(topOf(await asked(() => openLists(reader, posts.list))), ["GET /top?limit=100&period=all"]);
    const all = ["Old post 1,234 views", `${titleOf(HOSTILE)} 7 views`, "Shown 2 views", "Plain 1 view"];
    const shows = async () => {
      assert.deepEqual(await listed(reader), [...all, ...all.slice(0, 3).map((text) => text.replace(/ [\d,]+ views?$/, ""))]);
      assert.deepEqual(await listed(reader, "aside"), all.slice(0, 2));
    };
    await shows();
    assert.equal(await reader.textContent("aside h2, aside .widgettitle"), "Most <i>viewed</i>");
    const links = await reader.locator("article ol:first-of-type a").evaluateAll((found) => found.map((link) => link.href));
    assert.ok(links.includes(`${wp.url}/?p=${posts.old}`), links.join());
    // It is asked for once in five minutes, whoever comes; what is changed here shows at once.
    wp.php(`wp_update_post(['ID' => ${posts.shown}, 'post_password' => 'x']);`);
    assert.deepEqual(topOf(await asked(() => openLists(reader, posts.list))), []);
    assert.deepEqual((await listed(reader)).slice(0, 3), [all[0], all[1], all[3]]);
    wp.php(`wp_update_post(['ID' => ${posts.shown}, 'post_password' => '']);`);
    // Then cron fetches it, and no visitor has to.
    await refresh();
    assert.deepEqual(topOf(await asked(() => openLists(reader, posts.list))), []);
    await shows();
    assert.equal(await reader.locator("article img, article b, article script").count(), 0);
  });

  /** A title without its markup. */
  function titleOf(text) {
    return text.replace(/<script>.*<\/script>|<[^>]*>/g, "").replace("'", "’").replace('"', "“");
  }

  test("the shortcodes take attributes, and leave out what they cannot show", async () => {
    const html = (shortcode) => wp.php(`return do_shortcode(${JSON.stringify(shortcode)});`);
    const span = (post) => `<span class="tally-views" data-views="${post}">–</span>`;
    assert.equal(html(`[tally_views post='${posts.old}']`), span(posts.old));
    assert.equal(html(`[tally_views post='${posts.old}' label='1']`), `<span class="tally-views-label">Views: ${span(posts.old)}</span>`);
    const inLoop = `global $post; $post = get_post(${posts.fresh}); setup_postdata($post); return do_shortcode('[tally_views]');`;
    assert.equal(wp.php(inLoop), span(posts.fresh));
    for (const post of ["abc", "-1", "0", "1e3", "&quot;><b>", "1 2", "", 999999, posts.draft, posts.private]) assert.equal(html(`[tally_views post='${post}']`), "", post);
    const items = (attributes) => html(`[tally_top ${attributes}]`).split("<li ").length - 1;
    assert.deepEqual(["", "limit='3'", "limit='-1'", "limit='many'", "limit='1000'"].map(items), [4, 3, 1, 1, 4]);
    assert.match(html("[tally_top period='\\'><b>' views='no']"), /^<ol class="tally-top" [^<>]*>(<li class="tally-top-item"><a href="[^"<>]+">[^<>]+<\/a><\/li>){4}<\/ol>$/);
    const reader = await visitor();
    await openLists(reader, posts.week);
    assert.deepEqual(await listed(reader), ["Shown 2 views", "Plain 1 view", "Shown"]);
    // What only a script could fill is not in the feed.
    const feed = await request(wp.local, "/?feed=rss2", { headers: { Host: wp.host } });
    assert.match(feed.body, /<title>Shown<\/title>/);
    assert.doesNotMatch(feed.body, /data-views|views\.js/);
  });

  test("in a loop each post has its own views", async () => {
    const reader = await visitor();
    const requests = await asked(async () => {
      await open(reader, posts.loop);
      await reader.waitForFunction(() => [...document.querySelectorAll("article [data-views]")].every(({ textContent }) => /\d/.test(textContent)));
    });
    const numbers = reader.locator("article [data-views]");
    const shown = await numbers.evaluateAll((found) => found.map(({ dataset, textContent }) => [dataset.views, textContent]));
    assert.deepEqual(Object.fromEntries(shown), {
      [posts.old]: "1,234", [posts.shown]: "2", [posts.plain]: "1", [posts.hostile]: "7", [posts.fresh]: "0", [posts.blocks]: "0",
      [posts.locked]: "92",
    });
    assert.deepEqual(pings(requests), [`POST /views/${posts.loop}`]);
    assert.equal(requests.filter((request) => request.startsWith("GET /views?")).length, 1);
  });

  test("while the Worker is down the last good list stays, and it is left alone", async () => {
    const reader = await visitor();
    await openLists(reader, posts.list);
    const good = await listed(reader);
    assert.equal(good.length, 7);
    const error = { error: { code: "unavailable", message: "x" } };
    for (const answer of [null, "<html>Error 1101</html>", "[]", "null", error, { posts: "none" }, "x".repeat(3_000_000)]) {
      forget();
      await answering(answer, async () => {
        assert.equal(topOf(await asked(() => openLists(reader, posts.list))).length, 1);
        assert.deepEqual(await listed(reader), good);
        // That is remembered for everybody, cron included.
        assert.deepEqual(topOf(await asked(() => Promise.all([openLists(reader, posts.list), cron()]))), []);
        assert.deepEqual(await listed(reader), good);
      });
    }
    // The list is the Worker's: where it has none, there is none.
    const entry = (post, views) => ({ post, views });
    const nonsense = [
      "x", 1, null, {}, entry(5, 1), entry(`${posts.old}`, "9"), entry(`${posts.plain}`, -1), entry("1e3", 1), entry(`0${posts.plain}`, 4),
      entry(`${posts.hostile}`, 1e300), entry("9".repeat(30), 1), entry(`${posts.shown}\n`, 1), entry([], {}),
    ];
    forget();
    await answering({ posts: nonsense }, async () => {
      await openLists(reader, posts.list);
      await openLists(reader, posts.list);
      assert.deepEqual(await listed(reader), []);
      // A title over nothing is not shown.
      assert.equal(await reader.locator("aside").isVisible(), false);
    });
    // An empty list is kept for a minute only.
    assert.ok(wp.php("return Tally_Views\\fresh_until(get_option('tally_views_top_all')) - time();") <= 60);
    await refresh();
    await openLists(reader, posts.list);
    assert.deepEqual(await listed(reader), good);
  });

  test("no page and no screen waits for the Worker", async () => {
    forget();
    network.requests.length = 0;
    const Cookie = (await owner.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
    for (const path of ["/", `/?p=${posts.shown}`, `/?page_id=${posts.list}`]) {
      assert.equal((await request(wp.local, path, { headers: { Host: wp.host } })).status, 200, path);
    }
    for (const path of ["", "edit.php", "edit.php?post_type=page", "options-general.php?page=tally-views", "admin.php?import=tally-views", "widgets.php"]) {
      assert.equal((await request(wp.local, `/wp-admin/${path}`, { headers: { Host: wp.host, Cookie } })).status, 200, path);
    }
    assert.deepEqual(network.requests, []);
  });

  test("while the Worker is down the page keeps its placeholder", async () => {
    for (const answer of [null, "<html>", {}, { post: `${posts.shown}`, views: "<b>9</b>" }]) {
      const reader = await visitor();
      await answering(answer, async () => {
        await view(reader, posts.shown);
        await reader.waitForLoadState("networkidle");
        assert.equal(await reader.textContent("article .tally-views-label"), "Views: –");
      });
      await reader.context().close();
    }
  });

  const column = async (page) => {
    const cells = await page.locator("#the-list .column-tally_views").evaluateAll((found) =>
      found.map((cell) => [cell.closest("tr").id.replace("post-", ""), cell.innerText.trim()]),
    );
    return Object.fromEntries(cells);
  };

  test("cron keeps the views in post meta, and the lists of posts show them", async () => {
    wp.php("Tally_Views\\forget_views();");
    await admin(owner, "edit.php");
    assert.equal((await column(owner))[posts.old], "–\nNot known yet");
    const requests = await asked(refresh);
    assert.match(requests.find((request) => request.includes("/views?")), /^GET \/views\?post=\d+(&post=\d+)+$/);
    await admin(owner, "edit.php");
    const shown = await column(owner);
    for (const [name, views] of Object.entries(TOP)) assert.equal(shown[posts[name]].replace(",", ""), `${views}`, name);
    assert.equal(shown[posts.old], "1,234");
    assert.equal(shown[posts.fresh], "0");
    // What has not changed is not read again.
    wp.php("wp_clear_scheduled_hook('tally_views_refresh_soon'); Tally_Views\\refresh_soon();");
    assert.deepEqual((await asked(cron)).filter((request) => request.includes("/views?")), []);
    // It is sorted by number.
    await owner.click("th#tally_views a");
    await owner.waitForURL(/orderby=tally_views/);
    const names = async () => (await owner.locator("#the-list .row-title").allTextContents()).map((text) => text.trim());
    assert.deepEqual((await names()).slice(0, 2), ["Old post", "Locked"]);
    const first = await names();
    await owner.click("th#tally_views a");
    await owner.waitForURL(/order=asc/);
    assert.equal((await names()).at(-1), first[0]);
  });

  test("what the Worker tells of posts is checked before it is kept", async () => {
    const some = [posts.plain, posts.old].map((post) => [`${post}`, 3]);
    const hostile = { ...Object.fromEntries(some), [posts.hostile]: "<script>alert(1)</script>", [posts.shown]: -1, [posts.fresh]: 1e300, 999999: 5 };
    const told = (views) => (path) => (path.startsWith("/stats") ? { views: 1, posts: 1 } : path.startsWith("/views?") ? { views } : { posts: [], days: [] });
    const kept = () => wp.php("return array_map('Tally_Views\\known_views', [" + [posts.plain, posts.old, posts.hostile, posts.shown, posts.fresh].join() + "]);");
    for (const views of [hostile, "x", [1, 2, 3], undefined]) {
      await answering(told(views), refresh);
      assert.deepEqual(kept(), [1, 1234, 7, 2, 0]);
      assert.equal(wp.php("return Tally_Views\\health()['why'];"), "The server at this address is not Tally.");
    }
    await refresh();
    assert.deepEqual(kept(), [1, 1234, 7, 2, 0]);
  });

  test("posts are ordered by their views, in queries and in the REST API", async () => {
    const order = (args) => wp.php(`return get_posts(json_decode('${JSON.stringify({ fields: "ids", post_type: "post", ...args })}', true));`);
    const most = [posts.old, posts.locked, posts.hostile, posts.shown, posts.plain];
    const all = order({ orderby: "tally_views", numberposts: -1 });
    assert.deepEqual(all.slice(0, 5), most);
    assert.deepEqual(order({ orderby: "tally_views", order: "ASC", numberposts: -1 }).slice(-5), most.toReversed());
    assert.deepEqual(order({ orderby: { tally_views: "DESC", title: "ASC" }, numberposts: 2 }), most.slice(0, 2));
    // Posts that have no views yet are not lost.
    assert.ok(all.includes(posts.fresh));
    assert.notDeepEqual(order({ numberposts: 5 }), most);
    const answer = await request(wp.local, "/?rest_route=/wp/v2/posts&orderby=tally_views&per_page=3&_fields=id,tally_views", { headers: { Host: wp.host } });
    assert.deepEqual(JSON.parse(answer.body), [{ id: posts.old, tally_views: 1234 }, { id: posts.locked, tally_views: 92 }, { id: posts.hostile, tally_views: 7 }]);
  });

  test("a theme that reads a custom field goes on working", async () => {
    wp.php(`add_post_meta(${posts.old}, 'clicks', '2000'); update_option('tally_views_settings', ['mirror' => 'clicks'] + get_option('tally_views_settings'));
      Tally_Views\\forget_views();`);
    await refresh();
    assert.deepEqual(wp.php(`return [get_post_meta(${posts.old}, 'clicks', true), get_post_meta(${posts.hostile}, 'clicks', true), get_post_meta(${posts.fresh}, 'clicks', true)];`), ["2000", "7", ""]);
    wp.php("update_option('tally_views_settings', ['mirror' => ''] + get_option('tally_views_settings')); delete_post_meta_by_key('clicks');");
  });

  test("however many posts there are", async () => {
    wp.php(`for ($i = 0; $i < 240; $i++) wp_insert_post(['post_type' => 'page', 'post_status' => 'publish', 'post_title' => 'Page ' . $i]);
      foreach (['post', 'page'] as $type) update_user_meta(1, 'edit_' . $type . '_per_page', 300);`);
    const reads = (await asked(refresh)).filter((request) => request.startsWith("GET /views?"));
    assert.ok(reads.length >= 3);
    for (const request of reads) assert.ok(request.split("post=").length <= 101);
    await admin(owner, "edit.php?post_type=page");
    const cells = await column(owner);
    assert.equal(cells[posts.page], "93");
    assert.ok(Object.values(cells).length > 240 && Object.values(cells).every((text) => /^\d+$/.test(text)));
  });

  /** Changes settings as WordPress keeps them; the ones before. */
  const set = (changes) =>
    wp.php(`$before = get_option('tally_views_settings');
      update_option('tally_views_settings', json_decode('${JSON.stringify(changes)}', true) + $before);
      return $before;`);

  test("it speaks other languages", () => {
    const speak = (language) => wp.php(`load_textdomain('tally-views', WP_PLUGIN_DIR . '/tally-views/languages/tally-views-${language}.mo');
      return [__('Views: %s', 'tally-views'), _n('%s view', '%s views', 1, 'tally-views'), _n('%s view', '%s views', 5, 'tally-views'), _x('Post views', 'block title', 'tally-views')];`);
    assert.deepEqual(speak("de_DE"), ["Aufrufe: %s", "%s Aufruf", "%s Aufrufe", "Beitragsaufrufe"]);
    assert.deepEqual(speak("ja"), ["表示回数: %s", "表示回数 %s", "表示回数 %s", "投稿の表示回数"]);
  });

  test("the settings are kept as they were entered, or said to be wrong", async () => {
    await settings(owner);
    await owner.fill("#tally_views_addresses", "192.0.2.7\n2001:db8::/32 nonsense 192.0.2.0/x");
    await owner.fill("#tally_views_mirror", "_edit_lock");
    await owner.fill("#tally_views_prefix", "1");
    await owner.selectOption("#tally_views_place", "after");
    await owner.uncheck('[name="tally_views_settings[types][]"][value="page"]');
    await Promise.all([owner.waitForURL(/settings-updated/), owner.click("#submit")]);
    const said = (await owner.locator(".settings-error p").allTextContents()).join();
    for (const word of [/or network: nonsense/, /or network: 192\.0\.2\.0\/x/, /underscore/, /ends in a slash/]) assert.match(said, word);
    const { addresses, mirror, prefix, place, types } = wp.php("return get_option('tally_views_settings');");
    assert.deepEqual([addresses, mirror, prefix, place, types], [["192.0.2.7", "2001:db8::/32"], "", "", "after", ["post"]]);
    const reader = await visitor();
    // A page is counted no longer.
    assert.deepEqual(pings(await asked(() => openLists(reader, posts.page))), []);
    set({ types: ["post", "page"] });
    await open(reader, posts.page);
    await reader.waitForFunction(() => document.querySelector("article > .tally-views-placed:last-child [data-views]")?.textContent === "94");
    set({ place: "", addresses: [] });
  });

  test("plain permalinks are warned of, as a Worker with SITE_URL finds no post there", async () => {
    const warned = async () => {
      await settings(owner);
      return owner.locator(".notice-warning", { hasText: "Your permalinks are plain. If your Worker has SITE_URL set, it does not count new posts." }).count();
    };
    assert.equal(await warned(), 1);
    wp.php("update_option('permalink_structure', '/%postname%/');");
    try {
      assert.equal(await warned(), 0);
    } finally {
      wp.php("update_option('permalink_structure', ''); delete_option('rewrite_rules');");
    }
    // Without a Worker there is nothing to warn of yet.
    const { url } = set({ url: "" });
    assert.equal(await warned(), 0);
    set({ url });
  });

  test("on AMP pages addresses are not left out, as the settings say", async () => {
    const said = async () => {
      await settings(owner);
      return owner.locator("td:has(#tally_views_addresses) .description").allTextContents();
    };
    assert.equal((await said()).length, 1);
    wp.put("wp-content/mu-plugins/amp.php", "<?php function amp_is_request() { return false; }");
    try {
      assert.equal((await said())[1], "On AMP pages, views from these addresses are counted all the same.");
    } finally {
      wp.put("wp-content/mu-plugins/amp.php", "");
    }
  });

  test("who comes from an address that is left out is not counted", async () => {
    const networks = { "192.0.2.7": "192.0.2.7", "192.0.2.9": "192.0.2.0/28", "2001:db8::1": "2001:db8::/32", "::1": "::1", "10.9.8.7": "0.0.0.0/0" };
    const others = { "192.0.2.8": "192.0.2.7", "192.0.2.16": "192.0.2.0/28", "2001:db9::1": "2001:db8::/32", "::1": "0.0.0.0/0", x: "0.0.0.0/0", "1.2.3.4": "" };
    const isIn = (pairs) => wp.php(`$in = []; foreach (json_decode('${JSON.stringify(pairs)}', true) as $address => $network) $in[] = Tally_Views\\is_in_network($address, $network); return $in;`);
    assert.deepEqual(new Set(isIn(networks)), new Set([true]));
    assert.deepEqual(new Set(isIn(others)), new Set([false]));
    set({ addresses: ["127.0.0.1"] });
    const reader = await visitor();
    assert.deepEqual(pings(await asked(() => view(reader, posts.plain).then(() => reader.waitForLoadState("networkidle")))), []);
    set({ addresses: [] });
    await open(reader, posts.week);
    assert.deepEqual(await reader.context().cookies(), []);
  });

  test("a copy of the site does not count until its owner says so", async () => {
    const { home } = set({ home: "production other.example" });
    const reader = await visitor();
    const count = () => asked(() => view(reader, posts.blocks).then(() => reader.waitForLoadState("networkidle")));
    assert.deepEqual(pings(await count()), []);
    await admin(owner, "");
    assert.match(await owner.textContent(".tally-views-copy"), /looks like a copy of your site/);
    await Promise.all([owner.waitForNavigation(), owner.click("button:has-text('Count views here')")]);
    assert.equal(await owner.locator(".tally-views-copy").count(), 0);
    assert.equal(wp.php("return get_option('tally_views_settings')['home'];"), home);
    assert.equal(home, `production ${wp.host}`);
  });

  test("optimizers leave the script alone", async () => {
    const { body } = await request(wp.local, `/?p=${posts.plain}`, { headers: { Host: wp.host } });
    const [tag] = /<script[^>]*tally-views-js[^>]*>/.exec(body);
    for (const name of ['data-cfasync="false"', 'data-no-optimize="1"', 'data-no-defer="1"', "data-noptimize", "nowprocket", 'data-jetpack-boost="ignore"']) {
      assert.ok(tag.indexOf(name) > 0 && tag.indexOf(name) < tag.indexOf(" src="), `${name} in ${tag}`);
    }
    const filtered = (name, value) => wp.php(`return apply_filters('${name}', ${value});`);
    for (const name of ["rocket_exclude_js", "rocket_delay_js_exclusions", "litespeed_optimize_js_excludes", "perfmatters_delay_js_exclusions"]) {
      assert.deepEqual(filtered(name, "['a.js']"), ["a.js", "tally-views/assets/views"], name);
    }
    assert.deepEqual(filtered("sgo_js_async_exclude", "[]"), ["tally-views"]);
    assert.equal(filtered("autoptimize_filter_js_exclude", "'a.js'"), "a.js, tally-views/assets/views");
    assert.equal(filtered("autoptimize_filter_js_exclude", "''"), "tally-views/assets/views");
  });

  test("on AMP pages a picture counts", async () => {
    wp.put("amp.php", `<?php require __DIR__ . '/wp-load.php'; wp(); echo json_encode(apply_filters($_GET['filter'], []));`);
    const entries = async (filter, post) => JSON.parse((await request(wp.local, `/amp.php?filter=${filter}&p=${post}`, { headers: { Host: wp.host } })).body);
    const { "tally-views": entry } = await entries("amp_analytics_entries", posts.plain);
    const config = JSON.parse(entry.config);
    assert.deepEqual(config, (await entries("amp_post_template_analytics", posts.plain))["tally-views"].config_data);
    assert.equal(config.requests.view, `http://127.0.0.1:${network.port}/views/${posts.plain}.gif`);
    assert.deepEqual(config.transport, { beacon: false, xhrpost: false, image: true });
    for (const post of [posts.locked, posts.draft]) assert.deepEqual(await entries("amp_analytics_entries", post), [], post);
    // An administrator is not counted here either.
    const as = (user) => wp.put("amp-as.php", `<?php require __DIR__ . '/wp-load.php'; wp_set_current_user(get_user_by('login', '${user}')->ID); wp(); echo json_encode(apply_filters('amp_analytics_entries', []));`);
    as(OWNER.user);
    assert.equal((await request(wp.local, `/amp-as.php?p=${posts.plain}`, { headers: { Host: wp.host } })).body, "[]");
  });

  test("shortcodes of other plugins go on working where the owner wants that", () => {
    const html = (shortcode) => wp.php(`return do_shortcode('${shortcode}');`);
    const all = [`[views id="${posts.old}"]`, `[post-views id="${posts.old}"]`, '[wpp limit="2" range="all"]', "[koko_analytics_most_viewed_posts number=2 days=7]"];
    for (const shortcode of all) assert.equal(html(shortcode), shortcode);
    set({ legacy: true });
    for (const shortcode of all.slice(0, 2)) assert.match(html(shortcode), new RegExp(`Views: <span class="tally-views" data-views="${posts.old}"`));
    assert.equal(html(all[2]).split("<li ").length, 3);
    assert.match(html(all[3]), /data-tally-list="[^"]*limit=2[^"]*period=week/);
    set({ legacy: false });
  });

  test("the dashboard of WordPress shows the week", async () => {
    await refresh();
    await admin(owner, "");
    const widget = owner.locator("#tally_views");
    assert.equal(await widget.locator(".tally-week tr").count(), 7);
    assert.match(await widget.locator(".tally-week tr >> nth=6").textContent(), /[1-9]$/);
    assert.match(await widget.textContent(), /Most viewed in the last 7 days.*Connected/s);
    assert.equal(await widget.locator("text=Open the dashboard").getAttribute("href"), `http://127.0.0.1:${network.port}/dashboard`);
    const editor = await logIn(EDITOR);
    assert.equal(await editor.locator("#tally_views").count(), 1);
    await editor.context().close();
  });

  test("views that another plugin has counted are imported, once", async () => {
    const fields = [
      [posts.old, "5000"], [posts.old, "4000"], [posts.plain, " 77 "], [posts.hostile, "many"], [posts.shown, "0"], [posts.fresh, "1"],
      [987654, "8"],
    ];
    wp.php(`global $wpdb;
      foreach (json_decode('${JSON.stringify(fields)}') as [$post, $value])
        $wpdb->insert($wpdb->postmeta, ['post_id' => $post, 'meta_key' => 'post_views_count', 'meta_value' => $value]);
      add_post_meta(${posts.plain}, 'views', '<b>3</b>');
      add_post_meta(${posts.plain}, 'own"field', '1,078');`);
    await admin(owner, "import.php");
    await owner.click("text=Import post views >> xpath=ancestor::tr >> a");
    assert.match(await owner.textContent("form[data-tally-import]"), /Custom field post_views_count \(5 posts\)\s*Custom field views \(WP-PostViews\) \(1 post\)/);
    assert.deepEqual(await importFrom({ token: "wrong" }), ["This is not your Worker’s ADMIN_TOKEN."]);
    assert.deepEqual(await importFrom({ token: "two words" }), ["Enter your Worker’s ADMIN_TOKEN. It contains no spaces."]);
    const error = { error: { code: "adopting", message: "<b>Later</b>" } };
    assert.deepEqual(await answering(error, () => importFrom()), ["The import failed: The Worker cannot answer right now: Later"]);
    for (const answer of ["<html>", {}, { posts: "3" }]) {
      assert.deepEqual(await answering(answer, () => importFrom()), ["The import failed: The server at this address is not Tally."]);
    }
    for (let times = 0; times < 2; times++) {
      network.requests.length = 0;
      assert.deepEqual(await importFrom(), [`Posts imported: 3. Values skipped: 1. ${posts.hostile}: many`]);
      const [{ method, path, body }, ...others] = network.requests;
      assert.deepEqual([method, path, others], ["POST", "/import?mode=max", []]);
      assert.deepEqual(JSON.parse(body), { [posts.old]: "5000", [posts.plain]: "77", [posts.fresh]: "1" });
      assert.equal(await exact(posts.old), 5000);
      assert.equal(await exact(posts.plain), 77);
      assert.equal(await exact(posts.hostile), 7);
    }
    assert.deepEqual(await importFrom({ field: 'own"field' }), ["Posts imported: 1. Values skipped: 0."]);
    assert.equal(await exact(posts.plain), 1078);
    assert.deepEqual(await importFrom({ field: "no_such" }), ["Posts imported: 0. Values skipped: 0."]);
    await answering(null, async () => assert.match((await importFrom({ field: 'own"field' })).join(), /^The import failed: /));
    // The token is nowhere.
    assert.equal(await owner.inputValue("#tally_views_token"), "");
    assert.ok(!(await owner.content()).includes(TOKEN) && !wp.log().includes(TOKEN));
    assert.deepEqual(wp.php(rowsWith(TOKEN)), []);
    // The lists are fetched afresh.
    assert.equal(wp.php("return get_option('tally_views_top_all')['at'];"), 0);
  });

  /** Imports by the page's form; what it says then. */
  async function importFrom({ token = TOKEN, source, field = "", csv } = {}) {
    await admin(owner, "admin.php?import=tally-views");
    await owner.fill("#tally_views_token", token);
    await owner.fill('[name="field"]', field);
    if (source) await owner.check(`[name="source"][value="${source}"]`);
    if (csv) await owner.setInputFiles('[name="csv"]', { name: "posts.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
    await owner.click("#tally_views_import");
    await owner.waitForSelector("[data-tally-outcome] .notice");
    return (await owner.locator("[data-tally-outcome] .notice").allTextContents()).map((text) => text.trim());
  }

  test("the tables of other plugins and a CSV file are imported, once", async () => {
    const { old, plain, shown, fresh } = posts;
    wp.php(`global $wpdb;
      foreach ([
        "post_views (id bigint, type tinyint, period varchar(8), count bigint)" => "(${old}, 4, 'total', 6001), (${old}, 0, '20261101', 90000), (999999, 4, 'total', 3)",
        "popularpostsdata (postid bigint, day datetime, last_viewed datetime, pageviews bigint)" => "(${old}, NOW(), NOW(), 6002), (${plain}, NOW(), NOW(), 5)",
        "koko_analytics_post_stats (date date, path_id int, post_id int, visitors int, pageviews int)" => "('2026-11-01', 1, ${old}, 1, 3000), ('2026-11-02', 2, ${old}, 1, 3003), ('2026-11-02', 3, 0, 1, 7)",
        "statify (id int, created date, referrer varchar(255), target varchar(255))" => "(1, NOW(), '', '/?p=${fresh}'), (2, NOW(), '', '/?p=${fresh}'), (3, NOW(), '', '/nowhere/')",
      ] as $table => $rows) {
        $wpdb->query("CREATE TABLE {$wpdb->prefix}$table");
        $wpdb->query("INSERT INTO {$wpdb->prefix}" . strtok($table, ' ') . " VALUES $rows");
      }`);
    const imported = (posts, left) => [`Posts imported: ${posts}. Values skipped: ${left}`];
    const csv = `"Title","Views","URL"\n"Shown, with\na break","6,100","${wp.url}/?p=${shown}"\n${old},6 004\n"Home","12","${wp.url}/"\n`;
    const cases = [["post-views-counter", 1, old, 6001], ["popular-posts", 2, old, 6002], ["koko-analytics", 1, old, 6003], ["statify", 1, fresh, 2]];
    for (let times = 0; times < 2; times++) {
      for (const [source, count, post, views] of cases) {
        assert.deepEqual(await importFrom({ source }), [`${imported(count, 0)}.`], source);
        if (!times) assert.equal(await exact(post), views, source);
      }
      const [said] = await importFrom({ csv });
      assert.ok(said.startsWith(`${imported(2, 2)}. "Title","Views","URL"; "Home"`), said);
      assert.deepEqual(await Promise.all([old, shown, plain, fresh].map(exact)), [6004, 6100, 1078, 2]);
    }
    assert.deepEqual(wp.php(String.raw`return array_map('Tally_Views\count_of', ['1534', '1,534', '1.534.000', ' 12 ', '1 534', '1,5', '1,534.5', '-1', '', 'x', '1e3']);`),
      [1534, 1534, 1534000, 12, 1534, null, null, null, null, null, null]);
  });

  /** A post's views in the Worker, with those that are not published yet. */
  async function exact(post) {
    const { body } = await own("GET", "/export?format=json");
    return JSON.parse(body).posts.find((found) => found.post === `${post}`).views;
  }

  test("an import needs the form's nonce and the right to it", async () => {
    /** What the API answers a user's browser, with what only the pages know or without it. */
    async function sent(page, hasNonce) {
      const Cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
      const ask = (path, more) => request(wp.local, path, { headers: { Host: wp.host, Cookie, ...more?.headers }, ...(more && { method: "POST", body: more.body }) });
      const nonce = hasNonce ? (await ask("/wp-admin/admin-ajax.php?action=rest-nonce")).body : "";
      const headers = { "Content-Type": "application/json", "X-WP-Nonce": nonce };
      return (await ask("/?rest_route=/tally-views/v1/import", { headers, body: JSON.stringify({ source: "field:post_views_count", token: TOKEN }) })).status;
    }
    const editor = await logIn(EDITOR);
    network.requests.length = 0;
    assert.deepEqual([await sent(owner, false), await sent(editor, false), await sent(editor, true)], [403, 403, 403]);
    assert.deepEqual(network.requests, []);
    assert.equal(await sent(owner, true), 200);
    await settings(editor);
    assert.match(await editor.textContent("body"), /not allowed/);
  });

  test("a big site is imported in parts", async () => {
    wp.php(`global $wpdb;
      $wpdb->query("INSERT INTO $wpdb->posts (ID, post_type, post_title, post_content, post_excerpt, to_ping, pinged, post_content_filtered)
        SELECT seq, 'hidden', '', '', '', '', '', '' FROM seq_100000_to_111999");
      $wpdb->query("INSERT INTO $wpdb->postmeta (post_id, meta_key, meta_value) SELECT ID, 'view_count', ID FROM $wpdb->posts WHERE ID >= 100000");`);
    network.requests.length = 0;
    let parts = 0;
    // It breaks off, and goes on from there.
    network.answer = (response) => {
      if (parts++) return response.destroy();
      response.writeHead(200, { "Content-Type": "application/json" }).end('{"posts":5000}');
    };
    const [error, soFar] = await importFrom({ source: "field:view_count" });
    network.answer = undefined;
    // With another prefix it would begin anew.
    const broken = (prefix) => Object.keys(wp.php(`add_filter('option_tally_views_settings', function ($set) { return ['prefix' => '${prefix}'] + $set; });
      return (object) Tally_Views\\broken_imports();`));
    assert.deepEqual(broken(""), ["field:view_count"]);
    assert.deepEqual(broken("other/"), []);
    assert.match(error, /^The import failed: /);
    assert.match(soFar, /^Posts imported: 5,000\..*Import again to continue\. Nothing is counted twice\.$/);
    network.requests.length = 0;
    assert.deepEqual(await importFrom({ source: "field:view_count" }), ["Posts imported: 7,000. Values skipped: 0."]);
    assert.deepEqual(network.requests.map(({ body }) => Object.keys(JSON.parse(body)).length), [5000, 2000]);
    assert.equal(await exact(111999), 111999);
  });

  test("the blocks stand in the editor, and on the page", async () => {
    const complaints = [];
    owner.on("console", (message) => {
      // The pictures of WordPress.org are out of reach.
      if (message.type() === "error" && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
    });
    owner.on("pageerror", (error) => complaints.push(error.message));
    await admin(owner, `post.php?post=${posts.blocks}&action=edit`);
    await owner.waitForFunction(() => window.wp?.data?.select("core/block-editor")?.getBlockCount() > 0);
    // Newer versions have the post in a frame.
    const frame = "iframe[name=editor-canvas]";
    const canvas = async () => ((await owner.locator(frame).count()) ? owner.frameLocator(frame) : owner);
    await owner.evaluate(() => {
      const { createBlock } = window.wp.blocks;
      window.wp.data.dispatch("core/block-editor").insertBlocks([createBlock("tally-views/views"), createBlock("tally-views/top", { limit: 3 })]);
    });
    // The editor has no script that counts, and shows numbers all the same.
    await (await canvas()).locator('[data-type="tally-views/views"] .tally-views').waitFor();
    assert.match(await (await canvas()).locator('[data-type="tally-views/views"] .tally-views').textContent(), /^[0-9]+$/);
    const offered = await owner.evaluate(() => window.wp.blocks.getBlockVariations("core/query", "inserter").some(({ name }) => name === "tally-views/most-viewed"));
    assert.ok(offered);
    assert.deepEqual(wp.php("return apply_filters('widget_types_to_hide_from_legacy_widget_block', []);"), ["tally_top"]);
    await (await canvas()).locator('[data-type="tally-views/top"] li').nth(2).waitFor();
    assert.deepEqual(await owner.evaluate(() => window.wp.data.select("core/block-editor").getBlocks().filter(({ isValid }) => !isValid).length), 0);
    await owner.evaluate(() => {
      const { clientId } = window.wp.data.select("core/block-editor").getBlocks().find(({ name }) => name === "tally-views/top");
      return window.wp.data.dispatch("core/block-editor").selectBlock(clientId);
    });
    await owner.evaluate(() => window.wp.data.dispatch("core/edit-post").openGeneralSidebar("edit-post/block"));
    await owner.selectOption(".block-editor-block-inspector select >> nth=0", "month");
    await owner.evaluate(() => window.wp.data.dispatch("core/editor").savePost());
    await owner.waitForFunction(() => {
      const editor = window.wp.data.select("core/editor");
      return !editor.isSavingPost() && !editor.isEditedPostDirty();
    });
    const saved = wp.php(`return get_post(${posts.blocks})->post_content;`);
    assert.match(saved, /<!-- wp:tally-views\/views \/-->\s*<!-- wp:tally-views\/top \{"limit":3,"period":"month"\} \/-->/);
    assert.deepEqual(complaints, []);
    await admin(owner, "");

    const reader = await visitor();
    await view(reader, posts.blocks);
    await reader.waitForFunction(() => document.querySelector(".wp-block-tally-views-views [data-views]").textContent === "1");
    await reader.waitForFunction(() => !document.querySelector(".wp-block-tally-views-top ol").hidden);
    // What was imported has no day.
    assert.deepEqual(await listed(reader, ".wp-block-tally-views-top"), ["Shown 2 views", "Plain 1 view"]);
  });

  test("the editor and the screens speak German", async () => {
    wp.php("wp_update_user(['ID' => 1, 'locale' => 'de_DE']);");
    try {
      await admin(owner, `post.php?post=${posts.blocks}&action=edit`);
      await owner.waitForFunction(() => window.wp?.data?.select("core/block-editor")?.getBlockCount() > 0);
      await owner.evaluate(() => {
        const { dispatch } = window.wp.data;
        dispatch("core/preferences").set("core/edit-post", "welcomeGuide", false);
        // Newer versions have it elsewhere.
        const [editor] = ["core/edit-post", "core/editor"].map(dispatch).filter((store) => store.setIsInserterOpened);
        editor.setIsInserterOpened(true);
      });
      await owner.fill(".block-editor-inserter__menu input[type=search]", "beliebt");
      await owner.locator(".block-editor-block-types-list__item-title", { hasText: "Meistgelesene Beiträge" }).first().waitFor();
      await owner.evaluate(() => {
        const { clientId } = window.wp.data.select("core/block-editor").getBlocks().find(({ name }) => name === "tally-views/top");
        window.wp.data.dispatch("core/edit-post").openGeneralSidebar("edit-post/block");
        return window.wp.data.dispatch("core/block-editor").selectBlock(clientId);
      });
      const sidebar = owner.locator(".block-editor-block-inspector");
      assert.equal((await sidebar.locator(".block-editor-block-card__title").textContent()).trim(), "Meistgelesene Beiträge");
      assert.deepEqual(await sidebar.locator("select").first().locator("option").allTextContents(), ["Gesamter Zeitraum", "Letzte 24 Stunden", "Letzte 7 Tage", "Letzte 30 Tage"]);
      await sidebar.getByText("Beitragsbilder anzeigen").waitFor();
      assert.match((await importFrom({ field: "no_such" })).join(), /^Importierte Beiträge: 0\. Übersprungene Werte: 0\.$/);
    } finally {
      wp.php("wp_update_user(['ID' => 1, 'locale' => '']);");
    }
  });

  test("the widget is set up by its form", () => {
    const html = wp.php("$widget = new Tally_Views\\Top_Widget(); ob_start(); $widget->form([]); return ob_get_clean();");
    for (const name of ["title", "limit", "period", "views"]) assert.match(html, new RegExp(`name="widget-tally_top\\[[^"]*\\]\\[${name}\\]"`));
    const saved = (sent) => wp.php(`return (new Tally_Views\\Top_Widget())->update(json_decode('${JSON.stringify(sent)}', true), []);`);
    const plain = { thumbnail: false, author: false, type: "", category: "" };
    const odd = { title: "<b>x</b>", limit: "999", period: "never" };
    assert.deepEqual(saved(odd), { title: "x", limit: 50, period: "all", views: false, ...plain });
    const set = { title: "", limit: "-3", period: "day", views: "1" };
    assert.deepEqual(saved(set), { title: "", limit: 1, period: "day", views: true, ...plain });
  });

  test("a loop is ordered by views, and the list takes a category, a type, authors", async () => {
    const loop = '<!-- wp:query {"query":{"perPage":3,"postType":"post","orderBy":"tally_views","order":"desc","inherit":false}} --><div><!-- wp:post-template --><!-- wp:post-title /--><!-- /wp:post-template --></div><!-- /wp:query -->';
    const html = wp.php(`return do_blocks('${loop}');`);
    assert.deepEqual([...html.matchAll(/<h2[^>]*>([^<]*)/g)].map(([, title]) => title).slice(0, 2), ["Old post", "Protected: Locked"]);
    wp.php(`wp_set_post_terms(${posts.plain}, [wp_create_category('News')], 'category');`.replace("wp_set", "require_once ABSPATH . 'wp-admin/includes/taxonomy.php'; wp_set"));
    const list = (attributes) => wp.php(`return do_shortcode('[tally_top period="week" ${attributes}]');`);
    assert.match(list('category="news"'), /^<ol [^>]*><li [^>]*><a [^>]*>Plain<\/a> <span class="tally-top-views">\d+ views?<\/span><\/li><\/ol>$/);
    assert.match(list('type="page" limit="1"'), /\?page_id=\d+">/);
    assert.match(list('author="yes" limit="1" views="no"'), /<\/a> <span class="tally-top-author">by owner<\/span>/);
    for (const attributes of ['category="none"', 'type="attachment"', 'type="revision"']) assert.match(list(attributes), /^<ol [^>]*hidden[^>]*><\/ol>$/);
  });

  test("what would stay in posts is taken out before the plugin is deleted", async () => {
    const LOAD = "require_once WP_PLUGIN_DIR . '/tally-views/includes/clean.php';";
    // An event handler would remain of the first one, if all between its brackets were removed.
    const attributes = [
      "<a title='[tally_top '>a</a> <a title=\"]' style='position:fixed;inset:0' onmouseover='alert(1)' x='\">b</a> <a title='end'>c</a>",
      "<a title='[tally_top ' class=\"] ' onmouseover=alert(1) \">y</a>",
    ];
    const hostile = wp.php(`global $wpdb;
      return array_map(function ($text) use ($wpdb) {
        $id = wp_insert_post(['post_title' => 'Attributes', 'post_status' => 'draft']);
        $wpdb->update($wpdb->posts, ['post_content' => $text], ['ID' => $id]);
        return $id;
      }, json_decode(base64_decode('${Buffer.from(JSON.stringify(attributes)).toString("base64")}')));`);
    await settings(owner);
    const before = wp.php(`return get_post(${posts.blocks})->post_content;`);
    assert.match(before, /tally-views/);
    await Promise.all([owner.waitForNavigation(), owner.click("text=/Remove them from \\d+ posts/")]);
    assert.deepEqual(wp.php(`${LOAD} return Tally_Views\\posts_to_clean(9);`), []);
    assert.match(wp.php(`return get_post(${posts.blocks})->post_content;`), /^<!-- wp:paragraph -->\s*<p>Text<\/p>\s*<!-- \/wp:paragraph -->\s*$/);
    assert.equal(wp.php(`return get_post(${posts.shown})->post_content;`), "");
    assert.match(await owner.textContent("#tally-views-clean + p"), /No post contains/);
    assert.deepEqual(wp.php(`return array_map(function ($id) { return get_post($id)->post_content; }, ${JSON.stringify(hostile)});`), attributes);
    wp.php(`foreach (${JSON.stringify(hostile)} as $id) wp_delete_post($id, true);`);
    const clean = (text) => wp.php(`${LOAD} return Tally_Views\\cleaned('${text}');`);
    assert.equal(clean('a [tally_views post="1" label=yes] b [tally_top][tally_viewsx] [gallery]'), "a  b [tally_viewsx] [gallery]");
    assert.equal(clean('<!-- wp:shortcode -->[tally_top limit="3"]<!-- /wp:shortcode --><!-- wp:tally-views/top {"style":{"color":{}}} /-->x'), "x");
  });

  /** PHP that stands for WP-CLI, which no package brings: what a command prints. */
  const CLI = `
    namespace WP_CLI\\Utils { function format_items($format, $items, $fields) { foreach ($items as $item) \\WP_CLI::$out[] = implode(',', array_intersect_key($item, array_flip($fields))); } }
    namespace {
      class WP_CLI {
        static $out = [], $commands = [];
        static function add_command($name, $class) { self::$commands[$name] = $class; }
        static function line($text) { self::$out[] = $text; }
        static function warning($text) { self::$out[] = "Warning: $text"; }
        static function success($text) { self::$out[] = "Success: $text"; }
        static function error($text) { self::$out[] = "Error: $text"; throw new Exception(); }
        static function debug() {}
      }
      define('WP_CLI', true);
    }`;

  test("WP-CLI's commands do what the screens do", async () => {
    // The Worker answers through this program, so none may wait for a command: they run in a page of their own.
    const commands = async (...lines) => {
      const run = (line) => {
        const [name, ...words] = line.split(" ");
        const args = words.filter((word) => !word.startsWith("--"));
        const given = Object.fromEntries(words.filter((word) => word.startsWith("--")).map((word) => word.slice(2).split("=")));
        return `try { (new Tally_Views\\CLI_Command())->${name}(json_decode('${JSON.stringify(args)}'), json_decode('${JSON.stringify(given)}', true)); } catch (Exception $e) {}`;
      };
      const { body } = await request(wp.local, "/cli-test.php", { method: "POST", headers: { Host: wp.host }, body: lines.map(run).join("\n") });
      return JSON.parse(body);
    };
    wp.put("cli-test.php", `<?php ${CLI.replaceAll("\\\\", "\\")}
      namespace { putenv('ADMIN_TOKEN=${TOKEN}'); require __DIR__ . '/wp-load.php'; eval(file_get_contents('php://input')); echo json_encode(WP_CLI::$out); }`);
    const [url, health] = await commands("status");
    assert.equal(url, `http://127.0.0.1:${network.port}`);
    assert.match(health, /^Connected\./);
    assert.deepEqual(await commands("top --period=week --limit=1"), [`${posts.shown},2,Shown,${wp.url}/?p=${posts.shown}`]);
    wp.php("Tally_Views\\forget_views();");
    assert.match((await commands("sync"))[0], /^Success: Posts updated: \d+$/);
    const exported = await commands("export");
    assert.ok(exported.includes(`${posts.locked},92,Locked,${wp.url}/?p=${posts.locked}`), exported.join("\n"));
    assert.ok((await commands("import")).includes("field:view_count\tCustom field view_count\t12000"));
    assert.deepEqual(await commands("import field:view_count"), ["Success: Posts imported: 12000"]);
    assert.deepEqual(await commands("import none"), ["Error: Choose what to import."]);
    await answering(null, async () => assert.match((await commands("status"))[1], /^Error: The connection to the Worker was interrupted/));
    forget();
  });

  test("no post says where a list comes from", async () => {
    const evil = '<div data-tally-until="0" data-tally-list="https://evil.example/x.json">x</div>';
    const route = '<div data-tally-until="0" data-tally-list="rest_route=/wp/v2/posts&amp;_jsonp=x&amp;limit=2">y</div>';
    const post = wp.php(`
      wp_set_current_user(wp_insert_user(['user_login' => 'author', 'user_pass' => 'x', 'role' => 'author']));
      return wp_insert_post(['post_title' => 'Evil', 'post_content' => '[tally_top]${evil}${route}', 'post_status' => 'publish']);`);
    // WordPress lets an author write that.
    assert.equal(wp.php(`return get_post(${post})->post_content;`), `[tally_top]${evil}${route}`);
    const reader = await visitor();
    const headers = { "Access-Control-Allow-Origin": "*" };
    await reader.route("https://evil.example/**", (route) => route.fulfill({ headers, json: { html: '<img src="x" onerror="alert(3)">' } }));
    // It is not this view that is of interest.
    await reader.route(`http://127.0.0.1:${network.port}/views/**`, (route) => route.abort());
    const fetched = [];
    reader.on("request", (request) => request.resourceType() === "fetch" && !request.url().includes("/views") && fetched.push(request.url()));
    await view(reader, post);
    await reader.waitForFunction(() => document.querySelector("article div img") || [...document.querySelectorAll("article div")].every((list) => list.querySelector("li")));
    await reader.waitForLoadState("networkidle");
    assert.equal(await reader.locator("article div img").count(), 0);
    const api = `${wp.url}/index.php?rest_route=/tally-views/v1/top`;
    assert.deepEqual([...new Set(fetched.map(decodeURIComponent))], [api, `${api}&limit=2`]);
    await reader.context().close();
    wp.php(`require_once ABSPATH . 'wp-admin/includes/user.php'; wp_delete_post(${post}, true); wp_delete_user(get_user_by('login', 'author')->ID);`);
  });

  test("in a network each site has its own numbers", async () => {
    const two = wp.network();
    try {
      const post = wp.php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; activate_plugin('tally-views/tally-views.php', '', true);
        update_site_option('tally_views_network', 'http://127.0.0.1:${network.port}');
        switch_to_blog(${two});
        return wp_insert_post(['post_title' => 'Second', 'post_content' => '[tally_views][tally_top]', 'post_status' => 'publish']);`);
      const reader = await visitor();
      const requests = await asked(async () => {
        await reader.goto(`${wp.url}/two/?p=${post}`);
        await reader.waitForFunction(() => document.querySelector("[data-views]").textContent === "1");
      });
      assert.deepEqual(pings(requests), [`POST /views/${two}%2F${post}`]);
      await until(async () => JSON.parse((await request(tally.url, `/views?post=${two}/${post}`)).body).views[`${two}/${post}`], (views) => views === 1, 45);
      wp.put("two.php", `<?php require __DIR__ . '/wp-load.php'; switch_to_blog(${two}); Tally_Views\\mark_stale(); Tally_Views\\refresh();`);
      assert.equal((await request(wp.local, "/two.php", { headers: { Host: wp.host } })).status, 200);
      assert.deepEqual(wp.php(`switch_to_blog(${two}); return [get_post_meta(${post}, '_tally_views', true), Tally_Views\\prefix(), Tally_Views\\worker()];`), ["1", `${two}/`, `http://127.0.0.1:${network.port}`]);
      // The main site's posts keep their names, and its list has none of the other's.
      assert.equal(wp.php("return Tally_Views\\post_name(7);"), "7");
      await refresh();
      const main = Object.keys(wp.php("return Tally_Views\\kept_top('week')['views'];"));
      assert.ok(main.includes(`${posts.shown}`) && !main.some((name) => /\//.test(name)));
      const list = await request(wp.local, "/two/?rest_route=/tally-views/v1/top", { headers: { Host: wp.host } });
      assert.match(JSON.parse(list.body).html, /^<li [^>]*><a [^>]*>Second<\/a> <span class="tally-top-views">1 view<\/span><\/li>$/);
      // Who owns a site, and not the network, cannot have the server send requests to itself.
      const here = ["http://127.0.0.1:6379", "http://localhost:80", "http://a.localhost", "http://[::1]:25"];
      const named = (user, environment) => {
        process.env.WP_ENVIRONMENT_TYPE = environment;
        const origins = wp.php(`wp_set_current_user(${user});
          return array_map('Tally_Views\\origin', json_decode('${JSON.stringify([...here, "https://tally.example"])}'));`);
        delete process.env.WP_ENVIRONMENT_TYPE;
        return origins;
      };
      const siteOwner = wp.php(`$id = wp_insert_user(['user_login' => 'two', 'user_pass' => 'x']); add_user_to_blog(${two}, $id, 'administrator'); return $id;`);
      assert.deepEqual(named(siteOwner, "production"), ["", "", "", "", "https://tally.example"]);
      for (const all of [named(siteOwner, "local"), named(1, "production")]) assert.deepEqual(all, [...here, "https://tally.example"]);
      // What was entered for him stays as it is.
      const form = (url) => `require_once ABSPATH . 'wp-admin/includes/template.php'; require_once WP_PLUGIN_DIR . '/tally-views/includes/settings-page.php';
        return Tally_Views\\sanitize_url_setting('${url}');`;
      const before = wp.php(`switch_to_blog(${two}); return get_option('tally_views_settings');`);
      const inTwo = (url, code) => wp.php(`switch_to_blog(${two}); wp_set_current_user(${siteOwner}); update_option('tally_views_settings', ['url' => '${url}']); ${code}`);
      assert.equal(inTwo(here[0], form(here[0])), here[0]);
      assert.equal(inTwo(here[0], form(here[1])), here[0]);
      // Nor behind an address that is encrypted: the request itself is refused.
      const detail = (url) => inTwo(url, "return Tally_Views\\ask_worker('/stats')->get_error_data()['detail'];");
      assert.match(detail("https://127.0.0.1:1"), /valid URL/);
      assert.doesNotMatch(detail("http://127.0.0.1:1"), /valid URL/);
      wp.php(`switch_to_blog(${two}); ${before ? "" : "delete_option('tally_views_settings');"}`);
      await reader.context().close();
    } finally {
      // It is not active for the network, but for the site.
      wp.php("require_once ABSPATH . 'wp-admin/includes/plugin.php'; deactivate_plugins('tally-views/tally-views.php', true, true);");
      wp.alone();
    }
  });

  test("no script of a title or of the Worker has run, and PHP has nothing to complain about", () => {
    assert.deepEqual(alerts, []);
    // WordPress may be older than this PHP, and cannot reach its home.
    const known = (line) => (/PHP Deprecated/.test(line) && !/plugins\/tally-views/.test(line)) || /connection to WordPress\.org/.test(line);
    const complaints = wp.log().split("\n").filter((line) => line && !known(line));
    assert.deepEqual(complaints, []);
  });

  test("deleted, it leaves nothing", async () => {
    assert.ok(wp.php(rowsWith("tally")).length >= 4);
    await admin(owner, "plugins.php");
    await owner.click("#deactivate-tally-views");
    await owner.waitForURL(/deactivate=true/);
    await owner.evaluate(() => (window.confirm = () => true));
    await owner.click("#delete-tally-views");
    await owner.waitForSelector('tr.deleted[data-slug="tally-views"]');
    // WordPress keeps a note for a week of what was deactivated.
    assert.deepEqual(wp.php(rowsWith("tally")), ["recently_activated"]);
    const reader = await visitor();
    await view(reader, posts.plain);
    assert.equal(await reader.locator("[data-post], [src*='views.js']").count(), 0);
  });
});

/** PHP that finds everything that is kept and holds a text, posts aside. */
function rowsWith(text) {
  return `global $wpdb;
    $like = '%${text}%';
    $rows = $wpdb->get_col($wpdb->prepare("SELECT option_name FROM $wpdb->options WHERE option_name LIKE %s OR option_value LIKE %s", $like, $like));
    foreach (['post', 'user', 'comment', 'term'] as $kind) {
      $table = $wpdb->{$kind . 'meta'};
      $keys = $wpdb->get_col($wpdb->prepare("SELECT meta_key FROM $table WHERE meta_key LIKE %s OR meta_value LIKE %s", $like, $like));
      foreach ($keys as $key) $rows[] = "$kind: $key";
    }
    return $rows;`;
}

/** PHP that writes the blog; the posts' IDs by name. */
const CONTENT = `
  $post = function ($title, $content = '', $more = []) {
    global $wpdb;
    $id = wp_insert_post($more + ['post_author' => 1, 'post_title' => $title, 'post_content' => $content, 'post_status' => 'publish']);
    // As it is: WordPress would clean it.
    $wpdb->update($wpdb->posts, ['post_title' => $title], ['ID' => $id]);
    return $id;
  };
  wp_delete_post(1, true);
  $lists = '[tally_top]<!-- wp:tally-views/top {"limit":3,"views":false} /-->';
  $loop = '<!-- wp:query {"query":{"perPage":20,"postType":"post","inherit":false}} --><div><!-- wp:post-template -->'
    . '<!-- wp:tally-views/views {"label":false} /--><!-- /wp:post-template --></div><!-- /wp:query -->';
  return [
    'shown' => $post('Shown', '[tally_views label="yes"]'),
    'plain' => $post('Plain', 'Text'),
    'hostile' => $post(${JSON.stringify(HOSTILE).replaceAll("$", "\\$")}),
    'old' => $post('Old post'),
    'fresh' => $post('Fresh'),
    'draft' => $post('Draft', '', ['post_status' => 'draft']),
    'private' => $post('Private', '', ['post_status' => 'private']),
    'locked' => $post('Locked', '', ['post_password' => 'x']),
    'trashed' => $post('Trashed', '', ['post_status' => 'trash']),
    'blocks' => $post('Blocks', '<!-- wp:paragraph --><p>Text</p><!-- /wp:paragraph -->'),
    'page' => $post('Page', '', ['post_type' => 'page']),
    'loop' => $post('Loop', $loop, ['post_type' => 'page']),
    'week' => $post('Week', '[tally_top period="week"][tally_top period="week" limit="1" views="no"]', ['post_type' => 'page']),
    'list' => $post('List', $lists, ['post_type' => 'page']),
  ];`;
