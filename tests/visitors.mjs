// Visitors of a blog, as the tests of the posts' views send them.

import { setTimeout as sleep } from "node:timers/promises";
import { request } from "./workerd.mjs";

const BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

/** The headers of the nth visitor: an address of their own, all with the same browser. */
export function visitor(n) {
  const address = [10, n >> 16, (n >> 8) & 255, n & 255].join(".");
  return { "CF-Connecting-IP": address, "User-Agent": BROWSER };
}

/** Pings a post as the nth visitor, with more headers; the status, the headers and what was told. */
export async function ping({ url }, post, n, headers = {}) {
  const answer = await request(url, `/views/${post}`, { method: "POST", headers: { ...visitor(n), ...headers } });
  return { ...answer, told: JSON.parse(answer.body) };
}

/** Reads a path; its JSON. */
export async function read({ url }, path, headers) {
  return JSON.parse((await request(url, path, { headers })).body);
}

/** Waits until what `look` finds is right, or a number of seconds has passed. */
export async function until(look, isRight, seconds = 10) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (isRight(found) || Date.now() > end) return found;
    await sleep(100);
  }
}

/** Posts that may be named, though they look like something else. */
export const HOSTILE = [
  "__proto__", "constructor", "toString", "hasOwnProperty", "null", "0", "-1", "1e3",
  "'; DROP TABLE views;--", "<script>alert(1)</script>", "=1+1", "+1", "-2+3", "@SUM(A1)", "'=1", '"', '","', "a,b;c\\d",
  "%", "%25", "%00", "a+b", "a b", " a ", "a&b=c", "a?b#c", "a/b/c", "/a", "a/", "//", "a/./b", "...", ".hidden", "v1.2.html",
  "a:b", "posts", "🦀", "👩‍👩‍👧", "عداد", "計数", "é", "e\u0301", "\u202ea", "\ufeffa", "x".repeat(512), "é".repeat(256),
];
