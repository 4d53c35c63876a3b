// A page as public/views.js sees it: the tag, the post that it counts, and the page's policy.

import { defaultTreeAdapter, parse } from "parse5";
import { bodyOf } from "./body.js";
import { Failure, reasonOf, unreachable, usage } from "./failure.js";

// A page may be anybody's, so what it costs is bounded: in time, in bytes, and in elements, of which mismatched tags make
// many more than they are.
const PATIENCE = 15_000;
const MOST_BYTES = 4 << 20;
const MOST_ELEMENTS = 500_000;
const MOST_BADGES = 20;
/** Addresses in the text of a script. */
const ADDRESSES = /["'`](https?:\/\/[^"'`\s]+)["'`]/g;
const SCRIPT = /\/views\.js$/;

/** Fetches a page; its facts. */
export async function readPage(address) {
  if (!/^https?:/.test(address) || !URL.canParse(address)) throw usage(`"${address}" is not the address of a page, such as https://blog.example/hello/`);
  const { response, bytes, isWhole } = await get(address);
  const { url, status, headers } = response;
  if (!response.ok) throw new Failure(`${url} answers ${status}; is the address right?`, { code: "no_page" });
  if (!/html/.test(headers.get("Content-Type") ?? "")) throw new Failure(`${url} is not an HTML page`, { code: "no_page" });
  const fragment = new URL(address).hash;
  const facts = factsOf(bytes.toString(), url);
  if (!isWhole && !facts.tags.length) throw new Failure(`${url} has no script in its first ${MOST_BYTES >> 20} MB, and is larger`, { code: "too_large" });
  return { ...facts, fragment, policy: headers.get("Content-Security-Policy") ?? "" };
}

async function get(address) {
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    const response = await fetch(address, { signal, headers: { Accept: "text/html", "User-Agent": "Mozilla/5.0 (compatible; tally doctor)" } });
    return { response, ...(await bodyOf(response, MOST_BYTES)) };
  } catch (error) {
    throw unreachable(`${address} does not answer (${reasonOf(error)})`);
  }
}

/** `url`, `base`, `canonical`, `metas`, `tags`, and whether there are places for `numbers` and `badges`. */
function factsOf(html, url) {
  const facts = { url, base: url, canonical: undefined, metas: [], tags: [], numbers: false, badges: [] };
  for (const { name, attributes, text, isInHead } of elements(parse(html, { treeAdapter: bounded() }))) look(facts, name, attributes, text, isInHead);
  facts.tags = facts.tags.map((tag) => ({ ...tag, src: absolute(tag.src, facts.base) })).filter(({ src }) => src && SCRIPT.test(new URL(src).pathname));
  facts.badges = [...new Set(facts.badges.map((src) => absolute(src, facts.base)))].filter(Boolean).slice(0, MOST_BADGES);
  return facts;
}

/** Makes a tree of at most so many elements. */
function bounded() {
  let left = MOST_ELEMENTS;
  const createElement = (...args) => {
    if (!left--) throw new Failure("the page has too many elements", { code: "too_large" });
    return defaultTreeAdapter.createElement(.../** @type {[any, any, any]} */ (args));
  };
  return { ...defaultTreeAdapter, createElement };
}

function look(facts, name, attributes, text, isInHead) {
  const { src, href, content } = attributes;
  if ("data-views" in attributes) facts.numbers = true;
  if (name === "base" && href && facts.base === facts.url) facts.base = absolute(href, facts.url) ?? facts.url;
  if (name === "link" && isInHead && href && /(^|\s)canonical(\s|$)/i.test(attributes.rel ?? "")) facts.canonical ??= absolute(href, facts.base);
  if (name === "meta" && attributes["http-equiv"]?.toLowerCase() === "content-security-policy") facts.metas.push(content ?? "");
  if (name === "img" && isBadge(src)) facts.badges.push(src);
  if (name !== "script") return;
  if (src) return void facts.tags.push({ src, attributes });
  const inserted = [...text.matchAll(ADDRESSES)].map(([, address]) => address).find((address) => SCRIPT.test(address.split(/[?#]/)[0]));
  if (inserted) facts.tags.push({ src: inserted, attributes: {}, inserted: true });
}

const isBadge = (src = "") => src.includes("/badge/") && src.slice(src.indexOf("/badge/")).includes(".svg");

/** The elements of a document in their order, without what is in templates. Not by recursion: a page may be deep. */
function* elements(document) {
  const left = [{ node: document, isInHead: false }];
  while (left.length) {
    const { node, isInHead } = left.pop();
    const children = node.childNodes ?? [];
    if (node.tagName) {
      const attributes = Object.fromEntries(node.attrs.map(({ name, value }) => [name, value]));
      yield { name: node.tagName, attributes, isInHead, text: node.tagName === "script" ? children.map(({ value }) => value).join("") : "" };
    }
    for (const child of children.toReversed()) left.push({ node: child, isInHead: isInHead || node.tagName === "head" });
  }
}

/** An address on the web. */
function absolute(address, base) {
  const url = URL.canParse(address, base) ? new URL(address, base) : undefined;
  return url && /^https?:$/.test(url.protocol) ? url.href : undefined;
}

/** The post that a tag counts on a page, as views.js names it. */
export function postOf(facts, { "data-post": named, "data-prefix": prefix = "", "data-hash": hash }) {
  const isOwn = facts.canonical && host(facts.canonical) === host(facts.url);
  const inFragment = hash === undefined ? undefined : /^#!?(\/.*)/.exec(facts.fragment)?.[1];
  const text = named || inFragment || (isOwn ? facts.canonical : facts.url).split(/[?#]/)[0];
  return prefix + identify(text, facts.url);
}

const host = (address) => address.split(/\/(?:www\.)?|[:?#]/)[3];

/** What `identify` of public/views/post.js says. */
function identify(text, location) {
  if (!/^\/|:\/\//.test(text)) return text;
  try {
    return decodeURIComponent((text = new URL(text, location).pathname.replace(/\/(index\.html)?$/, "") || "/"));
  } catch {
    return text;
  }
}

/** Whether `data-only` leaves a post to be counted. */
export const isWanted = (post, only) => !only || only.split(" ").some((pattern) => isLike(post, pattern.split("*")));

/** Whether a text is these parts with anything between them. Not by a pattern, which could take for ever. */
function isLike(text, [first, ...parts]) {
  const last = parts.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
