// The rest of top.js, which loads it where a page has a list of the most viewed posts. It has the hash of this file,
// so the integrity hash of top.js covers this too.
//
// - Fills every `[data-top-views]` with as many links and their views, the most viewed post first; also a list that
//   comes later. `data-period` is all, day, week or month.
// - Titles and addresses are those that the Worker has from the site. Without them only posts are shown that a link
//   on this page leads to, by its address or by what it says (`<a href="/hello/" data-post="142">`); and where those
//   are too few, those in the site's feeds and sitemaps that the page names (`<link rel="alternate"
//   type="application/rss+xml">`, `<link rel="sitemap">`). Whatever else was pinged is left out.
// - The title is the link's `aria-label`, else the heading in it, else its text; or the feed's. The parts have the
//   classes `tally-post`, `tally-link` and `tally-views`.
//
// A list that cannot be had stays as it is; one for which there are no links yet is tried again when the page changes.

import { identify, own } from "./views/post.js";

const base = own("currentScript").dataset.tally;
/** How many feeds and sitemaps are read. */
const MOST_FEEDS = 3;

/** The text at each address that was asked for; a promise. */
const texts = {};
const read = (address) => (texts[address] ??= fetch(address).then((answer) => answer.text()));

/** Notes which post a link leads to, by its title and address. */
function note(found, title, href, post) {
  try {
    const url = new URL(href, location);
    title = title?.trim();
    if (!title || url.origin !== origin || url.hash) return;
    found[post ?? ""] ??= { title, url };
    found[identify(url.href)] ??= { title, url };
  } catch {
    // It is no address.
  }
}

const label = (link) => link.ariaLabel || (link.querySelector("h1,h2,h3,h4,h5,h6") || link).textContent;

/** The links of the page by the posts that they lead to. */
function collect() {
  const found = { __proto__: null };
  for (const link of document.links) note(found, label(link), link.href, link.dataset.post);
  return found;
}

/** Adds those of a feed or sitemap of this site. */
async function collectFeed(found, address) {
  if (new URL(address).origin !== origin) return;
  const feed = new DOMParser().parseFromString(await read(address), "text/xml");
  for (const entry of feed.querySelectorAll("item, entry, url")) {
    const link = entry.querySelector("link:not([rel]), link[rel=alternate], loc");
    note(found, entry.querySelector("title")?.textContent, link?.getAttribute("href") || link?.textContent);
  }
}

const isText = (value) => typeof value === "string";

async function fill(list) {
  const { topViews, period } = list.dataset;
  const count = topViews || 10;
  // More than are asked for, as some are left out.
  const { posts } = JSON.parse(await read(`${base}top?limit=100&period=${period || "all"}`));
  const found = collect();
  const choose = () =>
    posts.flatMap(({ post, views, title, url }) => {
      const from = title && isText(title) && isText(url) && /^https?:\/\//i.test(url) ? { title, url } : found[post];
      return from ? [{ ...from, views }] : [];
    });
  const feeds = document.querySelectorAll("link[rel=alternate]:is([type*=rss], [type*=atom]), link[rel=sitemap]");
  for (const { href } of [...feeds].slice(0, MOST_FEEDS)) if (choose().length < count) await collectFeed(found, href).catch(() => {});
  const items = choose().slice(0, count);
  if (items.length) list.replaceChildren(...items.map((item) => draw(item, list)));
  // It is tried again.
  else delete list.tally;
}

function draw({ title, url, views }, list) {
  const link = make("a", "link", title);
  link.href = url;
  return make("li", "post", link, " ", make("span", "views", write(views, list)));
}

function write(number, list) {
  try {
    return number.toLocaleString(list.closest("[lang]")?.lang || undefined);
  } catch {
    // The language is none.
    return `${number}`;
  }
}

function make(tag, name, ...inside) {
  const element = document.createElement(tag);
  element.className = `tally-${name}`;
  element.append(...inside);
  return element;
}

function look() {
  if (own("readyState") === "loading") return;
  for (const list of document.querySelectorAll("[data-top-views]")) list.tally ??= fill(list).catch(() => {});
}

look();
addEventListener("DOMContentLoaded", look);
new MutationObserver(look).observe(document, { childList: true, subtree: true });
