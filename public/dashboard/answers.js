// Asking the public API. An answer is kept until a better one has come: one that fails, or that is none,
// leaves the last one where it is.

import { text } from "./text.js";
import { authorization } from "./token.js";

/** How long to wait for an answer, in milliseconds. */
const PATIENCE = 15_000;

const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isCounts = (value) => value !== null && typeof value === "object" && Object.values(value).every(isCount);
const isTime = (text) => typeof text === "string" && !Number.isNaN(Date.parse(text));
const isStats = ({ views, posts, not_counted: skipped, not_counted_since: since, kv, published, adopted, site }) =>
  isCounts({ views, posts }) && isCounts(skipped) && isCount(kv.writes) && isCount(kv.budget) &&
  (published == null || isTime(published)) && (since == null || isTime(since)) &&
  (adopted == null || isCounts(adopted)) && (site == null || isSite(site));
/** A title or an address, which a list need not have. */
const isText = (text) => text == null || typeof text === "string";
const isSite = ({ urls, waiting, unreadable }) =>
  urls.every(isText) && isCount(waiting) && (unreadable == null || (isTime(unreadable.since) && isText(unreadable.why)));
const isTop = ({ posts }) => posts.every(({ post, views, title, url }) => typeof post === "string" && isCount(views) && isText(title) && isText(url));
const isHistory = ({ days }) => days.length > 0 && days.every(({ day, views }) => isTime(day) && isCount(views));
const isViews = ({ views }) => isCounts(views) && Object.keys(views).length === 1;

/** What each answer has to be. */
export const SHAPES = { stats: isStats, top: isTop, site: isHistory, history: isHistory, views: isViews };

/**
 * Why an answer failed; `refused` where it is the request that was wrong, `locked` where it lacks the owner's
 * token: the headers that were sent.
 */
class Failure extends Error {
  constructor(message, { refused = false, locked } = {}) {
    super(message);
    Object.assign(this, { refused, locked });
  }
}

/** By path: the last good answer, why the last try failed, and when the one that is under way began. */
export const answers = new Map();
export const failures = new Map();
export const pending = new Map();

/** Asks, unless that is under way; `then` is called when the answer has come or failed. */
export function load(path, isRight, then) {
  if (pending.has(path)) return;
  const done = () => {
    pending.delete(path);
    then();
  };
  const kept = (answer) => {
    answers.set(path, answer);
    failures.delete(path);
  };
  pending.set(path, Date.now());
  const failed = (failure) => {
    failures.set(path, failure);
    if (failure.locked) answers.delete(path);
  };
  ask(path, isRight).then(kept, failed).then(done);
}

async function ask(path, isRight) {
  const headers = authorization();
  const response = await reach(path, headers);
  const { ok, status } = response;
  const body = await response.json().catch(unread);
  if (!ok) {
    const told = body?.error?.message;
    const why = typeof told === "string" ? `${told}.` : "";
    if (status === 400 && why) throw new Failure(why, { refused: true });
    if (status === 401) throw new Failure(why, { locked: headers });
    throw new Failure(`${text("trouble.status", { n: status })} ${why}`.trim());
  }
  try {
    if (isRight(body)) return body;
  } catch {
    // It lacks what it should have.
  }
  throw new Failure(text("trouble.unread"));
}

const reach = (path, headers) => fetch(path, { headers, signal: AbortSignal.timeout(PATIENCE) }).catch(unread);

/** A body that is no JSON is left to who asked; without a connection there is nothing to look at. */
function unread(error) {
  if (error instanceof SyntaxError) return undefined;
  const late = error.name === "TimeoutError";
  throw new Failure(late ? text("trouble.late", { n: PATIENCE / 1000 }) : text("trouble.none"));
}
