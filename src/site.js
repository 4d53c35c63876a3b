// Finds out from the site's pages whether a new post exists. Each page is fetched once for an isolate, and only
// with the ledger's permission, so that one fetch is under way in all. Rust decides what to fetch and what an
// answer proves (src/verify).
//
// Requests that wait for the same page share one search, which is kept alive by the `waitUntil` of the first. If
// that context ends all the same, the search counts as lost after PATIENCE. As in lanes.js, whoever waits has a
// timer.

import { call } from "./instance.js";

/** How long a search may take, and how long the site may take to answer, in milliseconds. */
const PATIENCE = 8000;
const PATIENCE_WITH_SITE = 5000;
/** The same for its front page, which tells whether a page alone cannot be read. */
const PATIENCE_WITH_FRONT = 2000;
/** How long the ledger is left alone while another isolate reads the page, at first and at the most. */
const PAUSE = 100;
const LONGEST_PAUSE = 800;
/** Statuses of a page that cannot be read, as src/verify/page.rs knows them; 0 for no answer. */
const FAILED = /^(0|401|403|408|429|5..)$/;
const MOST_BYTES = 1 << 20;
const MOST_REDIRECTS = 5;
/** As many searches are on their way at once. */
const MOST_SEARCHES = 100;
/** As many tags, and as many characters of a title, are looked at. */
const MOST_TAGS = 20;
const MOST_TITLE = 2000;
const AGENT = "Mozilla/5.0 (compatible; Tally; reads the title of a post that is counted)";

/** What `claim` answers, as src/books/verification.rs numbers it. */
const YOURS = 0;
const WAIT = 1;
const UNREAL = 3;

/** The sentence of `Error::TooManyAtOnce`: nothing was counted, and may be sent again. */
const TOO_MANY = "Too many new posts at once; wait a minute";

const searches = new Map();

/**
 * A promise of whether the ledgers know the post of a ping now: `true`, or `false` where the site does not have
 * it, or of the error. `stubOf` makes a stub of the ledger of a name.
 */
export function verified(stubOf, name, request, env, context) {
  const [post, address, network] = ask((rust) => rust.page_of(request, env));
  if (address === undefined) return unreal(post, "", request, env, context);
  const search = searchUntilTold(post, address, context, () => find(stubOf, name, post, address, network, env));
  return search.then((known) => known || unreal(post, address, request, env, context));
}

/** Where another's search has failed, it makes one of its own: the limit may be of the other's network. */
async function searchUntilTold(post, address, context, begin) {
  const end = Date.now() + PATIENCE;
  let found;
  let isOwn = false;
  const beginOwn = () => {
    isOwn = true;
    return begin();
  };
  do found = await searchFor(post, address, context, beginOwn);
  while (found instanceof Error && !isOwn && Date.now() < end);
  return found;
}

/** The hash of a visitor's network, for a post that is new. */
export const networkOf = (request, env) => ask((rust) => rust.page_of(request, env))[2];

/** Reads the page of a post that is counted already again, beside the answer to a ping. */
export function check(stubOf, name, post, page, request, env, context) {
  try {
    const address = page ?? ask((rust) => rust.page_of(request, env))[1];
    if (address !== undefined) searchFor(post, address, context, async () => (await judge(stubOf, name, post, address, env)).known);
  } catch (cause) {
    // The ping has counted.
    console.error("site:", cause);
  }
}

/** For Rust: reads the page of a post for the owner; a promise of what it says, once the ledger was told. */
function look(namespace, name, post, address, env) {
  return judge((name) => namespace.getByName(name), name, post, address, env);
}

/** One object, because wasm-bindgen imports a module anew for every function that it need not wrap. */
export const site = { look, resolve: (text, base) => URL.parse(text, base)?.href };

function ask(work) {
  return call(work, (rust) => {
    throw rust.unavailable();
  });
}

/** Has it remembered here, too, and told in the statistics. */
function unreal(post, address, request, env, context) {
  ask((rust) => rust.note_unreal(post, address, request, env, context));
  return false;
}

function searchFor(post, address, context, begin) {
  const key = `${post}\n${address}`;
  const now = Date.now();
  let search = searches.get(key);
  if (search === undefined || Math.abs(now - search.begun) > PATIENCE) {
    for (const [key, { begun }] of searches) if (Math.abs(now - begun) > PATIENCE) searches.delete(key);
    if (searches.size >= MOST_SEARCHES) return Promise.resolve(new Error(TOO_MANY));
    const found = begin()
      .catch((cause) => (cause instanceof Error ? cause : new Error(`${cause}`)))
      .finally(() => searches.get(key) === search && searches.delete(key));
    searches.set(key, (search = { begun: now, found }));
    context.waitUntil(found);
  }
  const { promise, resolve } = Promise.withResolvers();
  const timer = setTimeout(resolve, PATIENCE, new Error(TOO_MANY));
  search.found.then((found) => {
    clearTimeout(timer);
    resolve(found);
  });
  return promise;
}

/** Whether the ledger knows the post, once somebody has read its page. */
async function find(stubOf, name, post, address, network, env) {
  const end = Date.now() + PATIENCE;
  let claim;
  let pause = PAUSE;
  while (WAIT === (claim = await owner(stubOf, name, (ledger) => ledger.claim(post, address, network)))) {
    if (Date.now() > end) throw new Error(TOO_MANY);
    // A viral post's readers are in hundreds of isolates.
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }
  if (claim === YOURS) return (await judge(stubOf, name, post, address, env)).known;
  return claim !== UNREAL;
}

/** Reads a page, and tells the ledger what it says; the same, and whether the ledger knows the post then. */
async function judge(stubOf, name, post, address, env) {
  const page = await read(address, (href) => ask((rust) => rust.front_of(href, env)));
  const verdict = ask((rust) => rust.judge(post, page, env));
  const known = await owner(stubOf, name, (ledger) => ledger.judged(post, address, verdict));
  return { known, verdict };
}

/** Asks the ledger that owns the post: one that does not names another. */
async function owner(stubOf, name, ask) {
  for (let hops = 0; hops < 6; hops++) {
    const answer = await ask(stubOf(name));
    if (typeof answer !== "string") return answer;
    name = answer;
  }
  throw new Error("no ledger owns the post");
}

/** Reads a page: the texts that `Page::read` in src/verify/page.rs takes. */
async function read(address, frontOf) {
  const page = await readOne(address, PATIENCE_WITH_SITE, frontOf);
  if (FAILED.test(page.status)) {
    const front = frontOf(page.address);
    page.isSiteUp = front !== undefined && front !== page.address && (await readOne(front, PATIENCE_WITH_FRONT, frontOf)).status === 200;
  }
  const { tags, ...texts } = page;
  return [...Object.values(texts), ...tags.flat()].map(String);
}

async function readOne(address, patience, frontOf) {
  const page = { address, status: 0, isLate: false, isSiteUp: false, type: "", base: "", canonical: "", ogTitle: "", title: "", robots: "", tags: [] };
  const end = new AbortController();
  const { promise: late, reject } = Promise.withResolvers();
  const timer = setTimeout(() => {
    page.isLate = true;
    end.abort();
    reject();
  }, patience);
  try {
    await Promise.race([collect(page, frontOf, end.signal), late]);
  } catch {
    page.status = 0;
    end.abort();
  }
  clearTimeout(timer);
  return page;
}

async function collect(page, frontOf, signal) {
  const headers = { "User-Agent": AGENT, Accept: "text/html" };
  for (let redirects = 0; ; redirects++) {
    const response = await fetch(page.address, { headers, signal, redirect: "manual", cache: "no-store" });
    page.status = response.status;
    page.type = response.headers.get("Content-Type") ?? "";
    if (page.status === 200) return collectPage(page, response, signal);
    await response.body?.cancel();
    const to = response.headers.get("Location");
    if (page.status < 300 || page.status > 399 || to === null || redirects === MOST_REDIRECTS) return;
    const next = URL.parse(to, page.address)?.href.split("#")[0];
    if (next === undefined || frontOf(next) === undefined) return;
    page.address = next;
  }
}

async function collectPage(page, response) {
  let isHead = true;
  let titles = 0;
  const first = (field, text) => (page[field] ||= isHead ? text : "");
  const of = (name, tell) => ({ element: (element) => tell(element.getAttribute(name) ?? "", element) });
  const rewriter = new HTMLRewriter()
    .on("body", { element: () => (isHead = false) })
    .on("base", of("href", (href) => first("base", href)))
    .on("link", of("rel", (rel, link) => /(^|\s)canonical(\s|$)/i.test(rel) && first("canonical", link.getAttribute("href") ?? "")))
    .on('meta[property="og:title"]', of("content", (title) => first("ogTitle", title)))
    .on('meta[name="robots" i]', of("content", (robots) => page.robots.length < MOST_TITLE && (page.robots += `${robots},`)))
    .on("title", {
      element: () => titles++,
      text: ({ text }) => titles === 1 && page.title.length < MOST_TITLE && (page.title += text),
    })
    .on('script[src*="views"]', of("src", (src, tag) => {
      const [post, prefix, only, hash, skip] = ["post", "prefix", "only", "hash", "skip"].map((name) => tag.getAttribute(`data-${name}`));
      if (page.tags.length < MOST_TAGS) page.tags.push([src, post ?? "", prefix ?? "", only ?? "", hash !== null, skip > 0]);
    }));
  const reader = rewriter.transform(response).body.getReader();
  for (let bytes = 0; bytes < MOST_BYTES; ) {
    const { done, value } = await reader.read();
    if (done) return;
    bytes += value.length;
  }
  await reader.cancel();
}
