// The script of a blog's page with the libraries that go on without loading a page, in a real browser: which
// pages are counted, and that each shows its own number.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openBlog } from "./blog.mjs";
import { NO_BROWSER } from "./browser.mjs";
import { until } from "./visitors.mjs";

const skip = NO_BROWSER;
let blog, tally, pages, visit, pinged;
before(async () => {
  if (NO_BROWSER) return;
  blog = await openBlog();
  ({ tally, pages, visit, pinged } = blog);
});
beforeEach(async () => {
  await blog?.forget();
  await blog?.clear();
});
after(() => blog?.stop());

const script = (attributes = "") => `<script async src="${tally.url}/views.js" ${attributes}></script>`;
const library = (name, file) => readFileSync(join(dirname(fileURLToPath(import.meta.resolve(name))), file), "utf8");
const LIBRARIES = {
  "/turbo.js": library("@hotwired/turbo", "turbo.es2017-umd.js"),
  "/swup.js": library("swup", "Swup.umd.js"),
  "/htmx.js": library("htmx.org", "htmx.min.js"),
};

// Pages that lists are and pages that posts are. `rest` are links and text of a page.
const LISTS = ["/", "/tags"];
const POSTS = ["/posts/one", "/posts/two"];
const skips = (path) => (LISTS.includes(path) ? 'data-skip="1"' : "");
const links = (attributes) => [...LISTS, ...POSTS].map((path) => `<a ${attributes} href="${path}">${path}</a> `).join("");
const text = (path, attributes = "") => `<h1>${path}</h1>${links(attributes)}<p><i data-views>–</i></p>`;
const canonical = (path) => `<link rel="canonical" href="http://www.blog.example${path}">`;
const html = (path, head, body) => `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>${path}</title>${head}</head><body>${body}</body></html>`;
const only = 'data-only="/posts/*"';

const loaded = (file, then = "") => `<script defer src="${file}"></script>${then && `<script>addEventListener("DOMContentLoaded", () => { ${then} })</script>`}`;
const turbo = loaded("/turbo.js");
const swup = loaded("/swup.js", "new Swup({ animationSelector: false })");
const animated = loaded("/swup.js", "new Swup()") + "<style>.transition-fade { transition: 0.2s; } html.is-animating .transition-fade { opacity: 0; }</style>";
const htmx = loaded("/htmx.js");
const boost = 'hx-boost="true"';

/** How a page is made, by where its tag is. */
const SITES = {
  "Turbo, tags in the head": (path) => html(path, turbo + canonical(path) + script(skips(path)), text(path)),
  "Turbo, tags in the body": (path) => html(path, turbo, text(path) + script(skips(path))),
  "Turbo, one tag": (path) => html(path, turbo + canonical(path) + script(only), text(path)),
  "Swup, tags in the container": (path) => html(path, swup + canonical(path), `<main id="swup">${text(path)}${script(skips(path))}</main>`),
  "Swup with animations, one tag": (path) => html(path, animated + script(only), `<main id="swup" class="transition-fade">${text(path)}</main>`),
  "htmx, tags in the body": (path) => html(path, htmx + canonical(path), text(path, boost) + script(skips(path))),
  "htmx, one tag": (path) => html(path, htmx + script(only), text(path, boost)),
};

/** Opens a site whose server answers after `delay` milliseconds, but for the first page. */
async function open(site, path, delay = 50) {
  let wait = 0;
  for (const each of [...LISTS, ...POSTS])
    pages[each] = async () => {
      await sleep(wait);
      return SITES[site](each);
    };
  for (const [file, body] of Object.entries(LIBRARIES)) pages[file] = () => ({ headers: { "Content-Type": "text/javascript" }, body });
  const page = await visit(path);
  wait = delay;
  await page.evaluate(() => (self.sameDocument = true));
  return page;
}

/** Waits until the page is there, has its number and is counted as often as it is to be. */
async function shows(page, path, counts) {
  const found = () => page.evaluate(() => [document.querySelector("h1").textContent, document.querySelector("[data-views]").textContent]);
  const views = counts.filter((one) => one === path).length;
  const expected = [path, LISTS.includes(path) ? "0" : `${views}`];
  assert.deepEqual(await until(found, (now) => now.join() === expected.join()), expected, `${path} of ${counts}`);
  assert.deepEqual(tally.pings(), counts.map((post) => `POST /views/${post}`));
  // Turbo shows what it has kept before it shows the page.
  await page.waitForSelector("html:not([aria-busy])");
  await sleep(300);
}

for (const site of Object.keys(SITES)) {
  describe(site, { skip }, () => {
    for (const [entry, other] of [["/", "/tags"], ["/posts/one", "/posts/two"]]) {
      test(`entered by ${entry}`, async () => {
        const page = await open(site, entry);
        const counts = [];
        const go = async (path, how = () => page.click(`a[href="${path}"]`)) => {
          await how();
          if (POSTS.includes(path)) counts.push(path);
          await shows(page, path, counts);
        };
        await go(entry, () => {});
        for (const path of ["/posts/two", "/", "/posts/one", other, entry]) if (page.url() !== blog.url + path) await go(path);
        const back = async () => {
          await page.goBack();
          return new URL(page.url()).pathname;
        };
        for (let n = 0; n < 2; n++) {
          const path = await back();
          await go(path, () => {});
        }
        await page.goForward();
        await go(new URL(page.url()).pathname, () => {});
        await sleep(500);
        assert.deepEqual(await pinged(counts.length), counts.map((post) => `POST /views/${post}`));
        assert.ok(await page.evaluate(() => self.sameDocument), "the page was loaded anew");
        assert.deepEqual(page.errors, []);
      });
    }
  });
}

test("a page that comes slowly is not judged by the one before", { skip }, async () => {
  for (const [site, delay] of [["Turbo, tags in the head", 4000], ["Swup, tags in the container", 2000]]) {
    await blog.forget();
    await blog.clear();
    const page = await open(site, "/", delay);
    await shows(page, "/", []);
    await page.click('a[href="/posts/one"]');
    await shows(page, "/posts/one", ["/posts/one"]);
    await page.click('a[href="/tags"]');
    await shows(page, "/tags", ["/posts/one"]);
    assert.equal((await pinged(1)).length, 1, site);
  }
});
