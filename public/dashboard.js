// The owner's dashboard, over the public API alone: `/stats`, `/top`, `/history` and `/views`.
//
// - The page's address says what is shown: `?period=week&post=142`, where without a period it is all of
//   them and without a post the whole site. Choosing makes an entry in the browser's history.
// - What is shown is asked for again every minute while the page is seen. An answer that fails or that
//   is none leaves the last one where it is, and a notice tells.
// - Ids are data: they become text and nothing else.
//
// First what is known and how it is said, then asking, then the page, then its chart.

import uPlot from "uplot";

/** The first is what is shown where none is chosen. */
const PERIODS = ["all", "month", "week", "day"];
/** How often to ask, how long to wait for an answer and when to say that it takes long; milliseconds. */
const EVERY = 60_000;
const PATIENCE = 15_000;
const LONG = 3_000;

/** Why a view is not counted: its name, and what that means. */
const REASONS = new Map([
  ["duplicate", ["Repeats", "The same visitor on the same post within half an hour (DEDUPE_SECONDS), or a ping that was sent twice."]],
  ["bot", ["Crawlers", "Search engines, monitors and browsers without a person."]],
  ["prefetch", ["Fetched ahead", "Pages that a browser loaded in case they are opened. Once they are, they count."]],
  ["origin", ["Other sites", "Pages of sites that are not among ALLOWED_ORIGINS."]],
  ["flood", ["Floods", "More views from one address in a minute than the rate limit lets through."]],
]);

const digits = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: "compact" });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const longDate = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
/** The browser's language, which numbers and dates are in. */
const { locale } = digits.resolvedOptions();

/* What an answer has to be. */

const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isCounts = (value) => value !== null && typeof value === "object" && Object.values(value).every(isCount);
const isTime = (text) => typeof text === "string" && !Number.isNaN(Date.parse(text));
const isStats = ({ views, posts, not_counted: skipped, kv, published, adopted }) =>
  isCounts({ views, posts }) && isCounts(skipped) && isCount(kv.writes) && isCount(kv.budget) &&
  (published == null || isTime(published)) && (adopted == null || isCounts(adopted));
const isTop = ({ posts }) => posts.every(({ post, views }) => typeof post === "string" && isCount(views));
const isHistory = ({ days }) => days.length > 0 && days.every(({ day, views }) => isTime(day) && isCount(views));
const isViews = ({ views }) => isCounts(views) && Object.keys(views).length === 1;

/* What is chosen, and where it is asked for. */

function chosen(search) {
  const query = new URLSearchParams(search);
  const period = query.get("period");
  return { period: PERIODS.includes(period) ? period : PERIODS[0], post: query.get("post") || undefined };
}

function address({ period, post }) {
  const query = new URLSearchParams();
  if (period !== PERIODS[0]) query.set("period", period);
  if (post) query.set("post", post);
  return `${location.pathname}?${query}`.replace(/\?$/, "");
}

/** The path of each answer; those of a post only where one is chosen. */
function paths({ period, post }) {
  const query = post && new URLSearchParams({ post });
  return {
    stats: "/stats",
    top: `/top?limit=10&period=${period}`,
    site: "/history?days=30",
    ...(post && { history: `/history?days=30&${query}`, views: `/views?${query}` }),
  };
}

const SHAPES = { stats: isStats, top: isTop, site: isHistory, history: isHistory, views: isViews };

/* How it is said. */

const known = (count) => (Number.isFinite(count) ? digits.format(count) : "");
const sum = (days) => days.reduce((total, { views }) => total + views, 0);
const plural = (count, one, many) => `${digits.format(count)} ${count === 1 ? one : many}`;
const views = (count) => plural(count, "view", "views");
const dayTime = (day) => new Date(`${day}T00:00Z`);

/** How long ago a moment was, in the largest unit that fits. A clock that is behind reads it as now. */
function since(time, now) {
  const seconds = Math.max(0, Math.round((now - time) / 1000));
  if (seconds < 60) return ago.format(0, "second");
  if (seconds < 3600) return ago.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86_400) return ago.format(-Math.floor(seconds / 3600), "hour");
  return ago.format(-Math.floor(seconds / 86_400), "day");
}

/** The chart in one sentence. */
function summary(days, post) {
  const most = days.reduce((most, day) => (day.views > most.views ? day : most));
  const peak = most.views ? `, the most on ${longDate.format(dayTime(most.day))} with ${digits.format(most.views)}` : "";
  return `${post ?? "The whole site"}: ${views(sum(days))} in ${days.length} days${peak}, ${digits.format(days.at(-1).views)} today.`;
}

/** Round whole numbers from 0 to `most` or above, at most five. */
function scale(most) {
  const least = Math.max(1, most / 4);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= least) * power;
  const steps = Math.max(1, Math.ceil(most / step));
  return Array.from({ length: steps + 1 }, (_, i) => i * step);
}

/* Asking. */

/** Why an answer failed; `refused` where it is the request that was wrong. */
class Failure extends Error {
  constructor(message, refused = false) {
    super(message);
    this.refused = refused;
  }
}

/** By path: the last good answer, why the last try failed, and when the one that is under way began. */
const answers = new Map();
const failures = new Map();
const pending = new Map();

function load(path, isRight) {
  if (pending.has(path)) return;
  const done = () => {
    pending.delete(path);
    render();
  };
  const kept = (answer) => {
    answers.set(path, answer);
    failures.delete(path);
  };
  pending.set(path, Date.now());
  ask(path, isRight).then(kept, (failure) => failures.set(path, failure)).then(done);
}

async function ask(path, isRight) {
  const response = await reach(path);
  const { ok, status } = response;
  const body = await response.json().catch(unread);
  if (!ok) {
    const told = body?.error?.message;
    const why = typeof told === "string" ? `${told}.` : "";
    if (status === 400 && why) throw new Failure(why, true);
    throw new Failure(`Tally answers with an error (${status}). ${why}`.trim());
  }
  try {
    if (isRight(body)) return body;
  } catch {
    // It lacks what it should have.
  }
  throw new Failure("What Tally answers cannot be read.");
}

const reach = (path) => fetch(path, { signal: AbortSignal.timeout(PATIENCE) }).catch(unread);

/** A body that is no JSON is left to who asked; without a connection there is nothing to look at. */
function unread(error) {
  if (error instanceof SyntaxError) return undefined;
  const late = error.name === "TimeoutError";
  throw new Failure(late ? `Tally has not answered for ${PATIENCE / 1000} seconds.` : "Tally does not answer.");
}

/* The page. */

const at = (id) => document.getElementById(id);
let choice = chosen(location.search);
/** When it was asked for everything last. */
let asked = 0;

function refresh() {
  asked = Date.now();
  for (const [name, path] of Object.entries(paths(choice))) load(path, SHAPES[name]);
  render();
}

/** Shows another period or post, and notes it in the address. */
function choose(change) {
  const before = address(choice);
  choice = { ...choice, ...change };
  if (address(choice) !== before) history.pushState(null, "", address(choice));
  arrive();
}

/** Shows what the address says. */
function arrive() {
  at("post").value = choice.post ?? "";
  document.querySelector(`[name="period"][value="${choice.period}"]`).checked = true;
  document.title = choice.post ? `${choice.post} – Tally` : "Tally";
  refresh();
}

function render() {
  const path = paths(choice);
  const [stats, site] = [answers.get(path.stats), answers.get(path.site)];
  const nothing = stats?.views === 0 && stats.posts === 0;
  at("start").hidden = !nothing;
  at("chart").hidden = at("top").hidden = nothing;
  renderSkipped(Object.entries(stats?.not_counted ?? unknown));
  if (stats) renderStats(stats);
  if (site) renderDays(site.days);
  renderPublished();
  renderTop(path.top);
  renderChart(path);
  renderNotice();
}

function renderStats({ views, posts, kv, adopted }) {
  total("views", views);
  total("posts", posts);
  write(at("writes"), digits.format(kv.writes) + (kv.budget ? ` of ${digits.format(kv.budget)}` : ""));
  Object.assign(at("meter"), { max: kv.budget || 1, low: kv.budget * 0.9, optimum: 0, value: kv.writes });
  at("adopted").hidden = !adopted?.left;
  if (adopted?.left) {
    write(at("adopted"), `${plural(adopted.left, "entry was", "entries were")} left alone when Tally took over this namespace, because they are not counts; ${plural(adopted.posts, "post was", "posts were")} taken over.`);
  }
}

function renderDays(days) {
  total("today", days.at(-1).views);
  total("week", sum(days.slice(-7)));
}

/** The reasons, before anything has answered. */
const unknown = Object.fromEntries([...REASONS.keys()].map((reason) => [reason, undefined]));

function renderSkipped(counts) {
  const total = counts.reduce((total, [, count]) => total + count, 0);
  write(at("skipped-sum"), known(total));
  const rows = counts.map(([reason, times]) => {
    const [name, meaning = ""] = REASONS.get(reason) ?? [reason];
    const term = make("dt", {}, name, REASONS.has(reason) ? make("code", {}, reason) : "");
    return make("div", {}, term, make("dd", {}, known(times)), make("dd", { className: "quiet" }, meaning));
  });
  fill(at("reasons"), ...rows);
}

function renderPublished() {
  const stats = answers.get("/stats");
  if (!stats && Date.now() - pending.get("/stats") >= LONG) write(at("published"), "Tally takes long to answer.");
  if (!stats?.published) return;
  const time = new Date(stats.published);
  const said = make("time", { dateTime: stats.published, lang: locale }, `${since(time, Date.now())} · ${moment.format(time)}`);
  fill(at("published"), "Published ", said);
}

/** The posts' rows, kept by post so that the focus stays where it is. */
const rows = new Map();

function renderTop(path) {
  const [list, none] = [at("list"), at("none")];
  const answer = answers.get(path);
  const failed = !answer && failures.has(path);
  list.ariaBusy = !answer && !failed;
  if (!answer && !failed) return;
  const posts = answer?.posts ?? [];
  none.hidden = posts.length > 0;
  list.hidden = posts.length === 0;
  write(none, failed ? "This list could not be loaded." : "No views in this period.");
  const shown = posts.map(({ post, views: count }) => row(post, count, count / posts[0].views));
  if (shown.length === list.children.length && shown.every((item, i) => item === list.children[i])) return;
  const focused = document.activeElement;
  list.replaceChildren(...shown);
  if (list.contains(focused)) focused.focus({ preventScroll: true });
  const kept = new Set(posts.map(({ post }) => post));
  for (const post of rows.keys()) if (!kept.has(post)) rows.delete(post);
}

function row(post, count, share) {
  if (!rows.has(post)) rows.set(post, makeRow(post));
  const { item, button, shown } = rows.get(post);
  write(shown, digits.format(count));
  button.style.setProperty("--share", share || 0);
  button.ariaPressed = post === choice.post;
  return item;
}

function makeRow(post) {
  const shown = make("span");
  const button = make("button", { type: "button", title: post }, name(post), make("span", {}, shown, make("span", { className: "unseen" }, " views")));
  button.addEventListener("click", () => {
    choose({ post: post === choice.post ? undefined : post });
    at("chart").scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
  });
  return { item: make("li", {}, button), button, shown };
}

/** An id as it is read; its direction is its own. */
function name(post) {
  const blank = /^\s|\s$|^[\p{C}\p{Z}\p{M}]*$/u.test(post);
  return make("bdi", { className: blank ? "id blank" : "id", dir: "auto" }, post);
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const chart = makeChart(at("plot"), renderReadout);
/** What the chart shows: its path, and its days as text. */
let drawn = {};

function renderChart({ site, history = site, views: total }) {
  const { post } = choice;
  const days = answers.get(history)?.days;
  const failure = failures.get(history);
  renderScope(post, answers.get(total));
  write(at("wrong"), failure?.refused ? failure.message : "");
  at("post").ariaInvalid = Boolean(failure?.refused);
  at("plot").ariaBusy = !days && !failure;
  if (!days && !failure) return;
  const text = JSON.stringify(days ?? []);
  if (drawn.path === history && drawn.text === text) return;
  const announced = drawn.path && drawn.path !== history;
  drawn = { path: history, text, days: days ?? [] };
  chart.show(drawn.days);
  renderReadout();
  renderTable(drawn.days);
  const said = days ? summary(days, post) : "The days could not be loaded.";
  at("plot").ariaLabel = said;
  if (announced) write(at("said"), said);
}

function renderScope(post, answer) {
  at("whole").hidden = !post;
  fill(at("what"), post === undefined ? "The whole site" : name(post));
  write(at("in-all"), post && answer ? `${views(Object.values(answer.views)[0])} in all` : "");
}

/** What is beside the chart's title: the day under the pointer, or all days. */
function renderReadout(index) {
  const { days = [] } = drawn;
  const day = days[index];
  write(at("readout"), day ? `${longDate.format(dayTime(day.day))}: ${views(day.views)}` : days.length ? views(sum(days)) : "");
}

function renderTable(days) {
  const line = ({ day, views }) => {
    const head = make("th", { scope: "row" }, make("time", { dateTime: day, lang: locale }, longDate.format(dayTime(day))));
    return make("tr", {}, head, make("td", {}, digits.format(views)));
  };
  fill(at("days"), ...days.map(line).reverse());
  write(at("caption"), `Views by day, the latest first: ${choice.post ?? "the whole site"}`);
}

function renderNotice() {
  const wanted = Object.values(paths(choice));
  const failure = wanted.map((path) => failures.get(path)).find((failure) => failure && !failure.refused);
  const kept = answers.has("/stats") ? "The numbers are the last that came." : "It is asked again every minute.";
  at("notice").hidden = !failure;
  write(at("trouble"), failure ? `${failure.message} ${kept}` : "");
}

/** One of the large numbers, which are all as large as fits the longest. */
function total(id, count) {
  write(at(id), digits.format(count));
  const lengths = [...at("totals").querySelectorAll("dd")].map((number) => number.textContent.length);
  at("totals").style.setProperty("--length", Math.max(...lengths));
}

/** Sets a text where it is another, so that nobody is told twice. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The same for children. */
function fill(element, ...children) {
  const next = make("div", {}, ...children);
  if (element.textContent !== next.textContent) element.replaceChildren(...next.childNodes);
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/* The chart. */

/** A column for each day in `host`, in the colours of the style sheet. Tells which day is pointed at. */
function makeChart(host, point) {
  let plot;
  let days = [];
  const draw = () => {
    plot?.destroy();
    plot = undefined;
    if (days.length && host.clientWidth) plot = new uPlot(options(host, days, point), columns(days), host);
  };
  const redraw = () => requestAnimationFrame(draw);
  new ResizeObserver(() => plot?.width !== host.clientWidth && redraw()).observe(host);
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)", "print"]) {
    matchMedia(query).addEventListener("change", draw);
  }
  return {
    show(next) {
      days = next;
      draw();
    },
  };
}

/** The days before today, and today, which is not over. */
function columns(days) {
  const today = days.length - 1;
  const views = (isToday) => days.map(({ views }, i) => ((i === today) === isToday ? views : null));
  return [days.map((_, i) => i), views(false), views(true)];
}

function options(host, days, point) {
  const { clientWidth: width, clientHeight: height } = host;
  const style = getComputedStyle(host);
  const colour = (name) => style.getPropertyValue(name).trim();
  const font = `12px ${style.fontFamily}`;
  const heights = scale(Math.max(...days.map(({ views }) => views)));
  const last = days.length - 1;
  const column = { paths: uPlot.paths.bars({ size: [0.72, 28], radius: 0.15 }), points: { show: false } };
  const axis = { stroke: colour("--quiet"), font, ticks: { show: false } };
  return {
    width,
    height,
    legend: { show: false },
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: false, y: false },
      move: (plot, left, top) => [left < 0 ? left : plot.valToPos(plot.posToIdx(left), "x"), top],
    },
    scales: { x: { time: false, range: [-0.6, last + 0.6] }, y: { range: [0, heights.at(-1)] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 24,
        gap: 6,
        splits: () => days.map((_, i) => i).filter((i) => (last - i) % 7 === 0),
        values: (_, marks) => marks.map((i) => date.format(dayTime(days[i].day))),
      },
      {
        ...axis,
        grid: { stroke: colour("--line"), width: 1 },
        gap: 8,
        size: (plot, texts) => 12 + widest(plot.ctx, font, texts ?? []),
        splits: () => heights,
        values: (_, marks) => marks.map((mark) => short.format(mark)),
      },
    ],
    series: [{}, { ...column, fill: colour("--bar") }, { ...column, fill: colour("--bar"), alpha: 0.5 }],
    hooks: {
      ready: [(plot) => host.style.setProperty("--step", `${plot.valToPos(1, "x") - plot.valToPos(0, "x")}px`)],
      setCursor: [({ cursor }) => point(cursor.idx)],
    },
  };
}

/** How wide the widest of some texts is, in CSS pixels. */
function widest(context, font, texts) {
  context.save();
  context.font = font;
  const width = Math.max(0, ...texts.map((text) => context.measureText(text).width));
  context.restore();
  return Math.ceil(width);
}

/* Begin. */

const tag = `<script defer src="${new URL("/views.js", location.origin)}"></script>`;
write(at("tag"), tag);
at("copy").hidden = !navigator.clipboard;
at("copy").addEventListener("click", () => {
  const copied = () => ["copy", "said"].forEach((id) => write(at(id), "Copied"));
  // Where the browser does not let it, the line is selected at least.
  navigator.clipboard.writeText(tag).then(copied, () => getSelection().selectAllChildren(at("tag")));
});

at("periods").addEventListener("change", ({ target }) => choose({ period: target.value }));
at("choose").addEventListener("submit", (event) => {
  event.preventDefault();
  choose({ post: at("post").value || undefined });
});
at("whole").addEventListener("click", () => {
  choose({ post: undefined });
  // The button is gone with the post; what it leaves is the site's chart.
  at("chart-title").focus({ preventScroll: true });
});
at("retry").addEventListener("click", () => {
  refresh();
  // So that it is told anew, should it fail again.
  write(at("trouble"), "Asking again …");
});
addEventListener("popstate", () => {
  choice = chosen(location.search);
  arrive();
});

const due = () => document.visibilityState === "visible" && Date.now() - asked >= EVERY;
document.addEventListener("visibilitychange", () => due() && refresh());
addEventListener("online", refresh);
setInterval(() => (due() ? refresh() : renderPublished()), 5_000);
arrive();
