// Who means harm, from outside: connections that idle, bodies that drip or never end, requests of any size, forged
// headers, queries that are to poison a cache, many attackers at once. Honest readers are counted meanwhile.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import http from "node:http";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ping, read, until, visitor } from "./visitors.mjs";
import { TALLY, request, serve } from "./workerd.mjs";

const VARS = { PUBLISH_SECONDS: 1, KV_WRITES_PER_DAY: 1_000_000, ADMIN_TOKEN: "t" };
const OWNER = { Authorization: "Bearer t" };
const upTo = (n) => Array.from({ length: n }, (_, i) => i);

describe("while others misbehave, an honest reader is counted within seconds", () => {
  let tally, honest;
  let views = 0;
  before(async () => {
    tally = await serve(TALLY, { vars: VARS });
    // A connection of its own for each, as readers have.
    honest = async () => {
      const begun = Date.now();
      const { told } = await ping(tally, "honest", 1000 + views, { Connection: "close" });
      views++;
      assert.deepEqual(told, { post: "honest", views, counted: true });
      assert.ok(Date.now() - begun < 5000, `${Date.now() - begun} ms`);
    };
    await honest();
  });
  after(() => tally.stop("SIGKILL"));

  /** A connection that sends what it is told to; it may be cut off. */
  const open = (text = "", { url } = tally) =>
    new Promise((resolve, reject) => {
      const socket = connect(new URL(url).port, "127.0.0.1", () => {
        socket.on("error", () => {});
        if (text) socket.write(text);
        resolve(socket);
      });
      socket.once("error", reject);
    });
  const head = (line, headers) => `${line} HTTP/1.1\r\nHost: tally.example\r\n${headers.map((header) => `${header}\r\n`).join("")}`;

  test("10,000 connections that idle, or stop within a request", { skip: !existsSync("/proc/self/limits") && "there is no /proc" }, async (t) => {
    const files = (pid) => Number(/Max open files\s+(\d+)/.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))[1]);
    /** As many connections fit: workerd takes two files for each, and is given more of them where that may be done. */
    const room = ({ pid }) => {
      spawnSync("prlimit", ["--pid", `${pid}`, "--nofile=24000:24000"]);
      return Math.floor(files(pid) / 2) - 500;
    };
    const most = Math.min(10_000, files("self") - 500);
    const rooms = [[tally, room(tally)]];
    let other;
    if (rooms[0][1] < most) rooms.push([(other = await serve(TALLY, { vars: VARS })), room(other)]);
    const sockets = [];
    const counts = [];
    try {
      for (const [server, room] of rooms) {
        const end = Math.min(sockets.length + room, most);
        counts.push(end - sockets.length);
        while (sockets.length < end) {
          const more = upTo(Math.min(500, end - sockets.length)).map((n) => open(n % 2 ? "" : head("POST /views/idle", ["Content-Length: 5"]).slice(0, 10 + (n % 60)), server));
          sockets.push(...await Promise.all(more));
          await honest();
          if (server === other) assert.equal((await ping(other, "honest", sockets.length, { Connection: "close" })).status, 200);
        }
      }
      t.diagnostic(`${sockets.length} connections, to each workerd ${counts.join(" and ")}`);
      if (sockets.length < 10_000) t.diagnostic("the system allows no more open files");
    } finally {
      for (const socket of sockets) socket.destroy();
      await other?.stop("SIGKILL");
    }
    await honest();
  });

  test("bodies that drip", async () => {
    const dripping = ["POST /views/slow", "POST /import", "PUT /views/slow", "POST /increment?name=slow"];
    const requests = upTo(100).map((n) => open(`${head(dripping[n % 4], ["Authorization: Bearer t", "Content-Length: 900"])}\r\n`));
    const sockets = await Promise.all(requests);
    try {
      for (const _ of upTo(5)) {
        for (const socket of sockets) if (!socket.destroyed) socket.write("1");
        await honest();
        await sleep(100);
      }
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    await honest();
  });

  test("bodies of 100 MB: each is refused, and not waited for", async () => {
    const chunk = Buffer.alloc(1 << 20, " ");
    /** Sends it as far as it is taken; the status, or `undefined` where the connection was cut off. */
    const large = (method, path, headers) =>
      new Promise((resolve) => {
        const { hostname, port } = new URL(tally.url);
        const sent = http.request({ hostname, port, path, method, headers, agent: false }, (response) => {
          resolve(response.statusCode);
          response.resume().on("end", () => sent.destroy());
        });
        sent.on("error", () => resolve(undefined));
        let left = 100;
        const more = () => {
          while (left-- > 0) if (!sent.write(chunk)) return sent.once("drain", more);
          sent.end();
        };
        more();
      });
    const declared = { "Content-Length": 100 << 20 };
    const chunked = { "Transfer-Encoding": "chunked" };
    const refused = [
      [large("POST", "/views/large", declared), [413]],
      [large("POST", "/import", declared), [401]],
      [large("POST", "/import", { ...declared, ...OWNER }), [413]],
      [large("POST", "/import", { ...chunked, ...OWNER }), [413]],
      [large("PUT", "/views/large", { ...chunked, ...OWNER }), [413]],
      // Not read: the view counts, or the connection is cut off before.
      [large("POST", "/views/large", chunked), [200]],
      [large("POST", "/increment?name=large", chunked), [200]],
    ];
    const honestly = honest();
    for (const [status, expected] of refused) {
      const told = await status;
      assert.ok(told === undefined || expected.includes(told), `${told}, not ${expected}`);
    }
    await honestly;
    await honest();
  });

  test("addresses of 16 KB, a thousand headers, and headers of 100 KB", async () => {
    const long = "x".repeat(16 << 10);
    const paths = [`/${long}`, `/views/${long}`, `/views?post=${long}`, `/views?${"post=a&".repeat(2300)}`, `/increment?name=${long}`, `/badge/${long}.svg`,
      `/badge/a.svg?label=${long}`, `/top?prefix=${long}`, `/history?post=${long}`, `/?${"a=b&".repeat(4000)}`, `/views/${"%".repeat(9000)}`, `/views/a?id=${long}`];
    for (const path of paths) {
      for (const method of ["GET", "POST"]) assert.ok((await request(tally.url, path, { method })).status < 500, path.slice(0, 40));
    }
    const many = Object.fromEntries(upTo(1000).map((n) => [`X-${n}`, "x"]));
    const wide = Object.fromEntries(["User-Agent", "Origin", "Accept", "If-None-Match", "CF-Connecting-IP", "Sec-Purpose", "Authorization"].map((name) => [name, "x,".repeat(7000)]));
    for (const headers of [many, wide]) {
      for (const [method, path] of [["POST", "/views/wide"], ["GET", "/views/wide"], ["GET", "/increment?name=wide"], ["GET", "/export"]]) {
        const told = await request(tally.url, path, { method, headers: { ...headers, Connection: "close" } }).catch(() => ({ status: 431 }));
        assert.ok(told.status < 500, `${told.status} ${path}`);
      }
    }
    await honest();
  });

  test("and nothing has broken", async () => {
    await honest();
    assert.equal((await until(() => read(tally, "/views/honest"), (told) => told.views === views)).views, views);
    assert.doesNotMatch(tally.log(), /panicked|unreachable/i);
  });
});

test("a hundred attackers beside one honest reader, whose views all count", async () => {
  const tally = await serve(TALLY, { vars: VARS });
  try {
    await tally.kv("PUT", "/limit/100");
    let refused = 0;
    let alive = true;
    /** Each has an address, and pings as fast as it is answered, whatever it claims to be. */
    const attackers = upTo(100).map(async (n) => {
      for (let i = 0; alive; i++) {
        const forged = { "X-Forwarded-For": `192.0.2.${i % 256}`, Forwarded: `for=192.0.2.${i % 256}`, "True-Client-IP": `192.0.2.${i % 256}`, "User-Agent": `Mozilla/5.0 ${i}` };
        const { status } = await ping(tally, `attacked-${i % 7}`, n, forged);
        assert.ok([200, 429].includes(status), `${status}`);
        refused += status === 429;
        if (status === 429) await sleep(20);
      }
    });
    for (const n of upTo(50)) {
      const { status, told } = await ping(tally, `post-${n}`, 5000);
      assert.deepEqual([status, told], [200, { post: `post-${n}`, views: 1, counted: true }]);
    }
    await until(() => refused, (refused) => refused > 1000, 30);
    alive = false;
    await Promise.all(attackers);
    const views = Object.fromEntries(upTo(50).map((n) => [`post-${n}`, 1]));
    const all = `/views?${upTo(50).map((n) => `post=post-${n}`).join("&")}`;
    assert.deepEqual((await until(() => read(tally, all), (told) => Object.values(told.views).every(Boolean))).views, views);
    // Two seconds pass until the last of them are told.
    const stats = await until(() => read(tally, "/stats"), ({ not_counted: { flood } }) => flood === refused);
    assert.equal(stats.not_counted.flood, refused);
    assert.ok(stats.views <= 50 + 100 * 100, "an address counts no more often than the rate limit lets it");
  } finally {
    await tally.stop();
  }
});

test("what a cache may keep does not depend on what it does not ask for", async () => {
  const tally = await serve(TALLY, { vars: VARS });
  try {
    await ping(tally, "a", 1);
    await until(() => read(tally, "/views/a"), ({ views }) => views === 1);
    const strange = [
      { Host: "evil.example" }, { "X-Forwarded-Host": "evil.example" }, { "X-Original-URL": "/export" }, { "X-Rewrite-URL": "/export" },
      { "X-HTTP-Method-Override": "DELETE" }, { Origin: "https://evil.example" }, { Cookie: "a=b" }, { Accept: "text/html" }, { Range: "bytes=0-1" },
      { "X-Forwarded-Proto": "http" }, { Authorization: "Bearer x" }, visitor(7),
    ];
    const paths = ["/views/a", "/views?post=a", "/top", "/history?post=a", "/badge/a.svg"];
    for (const path of paths) {
      const plain = await request(tally.url, path);
      assert.match(plain.headers["cache-control"], /^public/);
      for (const headers of strange) {
        const told = await request(tally.url, path, { headers });
        assert.deepEqual(told, plain, `${path} ${JSON.stringify(headers)}`);
      }
      const mark = path.includes("?") ? "&" : "?";
      for (const query of ["callback=alert", "utm_source=x", "_=<script>", "post", "%00", "x".repeat(2000)]) {
        const { status, body } = await request(tally.url, `${path}${mark}${encodeURI(query)}`);
        // Another question gets its own answer, or an error that no cache keeps.
        if (status === 200) assert.equal(body, plain.body, query);
        assert.ok(!body.includes("script>") && !body.includes("alert"), query);
      }
    }
    // What is refused is never kept.
    for (const path of ["/views/%", "/top?limit=0", "/stats?x", "/badge/a.svg?color=x"]) {
      const { status, headers } = await request(tally.url, path);
      if (status !== 200) assert.equal(headers["cache-control"], "no-store", path);
    }
  } finally {
    await tally.stop();
  }
});
