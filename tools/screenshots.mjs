// Makes the docs' pictures, docs/page.png and docs/dashboard.png: a blog's page with its views, the list
// and badges, and the dashboard, of a real Worker in a real browser. `npm run screenshots`.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { USER_AGENT, startBlog, startTally } from "../tests/blog.mjs";
import { launch } from "../tests/browser.mjs";
import { ping, read, until } from "../tests/visitors.mjs";
import { request } from "../tests/workerd.mjs";
import { ROOT, fail, say } from "./shell.mjs";

const POSTS = ["/2026/exact-counting", "/2026/small-tools", "/2025/why-we-left", "/2026/hello-wasm", "/2024/on-caching", "/about", "/2025/notes"];
const POST = POSTS[0];

mkdirSync(join(ROOT, "docs"), { recursive: true });
say("starting a Worker, a blog and a browser");
const tally = await startTally({ ADMIN_TOKEN: "secret", DEDUPE_SECONDS: 1800 });
const blog = await startBlog(({ pathname }) => (pathname === POST ? page() : undefined));
const browser = await launch("--disable-blink-features=AutomationControlled");
await view();
await shoot("page", `${blog.url}${POST}`, { width: 720, height: 290 }, () => /\d/.test(document.querySelector("li")?.textContent));
await shoot("dashboard", `${tally.direct}/dashboard?post=${encodeURIComponent(POST)}`, { width: 1200, height: 700 }, () => document.querySelector("#list li"));
blog.stop();
await browser.close();
await tally.stop();
process.exit();

/** Views of the last thirty days, by a rule, and some that are not counted. */
async function view() {
  const day = (ago) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
  const records = POSTS.map((post, place) => {
    const views = (ago) => Math.round((900 + 400 * Math.sin(ago * 1.7 + place) + (ago === 9 ? 2500 : 0)) / (place + 1) ** 1.3);
    const days = Object.fromEntries(Array.from({ length: 30 }, (_, ago) => [day(ago), views(ago)]));
    return { post, views: 3 * Object.values(days).reduce((sum, views) => sum + views), days };
  });
  const body = records.map((record) => JSON.stringify(record)).join("\n");
  const headers = { Authorization: "Bearer secret" };
  const { status } = await request(tally.direct, "/import?format=ndjson", { method: "POST", headers, body });
  if (status !== 200) fail(`the import was answered with ${status}`);
  const direct = { url: tally.direct };
  for (let n = 0; n < 60; n++) await ping(direct, encodeURIComponent(POST), n % 25);
  for (let n = 0; n < 9; n++) await ping(direct, encodeURIComponent(POST), n, { "User-Agent": "Googlebot/2.1" });
  await until(() => read(direct, "/stats"), ({ not_counted: { bot } }) => bot === 9);
}

function page() {
  return `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Exact counting</title>
    <style>
      body { font: 16px/1.5 system-ui, "Open Sans", sans-serif; margin: 32px 40px; color: #222 }
      h1 { margin: 0 0 4px; font-size: 28px } p { margin: 4px 0 12px } .by { color: #666 }
      main { display: grid; grid-template-columns: 1fr 260px; gap: 40px }
      aside { border-left: 1px solid #ddd; padding-left: 24px } h2 { font-size: 16px; margin: 0 } ol { padding-left: 20px; margin: 8px 0 }
      a { color: #0b66c3 }
    </style>
    <main>
      <article>
        <h1>Exact counting</h1>
        <p class="by">21 November 2026 · <span data-views>–</span> views</p>
        <p>A view counts once, and the number is true: no cache between the page and what was counted, no guess from a sample.</p>
        <p>Before: <a href="${POSTS[1]}">Small tools</a> · <a href="${POSTS[2]}">Why we left</a> · <a href="${POSTS[3]}">Hello, Wasm</a></p>
        <p><img alt="" src="${tally.url}/badge/${POST}.svg"> <img alt="" src="${tally.url}/badge/${POST}.svg?label=readers&color=green"></p>
      </article>
      <aside><h2>Most read</h2><ol data-top-views="5"><li>…</li></ol></aside>
    </main>
    <script async src="${tally.url}/views.js"></script>
    <script async src="${tally.url}/top.js"></script>`;
}

async function shoot(name, url, viewport, isReady) {
  say(`docs/${name}.png`);
  const context = await browser.newContext({ userAgent: USER_AGENT, viewport, deviceScaleFactor: 2, locale: "en-GB" });
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction(isReady);
  await page.waitForLoadState("networkidle");
  await page.screenshot({ path: join(ROOT, "docs", `${name}.png`) });
  await context.close();
}
