// Prints the most viewed posts of a Tally.
//
// `npm run top [-- URL] [PERIOD]`: URL is http://localhost:8787 where none is given, PERIOD all, day,
// week or month.

import { fail } from "./shell.mjs";

const given = process.argv.slice(2);
const url = given.find((word) => /^https?:/.test(word)) ?? "http://localhost:8787";
const period = given.find((word) => word !== url) ?? "all";

const { posts } = await read(new URL(`/top?period=${encodeURIComponent(period)}`, url));
if (!posts.length) console.log("Nothing was viewed yet.");
const width = Math.max(...posts.map(({ views }) => digits(views).length));
for (const [place, { post, views }] of posts.entries()) {
  console.log(`${`${place + 1}`.padStart(2)}  ${digits(views).padStart(width)}  ${post}`);
}

async function read(url) {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    const body = await answer.json();
    if (!answer.ok) fail(body.error.message);
    return body;
  } catch (error) {
    fail(`${url.origin} does not answer as Tally does (${error.cause?.code ?? error.message})`);
  }
}

function digits(views) {
  return views.toLocaleString("en");
}
