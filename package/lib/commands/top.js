// `tally top`: the most viewed posts.

import { digits, isCount } from "../tally.js";
import { printable } from "../terminal.js";

export async function top(tally, period, { limit }) {
  const data = await tally.read(`/top?period=${encodeURIComponent(period)}&limit=${encodeURIComponent(limit)}`, isTop);
  return { data, text: list(data.posts) };
}

const isTop = ({ posts }) => Array.isArray(posts) && posts.every(isPlace);
const isPlace = (place) => typeof place?.post === "string" && isCount(place.views) && ["string", "undefined"].includes(typeof (place.title ?? undefined));

function list(posts) {
  if (!posts.length) return "No post has been viewed yet.";
  const width = Math.max(...posts.map(({ views }) => digits(views).length));
  const line = ({ post, views, title }, place) => `${`${place + 1}`.padStart(2)}  ${digits(views).padStart(width)}  ${title ? `${title}  ${post}` : post}`;
  return posts.map(line).map(printable).join("\n");
}
