// Who may count and who may read: COUNTER_WRITES and PUBLIC, the owner's token, and what is kept from caches
// and from everybody else. What every answer carries for browsers.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { NO_BROWSER, launch } from "./browser.mjs";
import { startDev } from "./dev.mjs";
import { ping, until } from "./visitors.mjs";
import { TALLY, request, serve } from "./workerd.mjs";

const SECRET = "correct horse battery staple-4b7a";
const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000, DEDUPE_SECONDS: 0, ADMIN_TOKEN: SECRET };
const OWNER = { Authorization: `Bearer ${SECRET}` };
const STRANGERS = [{}, ...["", "Bearer", "Bearer ", `Bearer ${SECRET}x`, `Bearer ${SECRET.slice(1)}`, `Basic ${SECRET}`, SECRET].map((Authorization) => ({ Authorization }))];

/** Runs `work` with a Worker of its own. */
async function alone(vars, work) {
  const tally = await serve(TALLY, { vars: { ...VARS, ...vars } });
  try {
    return await work(tally, (path, headers, method) => request(tally.url, path, { headers, method }));
  } finally {
    await tally.stop();
  }
}

describe("COUNTER_WRITES", () => {
  const changes = ["/increment?name=A", "/decrement?name=A", "/increment?name=A&amount=0"];

  test("owner: a change needs the token; a read, HEAD and RPC do not", () =>
    alone({ COUNTER_WRITES: "owner" }, async (_, get) => {
      assert.equal((await get("/increment?name=A", OWNER)).body, "Durable Object 'A' count: 1");
      assert.equal((await get("/increment?name=A", OWNER, "POST")).body, "Durable Object 'A' count: 2");
      for (const headers of STRANGERS) {
        for (const path of changes) {
          for (const method of ["GET", "POST"]) {
            const { status, headers: told, body } = await get(path, { ...headers, Accept: "application/json" }, method);
            assert.deepEqual([status, told["www-authenticate"], told["cache-control"]], [401, "Bearer", "no-store"]);
            assert.equal(JSON.parse(body).error.code, "unauthorized");
          }
        }
      }
      assert.equal((await get("/increment?name=A", {}, "HEAD")).status, 200);
      assert.equal((await get("/?name=A")).body, "Durable Object 'A' count: 2");
    }));

  test("owner without a token set: nobody may", () =>
    alone({ COUNTER_WRITES: "owner", ADMIN_TOKEN: "" }, async (_, get) => {
      for (const headers of [...STRANGERS, OWNER]) assert.equal((await get("/increment?name=A", headers)).status, 401);
      assert.equal((await get("/?name=A")).body, "Durable Object 'A' count: 0");
    }));

  // What is misspelt must not open what was to be closed.
  for (const COUNTER_WRITES of ["off", "Owner"]) {
    test(`${COUNTER_WRITES}: nobody changes a counter over HTTP`, () =>
      alone({ COUNTER_WRITES }, async (tally, get) => {
        for (const path of changes) {
          for (const headers of [{}, OWNER]) {
            const answer = await get(path, headers);
            assert.deepEqual([answer.status, answer.headers.allow], [405, "HEAD"]);
            assert.equal(answer.body, "`COUNTER_WRITES` is off: counters are not changed over HTTP");
          }
        }
        assert.equal((await get("/?name=A")).body, "Durable Object 'A' count: 0");
        assert.equal(tally.log().includes("COUNTER_WRITES has a value"), COUNTER_WRITES !== "off");
      }));
  }
});

describe("PUBLIC", () => {
  const READS = {
    views: ["/views/a", "/views?post=a&post=b", "/views/unseen"],
    top: ["/top", "/top?period=day&limit=1", "/top?prefix=%2Fnone"],
    history: ["/history", "/history?post=a"],
    stats: ["/stats"],
    badge: ["/badge/a.svg", "/badge/unseen.svg?label=x"],
  };

  for (const [name, paths] of Object.entries(READS)) {
    const others = Object.keys(READS).filter((other) => other !== name);

    test(`without ${name}: only the owner reads it, and no cache keeps it`, () =>
      alone({ PUBLIC: others.join(" ") }, async (tally, get) => {
        await ping(tally, "a", 1);
        await until(() => tally.kv(), ({ entries }) => entries.a === "1");
        // Twice and in turn, so that what is kept in memory has to be kept apart.
        for (let round = 0; round < 2; round++) {
          for (const path of paths) {
            const told = await get(path, OWNER);
            assert.equal(told.status, path.includes("prefix") ? 400 : 200, path);
            if (told.status === 200) {
              assert.equal(told.headers["cache-control"], "private, no-store");
              assert.equal(told.headers["access-control-allow-origin"], undefined);
              assert.equal(told.headers.etag, undefined);
            }
            for (const headers of [...STRANGERS, { "If-None-Match": "*" }]) {
              for (const method of ["GET", "HEAD"]) {
                const { status, headers: refused, body } = await get(path, headers, method);
                assert.deepEqual([status, refused["cache-control"]], [401, "no-store"], path);
                if (method === "GET") assert.equal(JSON.parse(body).error.code, "unauthorized");
              }
            }
          }
        }
        for (const other of others) {
          const { status, headers } = await get(READS[other][0]);
          assert.equal(status, 200, other);
          assert.match(headers["cache-control"], /^public/);
        }
        const { told } = await ping(tally, "a", 2);
        assert.deepEqual(told, name === "views" ? { post: "a", counted: true } : { post: "a", views: 2, counted: true });
      }));
  }

  test("empty, nothing can be read without the token, and views are counted all the same", () =>
    alone({ PUBLIC: "" }, async (tally, get) => {
      for (const path of Object.values(READS).flat()) assert.equal((await get(path)).status, 401, path);
      await ping(tally, "a", 1);
      const views = async () => JSON.parse((await get("/views/a", OWNER)).body).views;
      assert.equal(await until(views, (views) => views === 1), 1);
    }));
});

test("every answer is harmless where it is opened by itself", () =>
  alone({ PUBLIC: "views top", COUNTER_WRITES: "owner" }, async (tally, get) => {
    await ping(tally, "a", 1);
    const asked = [
      ["/"], ["/?name=%3Cscript%3Ealert(1)%3C/script%3E"], ["/increment?name=A", OWNER], ["/increment?name=A"], ["/nowhere?name=A"], ["/", {}, "PUT"],
      ["/views/a", {}, "POST"], ["/views/a"], ["/views/a", { "If-None-Match": "*" }], ["/views/%"], ["/top"], ["/stats"], ["/stats", OWNER],
      ["/badge/a.svg", OWNER], ["/badge/a.svg"], ["/export", OWNER], ["/export"], ["/views/a", OWNER, "DELETE"], ["/views/a", {}, "OPTIONS"],
    ];
    for (const [path, headers, method] of asked) {
      const answer = await get(path, headers, method);
      assert.ok(answer.status < 500, path);
      assert.equal(answer.headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'", path);
      assert.equal(answer.headers["x-content-type-options"], "nosniff", path);
      assert.equal(answer.headers["referrer-policy"], "no-referrer", path);
    }
  }));

test("the token is in no answer, no log, no row and no value of Workers KV", () =>
  alone({ PUBLIC: "" }, async (tally, get) => {
    const told = [];
    const note = async (answer) => told.push(JSON.stringify(await answer));
    const everywhere = [`/views/${encodeURIComponent("a")}`, "/export?format=csv", "/import?mode=x", "/stats", "/nowhere", "/top?limit=x", "/views/%", "/increment?name=A&amount=x"];
    for (const path of everywhere) {
      for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
        for (const headers of [OWNER, { Authorization: `Bearer ${SECRET}x` }, { Authorization: SECRET }]) await note(get(path, headers, method));
      }
    }
    await tally.kv("PUT", "/mode/fail");
    for (const path of everywhere) await note(get(path, OWNER));
    await tally.kv("PUT", "/mode/ok");
    await ping(tally, "b", 1);
    await until(() => tally.kv(), ({ entries }) => entries.b === "1");
    told.push(tally.log(), JSON.stringify(await tally.kv()));
    for (const text of told) assert.ok(!text.includes(SECRET), text.slice(0, 500));
  }));

describe("the dashboard, where not everybody may read", { skip: NO_BROWSER }, () => {
  let tally, browser;
  before(async () => {
    [tally, browser] = await Promise.all([startDev({ vars: { ADMIN_TOKEN: SECRET, PUBLIC: "top" } }), launch()]);
    await ping(tally, "a", 1);
    await until(async () => JSON.parse((await request(tally.url, "/top")).body).posts, (posts) => posts.length === 1);
  });
  after(async () => {
    await browser?.close();
    await tally?.stop();
  });

  const views = (page, text) => page.waitForFunction((text) => document.getElementById("views").textContent === text, text);
  const give = async (page, token) => {
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Log in" }).click();
  };

  test("asks for the token, keeps it for the tab only, and forgets it with the numbers", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const urls = [];
    page.on("request", (asked) => urls.push(asked.url()));
    await page.goto(`${tally.url}/dashboard`);
    await page.locator("#login").waitFor();
    await page.locator("#list button").waitFor();
    for (const id of ["totals", "chart", "skipped", "budget", "notice", "logout"]) assert.equal(await page.isVisible(`#${id}`), false, id);

    await give(page, "wrong");
    await page.waitForFunction(() => document.getElementById("denied").textContent === "That is not the token.");
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);

    await give(page, ` ${SECRET}\n`);
    await views(page, "1");
    await page.locator("#login").waitFor({ state: "hidden" });
    for (const id of ["totals", "chart", "skipped", "budget"]) await page.locator(`#${id}`).waitFor();
    await page.reload();
    await views(page, "1");
    const [stored, local, cookies] = [await page.evaluate(() => ({ ...sessionStorage })), await page.evaluate(() => localStorage.length), await context.cookies()];
    assert.deepEqual([stored, local, cookies], [{ "tally-token": SECRET }, 0, []]);
    const other = await context.newPage();
    await other.goto(`${tally.url}/dashboard`);
    await other.locator("#login").waitFor();

    await page.getByRole("button", { name: "Log out" }).click();
    await page.locator("#login").waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    assert.equal(await page.textContent("#views"), "");
    assert.ok(urls.length > 8 && urls.every((url) => !url.includes(SECRET)));
    await context.close();
  });
});
