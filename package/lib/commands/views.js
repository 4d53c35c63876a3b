// `tally views`: the views of some posts.

import { digits, isCount } from "../tally.js";
import { printable } from "../terminal.js";

/** How many posts a request takes. */
const BATCH = 100;
/** How long the query of a request may be; Cloudflare takes 16 KB with all headers. */
const QUERY = 8000;

export async function views(tally, posts) {
  const views = {};
  for (const batch of batches(posts)) {
    const query = batch.map((post) => `post=${encodeURIComponent(post)}`).join("&");
    const answer = await tally.read(`/views?${query}`, ({ views }) => batch.every((post) => views && Object.hasOwn(views, post) && isCount(views[post])));
    // `__proto__` is a name like any other.
    for (const post of batch) Object.defineProperty(views, post, { value: answer.views[post], enumerable: true });
  }
  const width = Math.max(...Object.values(views).map((count) => digits(count).length));
  const lines = Object.entries(views).map(([post, count]) => `${digits(count).padStart(width)}  ${printable(post)}`);
  return { data: { views }, text: lines.join("\n") };
}

/** The posts, as many at a time as a request takes. */
function* batches(posts) {
  let batch = [];
  let length = 0;
  for (const post of new Set(posts)) {
    const more = encodeURIComponent(post).length + 6;
    if (batch.length === BATCH || (batch.length && length + more > QUERY)) {
      yield batch;
      [batch, length] = [[], 0];
    }
    batch.push(post);
    length += more;
  }
  yield batch;
}
