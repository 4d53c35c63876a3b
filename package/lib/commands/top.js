// `tally top`: the most viewed posts.

import { digits } from "../tally.js";

export async function top(tally, period, { limit }) {
  const data = await tally.read(`/top?period=${encodeURIComponent(period)}&limit=${encodeURIComponent(limit)}`);
  return { data, text: list(data.posts) };
}

function list(posts) {
  if (!posts.length) return "Nothing was viewed yet.";
  const width = Math.max(...posts.map(({ views }) => digits(views).length));
  const line = ({ post, views, title }, place) => `${`${place + 1}`.padStart(2)}  ${digits(views).padStart(width)}  ${title ? `${title}  ${post}` : post}`;
  return posts.map(line).map(printable).join("\n");
}

/** A post may be called anything; a terminal must not act on it. */
export function printable(text) {
  return text.replace(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, "\ufffd");
}
