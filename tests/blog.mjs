// A blog that shows its views, and its readers: pages on an origin of their own, a Tally on another with a
// network between the two, and a browser.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { launch } from "./browser.mjs";
import { startDev } from "./dev.mjs";
import { end, listen, startNetwork } from "./network.mjs";
import { until } from "./visitors.mjs";
import { request } from "./workerd.mjs";

/** What the browser says it is: Chromium's own name here has "Headless" in it, which is a bot's. */
export const USER_AGENT =
  "Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/153.0.0.0 Safari/537.36";

/** A page of the blog. */
export const html = (head, body = "<i data-views>–</i>", lang = "en") =>
  `<!DOCTYPE html><html lang="${lang}"><meta charset="utf-8"><title>A post</title>${head}<body>${body}`;

/** What a page has where numbers are to be. */
export const numbers = (page) => page.$$eval("[data-views]", (all) => all.map((one) => one.textContent));

/**
 * Opens a blog with a Tally, an owner and a browser, for the tests of a file. `pages` are its own, by path:
 * what `startBlog` takes.
 */
export async function openBlog() {
  const tally = await startTally({ ADMIN_TOKEN: "secret" });
  const pages = {};
  const { url, port, stop } = await startBlog((url) => pages[url.pathname]?.(url));
  const browser = await launch("--disable-blink-features=AutomationControlled");
  const headers = { Authorization: "Bearer secret" };
  const set = async (post, views) => {
    const path = `/views/${encodeURIComponent(post)}`;
    assert.equal((await request(tally.direct, path, { method: "PUT", headers, body: `${views}` })).status, 200);
    await until(async () => JSON.parse((await request(tally.direct, path)).body).views, (told) => told === views);
  };
  return {
    tally,
    pages,
    url,
    port,
    set,
    /** Shows a page to a new reader; what was thrown in it is in `errors`. */
    async visit(path, { init, host = url } = {}) {
      const context = await browser.newContext({ userAgent: USER_AGENT });
      const page = await context.newPage();
      page.errors = [];
      page.on("pageerror", (error) => page.errors.push(error));
      if (init) await page.addInitScript(init);
      await page.goto(host + path);
      return page;
    },
    /** The pings, once there are so many and no more have come for a while. */
    async pinged(count) {
      await until(tally.pings, (pings) => pings.length >= count);
      await sleep(700);
      return tally.pings();
    },
    /** Sends the readers home and takes the pages away. */
    async forget() {
      for (const context of browser.contexts()) await context.close();
      for (const path of Object.keys(pages)) delete pages[path];
      tally.forget();
    },
    /** Has no post counted any more. */
    async clear() {
      const { posts } = JSON.parse((await request(tally.direct, "/top?limit=100")).body);
      for (const { post } of posts) await set(post, 0);
    },
    async stop() {
      stop();
      await browser.close();
      await tally.stop();
    },
  };
}

const READABLE = { "Access-Control-Allow-Origin": "*", "Content-Type": "application/json" };
/** Answers in a Tally's place, by what is wrong with them. */
export const FAILURES = {
  "is down": (response) => response.destroy(),
  "does not answer": () => {},
  "answers 500": (response) => response.writeHead(500, READABLE).end('{"post":"142","views":7,"posts":[{"post":"/142","views":7}]}'),
  ...Object.fromEntries(
    [
      "", "<!DOCTYPE html><p>Welcome", "null", "7", '"7"', "[]", "[7]", "{", "{}", '{"views":7}', '{"views":"7"}', '{"views":[7]}',
      '{"post":"999","views":7}', '{"post":"142","views":"7"}', '{"post":"142","views":-7}', '{"post":"142","views":7.5}',
      '{"post":"142","views":1e999}', '{"post":"142","views":null}', '{"post":"142","views":true}', '{"post":"142","views":[7]}',
      '{"post":"142","views":"<b>7</b>"}', '{"views":{"142":"<b>7</b>","143":null}}', '{"views":{"999":7}}', '{"views":["7"]}',
      '{"posts":[]}', '{"posts":"142"}', '{"posts":[7]}', '{"posts":[{"post":"/142"}]}', '{"posts":[{"views":7}]}', '{"posts":{"post":"/142","views":7}}',
    ].map((body) => [`answers ${body}`, (response) => response.writeHead(200, READABLE).end(body)]),
  ),
};

/**
 * Starts a Tally that counts repeats, with `vars`, behind http://tally.example. `asked()` are the requests
 * for anything but the scripts, as `POST /views/142`, `pings()` the views among them, and `raw()` all that
 * came with them. `forget(fail)`
 * forgets them, and has `fail` given the responses in the Worker's place from now on.
 */
export async function startTally(vars = {}) {
  const dev = await startDev({ vars: { DEDUPE_SECONDS: 0, NEW_POSTS_PER_HOUR: 1_000_000, ...vars } });
  const network = await startNetwork(dev.url, (path) => /^\/(views|top)\.js/.test(path));
  // Where the page is, which a ping says besides, has a test of its own.
  const asked = () => network.requests.map(({ method, path }) => `${method} ${decodeURIComponent(path.replace(/\?at=.*/, ""))}`);
  return {
    url: `http://tally.example:${network.port}`,
    direct: dev.url,
    asked,
    raw: () => network.requests,
    pings: () => asked().filter((line) => line.startsWith("POST ")),
    forget: (fail) => Object.assign(network, { requests: [], answer: fail }),
    async stop() {
      network.stop();
      await dev.stop();
    },
  };
}

/**
 * Starts a blog behind http://blog.example. `pages(url)` answers a page as text, or as `{ headers, body }`,
 * at once or by a promise; nothing is a 404. `port` is that of its other names.
 */
export async function startBlog(pages) {
  const server = await listen(async (request, response) => {
    const page = await pages(new URL(request.url, "http://blog.example"));
    const { headers = {}, body = page } = page ?? {};
    response.writeHead(page === undefined ? 404 : 200, { "Content-Type": "text/html; charset=utf-8", ...headers });
    response.end(body);
  });
  const { port } = server.address();
  return { port, url: `http://blog.example:${port}`, stop: () => end(server) };
}
