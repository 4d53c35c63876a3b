// The owner's dashboard, over the public API alone: `/stats`, `/top`, `/history` and `/views`.
//
// - The page's address says what is shown: `?period=week&post=142`, where without a period it is all of
//   them and without a post the whole site. Choosing makes an entry in the browser's history.
// - What is shown is asked for again every minute while the page is seen. An answer that fails or that
//   is none leaves the last one where it is, and a notice tells.
// - Ids are data: they become text and nothing else.

import { SHAPES, answers, failures, load, pending } from "./dashboard/answers.js";
import { makeChart } from "./dashboard/chart.js";
import { onLogin, renderLogin } from "./dashboard/token.js";
import { REASONS, dayTime, digits, known, locale, longDate, moment, plural, since, sum, summary, views } from "./dashboard/words.js";

/** The first is what is shown where none is chosen. */
const PERIODS = ["all", "month", "week", "day"];
/** How often to ask, and when to say that an answer takes long; in milliseconds. */
const EVERY = 60_000;
const LONG = 3_000;

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

const at = (id) => document.getElementById(id);
let choice = chosen(location.search);
/** When it was asked for everything last. */
let asked = 0;

function refresh() {
  asked = Date.now();
  for (const [name, path] of Object.entries(paths(choice))) load(path, SHAPES[name], render);
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
  at("totals").hidden = at("skipped").hidden = at("budget").hidden = Boolean(lockedAt(path.stats));
  at("chart").hidden = nothing || Boolean(lockedAt(path.history ?? path.site));
  at("top").hidden = nothing || Boolean(lockedAt(path.top));
  renderLogin(Object.values(path).map(lockedAt).find(Boolean));
  renderSkipped(Object.entries(stats?.not_counted ?? unknown));
  if (stats) renderStats(stats);
  renderOpen(stats?.new_posts);
  if (site) renderDays(site.days);
  renderPublished();
  renderTop(path.top);
  renderChart(path);
  renderNotice();
}

/** What was sent for an answer that only the owner gets, where it was refused. */
const lockedAt = (path) => failures.get(path)?.locked;

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

/** Says that anybody can add posts, where that is so. */
function renderOpen(open) {
  at("open").hidden = open?.from !== "anyone";
  if (open) fill(at("open"), "Anybody can add posts to these numbers. ", make("code", {}, String(open.setting)), " in wrangler.toml says whose pages may.");
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
  const failure = wanted.map((path) => failures.get(path)).find((failure) => failure && !failure.refused && !failure.locked);
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

const tag = `<script async src="${new URL("/views.js", location.origin)}"></script>`;
write(at("tag"), tag);
at("copy").hidden = !navigator.clipboard;
at("copy").addEventListener("click", () => {
  const copied = () => ["copy", "said"].forEach((id) => write(at(id), "Copied"));
  // Where the browser does not let it, the line is selected at least.
  navigator.clipboard.writeText(tag).then(copied, () => getSelection().selectAllChildren(at("tag")));
});

onLogin(refresh);
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
