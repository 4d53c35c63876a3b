// A page as public/views.js sees it: the tag, the post that it counts, and the page's policy.

import { parse } from "parse5";
import { Failure, reasonOf, unreachable, usage } from "./failure.js";

const PATIENCE = 15_000;
const MOST_BYTES = 4 << 20;
/** views.js in the text of a script that inserts it. */
const INSERTED = /["'`](https?:\/\/[^"'`\s]+\/views\.js(?:\?[^"'`\s]*)?)["'`]/;

/** Fetches a page; its facts. */
export async function readPage(address) {
  if (!/^https?:/.test(address) || !URL.canParse(address)) throw usage(`"${address}" is not the address of a page, such as https://blog.example/hello/`);
  const { response, html } = await get(address);
  const { url, status, headers } = response;
  if (!response.ok) throw new Failure(`${url} answers ${status}; is the address right?`, { code: "no_page" });
  if (!/html/.test(headers.get("Content-Type") ?? "")) throw new Failure(`${url} is not an HTML page`, { code: "no_page" });
  const fragment = new URL(address).hash;
  return { ...factsOf(html, url), fragment, policy: headers.get("Content-Security-Policy") ?? "" };
}

async function get(address) {
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    const response = await fetch(address, { signal, headers: { Accept: "text/html", "User-Agent": "Mozilla/5.0 (compatible; tally doctor)" } });
    const chunks = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      if ((bytes += chunk.length) > MOST_BYTES) break;
    }
    return { response, html: Buffer.concat(chunks).toString() };
  } catch (error) {
    throw unreachable(`${address} does not answer (${reasonOf(error)})`);
  }
}

/** `url`, `base`, `canonical`, `metas`, `tags`, and whether there are places for `numbers` and `badges`. */
function factsOf(html, url) {
  const facts = { url, base: url, canonical: undefined, metas: [], tags: [], numbers: false, badges: [] };
  for (const { name, attributes, text, isInHead } of elements(parse(html))) look(facts, name, attributes, text, isInHead);
  facts.tags = facts.tags.map((tag) => ({ ...tag, src: absolute(tag.src, facts.base) })).filter(({ src }) => src);
  facts.badges = facts.badges.map((src) => absolute(src, facts.base)).filter(Boolean);
  return facts;
}

function look(facts, name, attributes, text, isInHead) {
  const { src, href, content } = attributes;
  if ("data-views" in attributes) facts.numbers = true;
  if (name === "base" && href && facts.base === facts.url) facts.base = absolute(href, facts.url) ?? facts.url;
  if (name === "link" && isInHead && href && /(^|\s)canonical(\s|$)/i.test(attributes.rel ?? "")) facts.canonical ??= absolute(href, facts.base);
  if (name === "meta" && attributes["http-equiv"]?.toLowerCase() === "content-security-policy") facts.metas.push(content ?? "");
  if (name === "img" && /\/badge\/.*\.svg/.test(src ?? "")) facts.badges.push(src);
  if (name !== "script") return;
  if (/\/views\.js([?#]|$)/.test(src ?? "")) facts.tags.push({ src, attributes });
  const inserted = !src && INSERTED.exec(text)?.[1];
  if (inserted) facts.tags.push({ src: inserted, attributes: {}, inserted: true });
}

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

const absolute = (address, base) => (URL.canParse(address, base) ? new URL(address, base).href : undefined);

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
export function isWanted(post, only) {
  if (!only) return true;
  const pattern = only.replace(/\W/g, "\\$&").replace(/\\\*/g, ".*").replace(/\\ /g, "|");
  return new RegExp(`^(${pattern})$`).test(post);
}
