// The rest of views.js, which loads it where a page has places for numbers, has gone on, or asks for more
// than a view to be counted. It has the hash of this file, so the integrity hash of views.js covers this too.
//
// - Fills every `[data-views]` that has no element in it with the views of the page's post, and every
//   `[data-views="143"]` with those of 143, as the language of the place writes numbers; also those that come
//   later. `data-views-state` is `loading`, `known` or `failed`; an element whose number is not known has the
//   text that it came with.
// - Counts every other page that a single-page site goes to, and again those that it comes back to. What such
//   a page is follows from what it says once it has settled, see `settle`.
// - Where the address ends in `#tally-skip` it asks whether the visits of this browser are to be left out,
//   or counted again, and takes the fragment off the address.
//
// No timer runs in a page that does not change.

import { canonical, identify, own, root } from "./views/post.js";

const { tally } = root;
const [count, script, base, ...addresses] = tally;
const { src } = script;
const TICK = 100;
/** For how many ticks a page that says nothing new may be silent before it counts as settled. */
const PATIENCE = 30;

/** The views of every post that was asked for, or one of these two. */
const known = { __proto__: null };
const LOADING = -2;
const FAILED = -1;
/** The text that an element came with. */
const texts = new WeakMap();

/** The page that `count` tells of; `answer` is true where nothing was sent. */
const record = ([tag, text, post, answer]) => ({ tag, text, post, answer });
/** What was shown at each path. */
const pages = { __proto__: null };
let page = tally.page && record(tally.page);
let path, address, isJudged, isCounted, timer;
/** What the page before said: its title, its canonical link and its tags. */
let seen = [];
/** The ticks that are left; 0 once the page has settled. */
let patience = 0;

/* Numbers. */

async function json(answer) {
  try {
    const response = await answer;
    return response.ok && (await response.json());
  } catch {
    // As where there is no number in it.
  }
}

const isCount = (views) => Number.isInteger(views) && views >= 0;

/** Takes a number over. An answer from a cache does not take back what is known. */
function learn(post, views) {
  known[post] = Math.max(known[post], isCount(views) ? views : FAILED);
}

/** Reads the numbers of posts; a request asks for a hundred at most. */
function read(posts) {
  for (let from = 0; from < posts.length; from += 100) readPart(posts.slice(from, from + 100));
}

async function readPart(posts) {
  const query = posts.map(encodeURIComponent).join("&post=");
  const told = await json(fetch(`${base}views?post=${query}`, { referrerPolicy: "origin" }));
  for (const post of posts) learn(post, told?.views?.[post]);
  show();
}

/** Takes the number from the answer to the page's ping; where that was refused or lost, the number is read. */
async function receive({ post, answer }) {
  known[post] ??= LOADING;
  const told = await answer;
  if (told?.post != post || !isCount(told.views)) return readPart([post]);
  learn(post, told.views);
  show();
}

function show() {
  const wanted = [];
  for (const element of root.querySelectorAll("[data-views]")) {
    const { views } = element.dataset;
    if (element.firstElementChild) continue;
    const post = views && views != "true" ? (page.tag.dataset.prefix || "") + identify(views) : page.post;
    known[post] ??= (wanted.push(post), LOADING);
    if (!texts.has(element)) texts.set(element, element.textContent);
    const text = known[post] < 0 ? texts.get(element) : write(known[post], element);
    if (element.textContent != text) element.textContent = text;
    element.dataset.viewsState = ["loading", "failed"][known[post] - LOADING] || "known";
  }
  read(wanted);
}

function write(number, element) {
  try {
    return number.toLocaleString(element.closest("[lang]")?.lang || undefined);
  } catch {
    // The language is none.
    return `${number}`;
  }
}

/* Pages. */

/** What the page says about itself, each as something that another page has not. */
function statements() {
  const link = canonical();
  return [own("title"), link, link?.href, ...[...root.querySelectorAll("script")].filter(isTag)];
}

const isTag = (one) => one?.src == src;

/**
 * Judges the page, once it has settled: when it says something new, and has for a tick; when it has said nothing
 * new for three seconds; or when it is left. Frameworks set the address before, after or while they change the
 * page, and some leave the tags of other pages where they were. So a tag or canonical link is of this page if it
 * has come since the page before. Where none has, the page is what it was when it was shown last, or else its
 * path, by the rules of the tag before.
 */
function settle(isLeft) {
  timer = clearTimeout(timer);
  const now = statements();
  const news = now.filter((one) => !seen.includes(one));
  if (patience > 0 && isLeft !== true) {
    patience -= root.matches("[aria-busy=true]") ? PATIENCE / 300 : news.length ? PATIENCE / 2 : 1;
    if (patience > 0) return later();
  }
  patience = 0;
  // Turbo adds tags to the head and leaves the old ones, and adds none that is there.
  if (news.some(isTag)) seen.filter(isTag).map((tag) => tag.remove());
  seen = now;
  if (!isJudged || (!isCounted && news.length)) judge(news);
  show();
}

function judge(news) {
  const before = pages[path];
  const tag = news.find(isTag);
  const link = news.includes(canonical()) || news.includes(canonical()?.href) ? canonical() : null;
  const { hash, post } = (tag || before?.tag || page?.tag || script).dataset;
  const text = (tag && post) || (hash == null && link?.href) || before?.text || address;
  page = pages[path] = record(count(tag || before?.tag || page?.tag || script, text));
  isJudged = true;
  isCounted = page.answer !== true;
  if (isCounted) receive(page);
}

function later() {
  // There is nothing to judge before the page has been read and seen.
  if (path != null && !own("hidden")) timer ||= setTimeout(settle, TICK);
}

/** Goes on to the page at `href`, if it is another one. A page that has not settled is judged as it is. */
function move(href) {
  const { hash } = (page?.tag || script).dataset;
  const next = (hash != null && /#!?(\/.*)/.exec(href)?.[1]) || href.split(/[?#]/)[0];
  if (identify(next) == path) return later();
  if (patience > 0) settle(true);
  patience = path == null ? 0 : PATIENCE;
  address = next;
  path = identify(next);
  isJudged = isCounted = false;
  settle();
}

function look() {
  // A page that is prerendered is hidden, too.
  if (own("hidden") || own("readyState") == "loading") return;
  if (location.hash == "#tally-skip") toggle();
  move(location.href);
}

/** Asks the author; a link that a reader follows must not change anything by itself. */
function toggle() {
  try {
    const skips = localStorage["tally-skip"] > 0;
    if (confirm(skips ? "Tally: count my visits again?" : "Tally: stop counting my visits?")) {
      if (skips) localStorage.removeItem("tally-skip");
      else localStorage["tally-skip"] = 1;
    }
  } catch {
    alert("Tally: this browser stores nothing");
  }
  history.replaceState(history.state, "", location.href.split("#")[0]);
}

/** Whether the browser tells when the page goes on. Where it does not, an element may have the API's name. */
function hasNavigation() {
  try {
    return Boolean(navigation.entries());
  } catch {
    return false;
  }
}

/** Where it does not. */
function listen() {
  addEventListener("popstate", look);
  for (const name of ["pushState", "replaceState"]) {
    const change = history[name];
    history[name] = function (...all) {
      change.apply(this, all);
      look();
    };
  }
}

tally.push = look;
addEventListener("DOMContentLoaded", look);
addEventListener("visibilitychange", look);
addEventListener("pagehide", () => patience > 0 && !own("hidden") && settle(true));
addEventListener("pageshow", (event) => event.persisted && read(Object.keys(known)));
new MutationObserver(later).observe(root, { childList: true, subtree: true, attributeFilter: ["data-views"] });
if (!hasNavigation()) listen();
if (page) {
  address = addresses[0];
  path = identify(address);
  pages[path] = page;
  isJudged = true;
  isCounted = page.answer !== true;
  // Where the site has gone on already, nobody knows what else was there before.
  seen = addresses.some((other) => identify(other) != path) ? [script] : statements();
  if (isCounted) receive(page);
  addresses.map(move);
}
look();
