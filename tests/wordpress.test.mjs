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
    [wp, tally, browser] = await Promise.all([startWordPress(), startDev({ vars: { DEDUPE_SECONDS: 0, ADMIN_TOKEN: TOKEN } }), launch()]);
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

  /** Does `work` while the Worker answers this; null: while it is down. */
  async function answering(answer, work) {
    network.answer = (response) => {
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
  const pings = (requests) => requests.filter((request) => request.startsWith("POST"));
  const topOf = (requests) => requests.filter((request) => request.includes(" /top"));
  const forgetLists = () => wp.php("foreach (['all', 'day', 'week', 'month'] as $period) delete_transient('tally_views_top_' . $period);");
  const listed = async (page, scope = "article") =>
    (await page.locator(`${scope} ol.tally-top > li`).allTextContents()).map((text) => text.trim());

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
      assert.match((await saveUrl(url)).join(), /not the address of a Worker/, url);
      assert.equal(await owner.inputValue("#tally_views_url"), "", url);
    }
    await saveUrl("  tally.example/views.js?x#y ");
    assert.equal(await owner.inputValue("#tally_views_url"), "https://tally.example");
    await saveUrl(`${wp.local}/`);
    assert.match(await owner.textContent(".tally-views-status"), /does not answer: What answers at this address is not Tally/);
    assert.doesNotMatch((await saveUrl(`http://127.0.0.1:${network.port}/stats/`)).join(), /not the address/);
    assert.equal(await owner.inputValue("#tally_views_url"), `http://127.0.0.1:${network.port}`);
    assert.match(await owner.textContent(".tally-views-status"), /^The Worker answers\. Views: 0, posts: 0\.$/);
    await answering(null, () => settings(owner));
    assert.match(await owner.textContent(".tally-views-status"), /^The Worker does not answer: /);
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
    forgetLists();
    const reader = await visitor();
    const requests = await asked(() => open(reader, posts.list));
    assert.deepEqual(topOf(requests), ["GET /top?limit=100&period=all"]);
    const all = ["Old post 1,234 views", `${titleOf(HOSTILE)} 7 views`, "Shown 2 views", "Plain 1 view"];
    assert.deepEqual(await listed(reader), [...all, ...all.slice(0, 3).map((text) => text.replace(/ [\d,]+ views?$/, ""))]);
    assert.deepEqual(await listed(reader, "aside"), all.slice(0, 2));
    assert.equal(await reader.textContent("aside h2, aside .widgettitle"), "Most <i>viewed</i>");
    const links = await reader.locator("article ol:first-of-type a").evaluateAll((found) => found.map((link) => link.href));
    assert.ok(links.includes(`${wp.url}/?p=${posts.old}`), links.join());
    // It is asked for once in five minutes, whoever comes; what is changed here shows at once.
    wp.php(`wp_update_post(['ID' => ${posts.shown}, 'post_password' => 'x']);`);
    assert.deepEqual(topOf(await asked(() => open(reader, posts.list))), []);
    assert.deepEqual((await listed(reader)).slice(0, 3), [all[0], all[1], all[3]]);
    wp.php(`wp_update_post(['ID' => ${posts.shown}, 'post_password' => '']);`);
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
    for (const post of ["abc", "-1", "0", "1e3", "&quot;><b>", "1 2", ""]) assert.equal(html(`[tally_views post='${post}']`), "", post);
    const items = (attributes) => html(`[tally_top ${attributes}]`).split("<li>").length - 1;
    assert.deepEqual(["", "limit='3'", "limit='-1'", "limit='many'", "limit='1000'"].map(items), [4, 3, 1, 1, 4]);
    assert.match(html("[tally_top period='\\'><b>' views='no']"), /^<ol class="tally-top">(<li><a href="[^"<>]+">[^<>]+<\/a><\/li>){4}<\/ol>$/);
    const reader = await visitor();
    assert.deepEqual(topOf(await asked(() => open(reader, posts.week))), ["GET /top?limit=100&period=week"]);
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
    await open(reader, posts.list);
    const good = await listed(reader);
    assert.equal(good.length, 7);
    const error = { error: { code: "unavailable", message: "x" } };
    for (const answer of [null, "<html>Error 1101</html>", "[]", "null", error, { posts: "none" }, "x".repeat(3_000_000)]) {
      forgetLists();
      await answering(answer, async () => {
        assert.equal(topOf(await asked(() => open(reader, posts.list))).length, 1);
        assert.deepEqual(await listed(reader), good);
        assert.deepEqual(topOf(await asked(() => open(reader, posts.list))), []);
        assert.deepEqual(await listed(reader), good);
      });
    }
    forgetLists();
    // The list is the Worker's: where it has none, there is none.
    const entry = (post, views) => ({ post, views });
    const nonsense = [
      "x", 1, null, {}, entry(5, 1), entry(`${posts.old}`, "9"), entry(`${posts.plain}`, -1), entry("1e3", 1), entry(`0${posts.plain}`, 4),
      entry(`${posts.hostile}`, 1e300), entry("9".repeat(30), 1), entry(`${posts.shown}\n`, 1), entry([], {}),
    ];
    await answering({ posts: nonsense }, async () => {
      await open(reader, posts.list);
      assert.deepEqual(await listed(reader), []);
      assert.equal(await reader.locator("aside").count(), 0);
      await open(owner, posts.list);
      assert.match(await owner.textContent("article"), /No post was viewed yet/);
    });
    forgetLists();
    await open(reader, posts.list);
    assert.deepEqual(await listed(reader), good);
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

  test("the list of posts has a column of views, for one request", async () => {
    await settings(owner);
    const requests = await asked(() => admin(owner, "edit.php"));
    assert.equal(requests.length, 1, requests.join());
    assert.match(requests[0], /^GET \/views\?post=\d+(&post=\d+)+$/);
    const shown = await column(owner);
    for (const [name, views] of Object.entries(TOP)) assert.equal(shown[posts[name]].replace(",", ""), `${views}`, name);
    assert.equal(shown[posts.old], "1,234");
    assert.equal(shown[posts.fresh], "0");
    const some = [posts.plain, posts.old].map((post) => [`${post}`, 3]);
    const hostile = { ...Object.fromEntries(some), [posts.hostile]: "<script>alert(1)</script>", [posts.shown]: -1, [posts.fresh]: 1e300, 999999: 5 };
    await answering({ views: hostile }, () => admin(owner, "edit.php"));
    const told = await column(owner);
    for (const name of ["plain", "old"]) assert.equal(told[posts[name]], "3", name);
    for (const name of ["hostile", "shown", "fresh", "draft"]) assert.equal(told[posts[name]], "–", name);
    for (const answer of [null, "<html>", "[]", { views: "x" }, { views: [1, 2, 3] }]) {
      assert.equal((await answering(answer, () => asked(() => admin(owner, "edit.php")))).length, 1);
      assert.deepEqual(new Set(Object.values(await column(owner))), new Set(["–"]));
    }
  });

  test("and so has the list of pages, however many there are", async () => {
    assert.deepEqual((await asked(() => admin(owner, "edit.php?post_type=page"))).length, 1);
    assert.equal((await column(owner))[posts.page], "93");
    wp.php(`for ($i = 0; $i < 240; $i++) wp_insert_post(['post_type' => 'page', 'post_status' => 'publish', 'post_title' => 'Page ' . $i]);
      foreach (['post', 'page'] as $type) update_user_meta(1, 'edit_' . $type . '_per_page', 300);`);
    const requests = await asked(() => admin(owner, "edit.php?post_type=page"));
    assert.equal(requests.length, 3);
    for (const request of requests) assert.ok(request.split("post=").length <= 101);
    const cells = Object.values(await column(owner));
    assert.ok(cells.length > 240 && cells.every((text) => /^\d+$/.test(text)));
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
      add_post_meta(${posts.plain}, 'own"field', '78');`);
    await admin(owner, "import.php");
    await owner.click("text=Take over the views of posts >> xpath=ancestor::tr >> a");
    assert.match(await owner.textContent("form"), /post_views_count \(5 posts\)\s*views \(1 post\)/);
    const send = async (token, field) => {
      await owner.fill("#tally_views_token", token);
      if (field) await owner.fill('[name="tally_views_other_key"]', field);
      await Promise.all([owner.waitForNavigation(), owner.click("#tally_views_import")]);
      return (await owner.locator(".notice").allTextContents()).map((text) => text.trim());
    };
    assert.deepEqual(await send("wrong"), ["This is not the ADMIN_TOKEN of your Worker."]);
    const error = { error: { code: "adopting", message: "<b>Later</b>" } };
    assert.deepEqual(await answering(error, () => send(TOKEN)), ["The Worker did not import: Later"]);
    for (const answer of ["<html>", {}, { posts: "3" }]) {
      assert.deepEqual(await answering(answer, () => send(TOKEN)), ["The Worker did not import: What answers at this address is not Tally."]);
    }
    for (let times = 0; times < 2; times++) {
      network.requests.length = 0;
      assert.deepEqual(await send(TOKEN), ["Posts imported: 3. Left out because they hold no number: 1."]);
      const [{ method, path, body }, ...others] = network.requests;
      assert.deepEqual([method, path, others], ["POST", "/import?mode=max", []]);
      assert.deepEqual(JSON.parse(body), { [posts.old]: "5000", [posts.plain]: "77", [posts.fresh]: "1" });
      assert.equal(await exact(posts.old), 5000);
      assert.equal(await exact(posts.plain), 77);
      assert.equal(await exact(posts.hostile), 7);
    }
    assert.deepEqual(await send(TOKEN, 'own"field'), ["Posts imported: 1. Left out because they hold no number: 0."]);
    assert.equal(await exact(posts.plain), 78);
    assert.deepEqual(await send(TOKEN, "no_such"), ["Posts imported: 0. Left out because they hold no number: 0."]);
    await answering(null, async () => assert.match((await send(TOKEN)).join(), /^The Worker did not import: /));
    // The token is nowhere.
    assert.equal(await owner.inputValue("#tally_views_token"), "");
    assert.ok(!(await owner.content()).includes(TOKEN) && !wp.log().includes(TOKEN));
    assert.deepEqual(wp.php(rowsWith(TOKEN)), []);
  });

  /** A post's views in the Worker, with those that are not published yet. */
  async function exact(post) {
    const { body } = await own("GET", "/export?format=json");
    return JSON.parse(body).posts.find((found) => found.post === `${post}`).views;
  }

  test("an import needs the form's nonce and the right to it", async () => {
    const form = { tally_views_import: "Import", tally_views_key: "post_views_count", tally_views_token: TOKEN };
    /** What the form answers without what only the page knows. */
    async function sent(page) {
      const Cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
      const headers = { Host: wp.host, Cookie, "Content-Type": "application/x-www-form-urlencoded" };
      const body = `${new URLSearchParams(form)}`;
      return (await request(wp.local, "/wp-admin/admin.php?import=tally-views", { method: "POST", headers, body })).body;
    }
    const editor = await logIn(EDITOR);
    network.requests.length = 0;
    for (const [page, refusal] of [[owner, /The link you followed has expired/], [editor, /not allowed to import/]]) {
      assert.match(await sent(page), refusal);
    }
    assert.deepEqual(network.requests, []);
    await settings(editor);
    assert.match(await editor.textContent("body"), /not allowed/);
  });

  test("a big site is imported in parts", async () => {
    wp.php(`global $wpdb;
      $wpdb->query("INSERT INTO $wpdb->posts (ID, post_type, post_title, post_content, post_excerpt, to_ping, pinged, post_content_filtered)
        SELECT seq, 'hidden', '', '', '', '', '', '' FROM seq_100000_to_111999");
      $wpdb->query("INSERT INTO $wpdb->postmeta (post_id, meta_key, meta_value) SELECT ID, 'view_count', ID FROM $wpdb->posts WHERE ID >= 100000");`);
    await admin(owner, "admin.php?import=tally-views");
    await owner.fill("#tally_views_token", TOKEN);
    await owner.check('[value="view_count"]');
    network.requests.length = 0;
    await Promise.all([owner.waitForNavigation(), owner.click("#tally_views_import")]);
    assert.match(await owner.textContent(".notice"), /Posts imported: 12,000\./);
    assert.deepEqual(network.requests.map(({ body }) => Object.keys(JSON.parse(body)).length), [5000, 5000, 2000]);
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
    await (await canvas()).locator('[data-type="tally-views/views"] .tally-views').waitFor();
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
    // What was imported has no day.
    assert.deepEqual(await listed(reader, ".wp-block-tally-views-top"), ["Shown 2 views", "Plain 1 view"]);
  });

  test("the widget is set up by its form", () => {
    const html = wp.php("$widget = new Tally_Views\\Top_Widget(); ob_start(); $widget->form([]); return ob_get_clean();");
    for (const name of ["title", "limit", "period", "views"]) assert.match(html, new RegExp(`name="widget-tally_top\\[[^"]*\\]\\[${name}\\]"`));
    const saved = (sent) => wp.php(`return (new Tally_Views\\Top_Widget())->update(json_decode('${JSON.stringify(sent)}', true), []);`);
    const odd = { title: "<b>x</b>", limit: "999", period: "never" };
    assert.deepEqual(saved(odd), { title: "x", limit: 50, period: "all", views: false });
    const set = { title: "", limit: "-3", period: "day", views: "1" };
    assert.deepEqual(saved(set), { title: "", limit: 1, period: "day", views: true });
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
    wp.php("foreach (['day', 'week', 'month'] as $period) set_transient('tally_views_top_' . $period, [], 60);");
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
    $id = wp_insert_post($more + ['post_title' => $title, 'post_content' => $content, 'post_status' => 'publish']);
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
