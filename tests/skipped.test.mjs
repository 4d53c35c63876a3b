// Pings that are not counted - crawlers, pages fetched ahead, foreign sites, floods - are answered with
// the reason and told in /stats; and pages of other origins may ping and read where they are allowed to.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ping, read, until } from "./visitors.mjs";
import { TALLY, request, serve } from "./workerd.mjs";

const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000 };
const NONE = { duplicate: 0, bot: 0, prefetch: 0, origin: 0, flood: 0, unknown: 0 };
const PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
const CHROME = "(KHTML, like Gecko) Chrome/142.0.0.0";

const BOTS = [
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
  `Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 ${CHROME} Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)`,
  "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
  "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
  `${PHONE} Version/17.4 Mobile/15E148 Safari/604.1 (Applebot/0.1; +http://www.apple.com/go/applebot)`,
  "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
  "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
  "Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
  "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36",
  `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 ${CHROME} Safari/537.36 Chrome-Lighthouse`,
  "python-requests/2.32.3",
  "Wget/1.25.0",
];
const PEOPLE = [
  `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 ${CHROME} Safari/537.36`,
  `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 ${CHROME} Safari/537.36 Edg/142.0.0.0`,
  "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
  `${PHONE} Version/26.0 Mobile/15E148 Safari/604.1`,
  `Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 ${CHROME} Mobile Safari/537.36`,
  `Mozilla/5.0 (Linux; Android 14; CUBOT X30) AppleWebKit/537.36 ${CHROME} Mobile Safari/537.36`,
  `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 ${CHROME} Safari/537.36 OPR/125.0.0.0`,
  "curl/8.5.0",
];

/** Waits until as many pings were not counted as `skipped` says, and checks each reason. */
async function stats(tally, expected) {
  const sum = ({ not_counted: skipped }) => Object.values(skipped).reduce((a, b) => a + b);
  const all = sum({ not_counted: { ...NONE, ...expected } });
  const found = await until(() => read(tally, "/stats"), (stats) => sum(stats) >= all);
  assert.deepEqual(found.not_counted, { ...NONE, ...expected });
  return found;
}

async function skips(pinged, post, reason) {
  const { status, told, headers } = await pinged;
  assert.equal(status, 200);
  assert.deepEqual(told, { post, views: 0, counted: false, reason });
  assert.equal(headers["access-control-allow-origin"], "*");
}

const refuses = async (pinged, status, code) => {
  const answer = await pinged;
  assert.equal(answer.status, status);
  assert.equal(answer.told.error.code, code);
  assert.ok(answer.told.error.message.length > 10);
  assert.equal(answer.headers["content-type"], "application/json");
  assert.equal(answer.headers["cache-control"], "no-store");
  assert.equal(answer.headers.vary, "Origin");
  return answer.headers;
};

test("crawlers are not counted, people are", async () => {
  const tally = await serve(TALLY, { vars: VARS });
  try {
    for (const [i, agent] of BOTS.entries()) await skips(ping(tally, "a", i, { "User-Agent": agent }), "a", "bot");
    for (const [i, agent] of PEOPLE.entries()) {
      const { told } = await ping(tally, "a", 100, { "User-Agent": agent });
      assert.deepEqual(told, { post: "a", views: i + 1, counted: true }, agent);
    }
    // A crawler is told the count too, and takes nobody's place.
    const { told } = await ping(tally, "a", 100, { "User-Agent": BOTS[0] });
    assert.deepEqual(told, { post: "a", views: PEOPLE.length, counted: false, reason: "bot" });
    const { views } = await stats(tally, { bot: BOTS.length + 1 });
    assert.equal(views, PEOPLE.length);
  } finally {
    await tally.stop();
  }
});

test('BOTS = "count" counts crawlers like people', async () => {
  const tally = await serve(TALLY, { vars: { ...VARS, BOTS: "count" } });
  try {
    for (const [i, agent] of BOTS.entries()) {
      const { told } = await ping(tally, "a", 1, { "User-Agent": agent });
      assert.deepEqual(told, { post: "a", views: i + 1, counted: true }, agent);
    }
    const { told } = await ping(tally, "a", 1, { "User-Agent": BOTS[0] });
    assert.deepEqual(told, { post: "a", views: BOTS.length, counted: false, reason: "duplicate" });
    await skips(ping(tally, "b", 2, { "User-Agent": BOTS[0], "Sec-Purpose": "prefetch" }), "b", "prefetch");
    await stats(tally, { duplicate: 1, prefetch: 1 });
  } finally {
    await tally.stop();
  }
});

test("a page that is fetched ahead is not counted, and is when it is opened", async () => {
  const tally = await serve(TALLY, { vars: VARS });
  const ahead = [
    { "Sec-Purpose": "prefetch" },
    { "Sec-Purpose": "prefetch;prerender" },
    { "Sec-Purpose": "prefetch; anonymous-client-ip" },
    { Purpose: "prefetch" },
    { "X-Moz": "prefetch" },
  ];
  try {
    for (const headers of ahead) await skips(ping(tally, "a", 1, headers), "a", "prefetch");
    assert.deepEqual((await ping(tally, "a", 1)).told, { post: "a", views: 1, counted: true });
    assert.equal((await ping(tally, "a", 2, { "Sec-Purpose": "" })).told.counted, true);
    const { views } = await stats(tally, { prefetch: ahead.length });
    assert.equal(views, 2);
  } finally {
    await tally.stop();
  }
});

describe("a flood", () => {
  let tally;
  before(async () => {
    tally = await serve(TALLY, { vars: VARS });
    await tally.kv("PUT", "/limit/5");
  });
  after(() => tally.stop());
  const from = (address, post) => ping(tally, post, 0, { "CF-Connecting-IP": address });

  /** Eight pings of eight posts, from the addresses in turn: five count and three do not. */
  async function eight(post, addresses) {
    for (let n = 0; n < 8; n++) {
      const pinged = from(addresses[n % addresses.length], `${post}${n}`);
      if (n < 5) {
        assert.deepEqual((await pinged).told, { post: `${post}${n}`, views: 1, counted: true });
      } else {
        const headers = await refuses(pinged, 429, "flood");
        assert.ok(Number(headers["retry-after"]) > 0);
        assert.equal(headers["access-control-allow-origin"], "*");
      }
    }
  }

  test("of one address is refused, and no other address is", async () => {
    await eight("a", ["192.0.2.1"]);
    assert.equal((await from("192.0.2.2", "a0")).told.counted, true);
    await stats(tally, { flood: 3 });
  });

  test("of one IPv6 network is refused, and no other network is", async () => {
    await eight("b", ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:DB8:1:2:ffff:ffff:ffff:ffff"]);
    assert.equal((await from("2001:db8:1:3::1", "b0")).told.counted, true);
    const { views } = await stats(tally, { flood: 6 });
    assert.equal(views, 12);
  });
});

const preflight = ({ url }, origin, headers = {}) =>
  request(url, "/views/142", {
    method: "OPTIONS",
    headers: { Origin: origin, "Access-Control-Request-Method": "POST", ...headers },
  });

test("without ALLOWED_ORIGINS, pages of every origin may ping and read the answer", async () => {
  const tally = await serve(TALLY, { vars: VARS });
  try {
    for (const [n, origin] of ["https://blog.example", "null", "http://localhost:8080"].entries()) {
      const { headers, told } = await ping(tally, "a", n, { Origin: origin });
      assert.deepEqual(told, { post: "a", views: n + 1, counted: true });
      assert.equal(headers["access-control-allow-origin"], "*");
      assert.equal(headers["cache-control"], "no-store");
      const asked = await preflight(tally, origin);
      assert.equal(asked.status, 204);
      assert.equal(asked.headers["access-control-allow-origin"], "*");
      assert.match(asked.headers["access-control-allow-methods"], /\bPOST\b/);
    }
    // What is wrong can be read by the page, too.
    const { status, headers } = await ping(tally, "a?id=", 9, { Origin: "https://blog.example" });
    assert.equal(status, 400);
    assert.equal(headers["access-control-allow-origin"], "*");
    await stats(tally, {});
  } finally {
    await tally.stop();
  }
});

test("with ALLOWED_ORIGINS, only pages of those may ping", async () => {
  const vars = { ...VARS, ALLOWED_ORIGINS: "https://blog.example, https://www.blog.example/" };
  const foreign = [
    "https://evil.example", "null", "http://blog.example", "https://blog.example:8443", "https://blog.example.evil.example",
    "https://notblog.example", "https://sub.blog.example",
  ];
  const tally = await serve(TALLY, { vars });
  try {
    for (const origin of foreign) {
      const headers = await refuses(ping(tally, "a", 1, { Origin: origin }), 403, "origin");
      assert.equal(headers["access-control-allow-origin"], undefined);
      const asked = await preflight(tally, origin);
      assert.equal(asked.status, 403, origin);
      assert.equal(asked.headers["access-control-allow-origin"], undefined);
    }
    // Without an origin it is no page, and a page's fetch never says what these do.
    const own = { Origin: "https://blog.example" };
    const none = [
      {}, { ...own, "Sec-Fetch-Site": "none" }, { ...own, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate" },
      { ...own, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "same-origin" },
    ];
    for (const headers of none) await refuses(ping(tally, "a", 1, headers), 403, "origin");
    const fetches = [["cross-site", "cors"], ["same-site", "no-cors"], ["same-origin", "same-origin"]];
    for (const [n, [site, mode]] of fetches.entries()) {
      const { told } = await ping(tally, "b", n, { ...own, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode });
      assert.deepEqual(told, { post: "b", views: n + 1, counted: true });
    }
    for (const [n, origin] of ["https://blog.example", "https://www.blog.example"].entries()) {
      const { status, headers, told } = await ping(tally, "a", n, { Origin: origin });
      assert.equal(status, 200);
      assert.deepEqual(told, { post: "a", views: n + 1, counted: true });
      assert.equal(headers["access-control-allow-origin"], origin);
      assert.equal(headers.vary, "Origin");
      const asked = await preflight(tally, origin, { "Access-Control-Request-Headers": "content-type" });
      assert.equal(asked.status, 204);
      assert.equal(asked.body, "");
      assert.equal(asked.headers["access-control-allow-origin"], origin);
      assert.equal(asked.headers.vary, "Origin");
      assert.match(asked.headers["access-control-allow-methods"], /\bPOST\b/);
    }
    const { views } = await stats(tally, { origin: foreign.length + none.length });
    assert.equal(views, 2 + fetches.length);
    // Reading is free to all.
    const { status, headers } = await request(tally.url, "/views/a", { headers: { Origin: foreign[0] } });
    assert.equal(status, 200);
    assert.equal(headers["access-control-allow-origin"], "*");
  } finally {
    await tally.stop();
  }
});

test("every reason is told in /stats", async () => {
  const tally = await serve(TALLY, { vars: { ...VARS, ALLOWED_ORIGINS: "https://blog.example" } });
  try {
    await tally.kv("PUT", "/limit/10");
    const own = { Origin: "https://blog.example" };
    await ping(tally, "a", 1, own);
    for (let n = 0; n < 2; n++) await ping(tally, "a", 1, own);
    for (let n = 0; n < 3; n++) await ping(tally, "a", 2, { ...own, "User-Agent": BOTS[0] });
    for (let n = 0; n < 4; n++) await ping(tally, "a", 3, { ...own, Purpose: "prefetch" });
    for (let n = 0; n < 5; n++) await ping(tally, "a", 4, { Origin: "https://evil.example" });
    for (let n = 0; n < 16; n++) await ping(tally, `b${n}`, 5, own);
    const { views, posts } = await stats(tally, { duplicate: 2, bot: 3, prefetch: 4, origin: 5, flood: 6 });
    assert.deepEqual({ views, posts }, { views: 11, posts: 11 });
  } finally {
    await tally.stop();
  }
});
