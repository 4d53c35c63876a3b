// `tally views`: the views of some posts.

import { digits } from "../tally.js";
import { printable } from "./top.js";

/** As many as one request takes. */
const BATCH = 100;

export async function views(tally, posts) {
  const views = {};
  for (let at = 0; at < posts.length; at += BATCH) {
    const query = posts.slice(at, at + BATCH).map((post) => `post=${encodeURIComponent(post)}`);
    const answer = await tally.read(`/views?${query.join("&")}`);
    // `__proto__` is a name like any other.
    for (const [post, count] of Object.entries(answer.views)) Object.defineProperty(views, post, { value: count, enumerable: true });
  }
  const width = Math.max(...Object.values(views).map((count) => digits(count).length));
  const lines = Object.entries(views).map(([post, count]) => `${digits(count).padStart(width)}  ${printable(post)}`);
  return { data: { views }, text: lines.join("\n") };
}
