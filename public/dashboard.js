// The owner's dashboard, over the public API alone: `/stats`, `/top`, `/history` and `/views`.
//
// - The page's address says what is shown: `?period=week&post=142`, where without a period it is all of
//   them and without a post the whole site. Choosing makes an entry in the browser's history.
// - What is shown is asked for again every minute while the page is seen. An answer that fails or that
//   is none leaves the last one where it is, and a notice tells.
// - Ids, titles and addresses are data: they become text, and links to http(s) only.

import { SHAPES, answers, failures, load, pending } from "./dashboard/answers.js";
import { makeChart } from "./dashboard/chart.js";
import { onLogin, renderLogin } from "./dashboard/token.js";
import { save } from "./dashboard/csv.js";
import { around, dayTime, digits, fullDate, has, known, learn, longDate, moment, percent, plural, since, sum, summary, text, views } from "./dashboard/text.js";
import { identify } from "./views/post.js";

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

/** The titles and addresses of posts, as lists told them. */
const pages = new Map();
const called = (post) => pages.get(post)?.title ?? post;

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
  document.title = choice.post ? `${called(choice.post)} – Tally` : "Tally";
  refresh();
}

function render() {
  const path = paths(choice);
  const [stats, site] = [answers.get(path.stats), answers.get(path.site)];
  const nothing = stats?.views === 0 && stats.posts === 0;
  at("start").hidden = !nothing;
  const isLocked = Boolean(lockedAt(path.stats));
  at("totals").hidden = isLocked;
  // Before the first view only what kept it from being counted is of interest.
  at("skipped").hidden = isLocked || (nothing && !Object.values(stats.not_counted).some(Boolean));
  at("budget").hidden = isLocked || nothing;
  at("chart").hidden = nothing || Boolean(lockedAt(path.history ?? path.site));
  at("top").hidden = nothing || Boolean(lockedAt(path.top));
  renderLogin(Object.values(path).map(lockedAt).find(Boolean));
  if (stats) {
    renderSkipped(Object.entries(stats.not_counted), stats.not_counted_since);
    renderStats(stats);
    renderOpen(stats);
    renderSite(stats.site);
  }
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
  const writes = digits.format(kv.writes);
  write(at("writes"), kv.budget ? text("kv.of", { n: writes, budget: digits.format(kv.budget) }) : writes);
  Object.assign(at("meter"), { max: kv.budget || 1, low: kv.budget * 0.9, optimum: 0, value: kv.writes });
  const told = ["posts", "left"].filter((key) => adopted?.[key]).map((key) => plural(`adopted.${key}`, adopted[key]));
  at("adopted").hidden = !told.length;
  write(at("adopted"), told.join(" "));
}

/** Says who can add posts: anybody, or only the sites that have them. */
function renderOpen({ new_posts: open, site }) {
  const isOpen = open?.from === "anyone";
  at("open").hidden = !isOpen && !site;
  if (isOpen) fill(at("open"), ...around("open", "setting", make("code", {}, String(open.setting))));
  else if (site) write(at("open"), text("closed", { sites: site.urls.join(", ") }));
}

/** Says that posts wait until the site can be read, and since when and why it cannot be. */
function renderSite({ waiting = 0, unreadable } = {}) {
  at("site").hidden = !waiting && !unreadable;
  at("site").classList.toggle("quiet", !unreadable);
  const since = unreadable && moment.format(new Date(unreadable.since));
  const outage = unreadable ? [text("site.unreadable", { when: since, why: unreadable.why }), text("site.help")] : [];
  write(at("site"), [...outage, ...(waiting ? [plural("site.waiting", waiting)] : [])].join(" "));
}

function renderDays(days) {
  total("today", days.at(-1).views);
  total("week", sum(days.slice(-7)));
}

/** The reasons: those that occurred, each with its share, and in one line those that did not; and since when they are counted. */
function renderSkipped(counts, since) {
  const total = counts.reduce((total, [, count]) => total + count, 0);
  write(at("skipped-sum"), known(total));
  write(at("skipped-since"), since ? text("skipped.since", { day: fullDate.format(new Date(since)) }) : "");
  const name = (reason) => (has(`reason.${reason}`) ? text(`reason.${reason}`) : reason);
  const rows = counts.filter(([, times]) => times > 0).map(([reason, times]) => {
    const isKnown = has(`reason.${reason}`);
    const term = make("dt", {}, name(reason), isKnown ? make("code", {}, reason) : "");
    const number = make("dd", {}, digits.format(times), " ", make("small", {}, percent.format(times / total)));
    return make("div", {}, term, number, make("dd", { className: "quiet" }, isKnown ? text(`reason.${reason}.text`) : ""));
  });
  fill(at("reasons"), ...rows);
  const never = counts.filter(([, times]) => times === 0).map(([reason]) => name(reason));
  at("reasons").hidden = !rows.length;
  write(at("never"), !rows.length ? text("skipped.none") : never.length ? text("skipped.never", { reasons: never.join(", ") }) : "");
}

function renderPublished() {
  const stats = answers.get("/stats");
  if (!stats && Date.now() - pending.get("/stats") >= LONG) write(at("published"), text("slow"));
  if (!stats?.published) return;
  const time = new Date(stats.published);
  const said = make("time", { dateTime: stats.published }, `${since(time, Date.now())} · ${moment.format(time)}`);
  fill(at("published"), ...around("published", "when", said));
}

/** An address that may be a link, or nothing. */
function link(url) {
  return typeof url === "string" && /^https?:\/\//i.test(url) && URL.canParse(url) ? url : undefined;
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
  for (const { post, title, url } of posts) pages.set(post, { title: title || undefined, url: link(url) });
  at("csv-top").disabled = !posts.length;
  none.hidden = posts.length > 0;
  list.hidden = posts.length === 0;
  write(none, text(failed ? "top.failed" : "top.none"));
  const shown = posts.map(({ post, views: count }) => row(post, count, count / posts[0].views));
  if (shown.length === list.children.length && shown.every((item, i) => item === list.children[i])) return;
  const focused = document.activeElement;
  list.replaceChildren(...shown);
  if (list.contains(focused)) focused.focus({ preventScroll: true });
  const kept = new Set(posts.map(({ post }) => post));
  for (const post of rows.keys()) if (!kept.has(post)) rows.delete(post);
}

function row(post, count, share) {
  const { title, url } = pages.get(post);
  const kept = rows.get(post);
  if (kept?.title !== title || kept?.url !== url || !kept) rows.set(post, { ...makeRow(post, title, url), title, url });
  const { item, button, shown } = rows.get(post);
  write(shown, digits.format(count));
  item.style.setProperty("--share", share || 0);
  button.ariaPressed = post === choice.post;
  return item;
}

function makeRow(post, title, url) {
  const shown = make("span");
  const label = make("span", { className: "label" }, name(title ?? post), title ? make("small", { dir: "auto" }, post) : "");
  const unit = make("span", { className: "unseen" }, ` ${text("views")}`);
  const button = make("button", { type: "button", title: post }, label, make("span", {}, shown, unit));
  button.addEventListener("click", () => {
    choose({ post: post === choice.post ? undefined : post });
    at("chart").scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
  });
  return { item: make("li", {}, button, url ? open(url, called(post)) : ""), button, shown };
}

/** Not every font has the sign. */
const arrow = document.querySelector("#arrow").content.firstElementChild;

/** A link to a post's page. */
function open(url, title) {
  const label = `${text("chart.open")}: ${title}`;
  return make("a", { href: url, target: "_blank", rel: "noreferrer", className: "open", title: label, ariaLabel: label }, arrow.cloneNode(true));
}

/** An id as it is read; its direction is its own. */
function name(post) {
  const blank = /^\s|\s$|^[\p{C}\p{Z}\p{M}]*$/u.test(post);
  return make("bdi", { className: blank ? "id blank" : "id", dir: "auto" }, post);
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const chart = makeChart(at("plot"), renderReadout);
/** What the chart shows: its path, and its days, by which they are compared. */
let drawn = {};

function renderChart({ site, history = site, views: total }) {
  const { post } = choice;
  const days = answers.get(history)?.days;
  const failure = failures.get(history);
  renderScope(post, answers.get(total), days);
  write(at("wrong"), failure?.refused ? failure.message : "");
  at("post").ariaInvalid = Boolean(failure?.refused);
  at("plot").ariaBusy = !days && !failure;
  if (!days && !failure) return;
  const key = JSON.stringify(days ?? []);
  if (drawn.path === history && drawn.key === key) return;
  const announced = drawn.path && drawn.path !== history;
  drawn = { path: history, key, days: days ?? [] };
  chart.show(drawn.days);
  renderReadout();
  renderTable(drawn.days);
  const said = days ? summary(days, post === undefined ? text("chart.site") : called(post)) : text("chart.failed");
  at("plot").ariaLabel = said;
  if (announced) write(at("said"), said);
}

function renderScope(post, answer, days) {
  const isSite = post === undefined;
  const all = isSite ? answers.get("/stats")?.views : answer && Object.values(answer.views)[0];
  const older = days && all > sum(days) ? all - sum(days) : 0;
  const { title, url } = pages.get(post) ?? {};
  at("whole").hidden = isSite;
  const parts = isSite ? [text("chart.site")] : [name(title ?? post), url ? open(url, title ?? post) : "", title ? make("small", { dir: "auto" }, post) : ""];
  fill(at("what"), ...parts);
  write(at("in-all"), isSite || all === undefined ? "" : all ? text("chart.all", { views: views(all) }) : text("chart.unknown"));
  write(at("older"), older ? text("before", { views: views(older) }) : "");
}

/** What is beside the chart's title: the day under the pointer, or all days. */
function renderReadout(index) {
  const { days = [] } = drawn;
  const day = days[index];
  write(at("readout"), day ? `${longDate.format(dayTime(day.day))}: ${views(day.views)}` : days.length ? views(sum(days)) : "");
}

function renderTable(days) {
  const line = ({ day, views }) => {
    const head = make("th", { scope: "row" }, make("time", { dateTime: day }, longDate.format(dayTime(day))));
    return make("tr", {}, head, make("td", {}, digits.format(views)));
  };
  fill(at("days"), ...days.map(line).reverse());
  at("csv-days").disabled = !days.length;
  write(at("caption"), text("chart.caption", { what: choice.post === undefined ? text("chart.site") : called(choice.post) }));
}

function renderNotice() {
  const wanted = Object.values(paths(choice));
  const failure = wanted.map((path) => failures.get(path)).find((failure) => failure && !failure.refused && !failure.locked);
  const kept = text(answers.has("/stats") ? "trouble.kept" : "trouble.again");
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
write(at("worker"), location.origin);
at("copy").hidden = !navigator.clipboard;
at("copy").addEventListener("click", () => {
  const copied = () => ["copy", "said"].forEach((id) => write(at(id), text("copied")));
  // Where the browser does not let it, the line is selected at least.
  navigator.clipboard.writeText(tag).then(copied, () => getSelection().selectAllChildren(at("tag")));
});

onLogin(refresh);
at("periods").addEventListener("change", ({ target }) => choose({ period: target.value }));
at("choose").addEventListener("submit", (event) => {
  event.preventDefault();
  choose({ post: identify(at("post").value) || undefined });
});
at("whole").addEventListener("click", () => {
  choose({ post: undefined });
  // The button is gone with the post; what it leaves is the site's chart.
  at("chart-title").focus({ preventScroll: true });
});
at("retry").addEventListener("click", () => {
  refresh();
  // So that it is told anew, should it fail again.
  write(at("trouble"), text("retrying"));
});
addEventListener("popstate", () => {
  choice = chosen(location.search);
  arrive();
});

const due = () => document.visibilityState === "visible" && Date.now() - asked >= EVERY;
document.addEventListener("visibilitychange", () => due() && refresh());
addEventListener("online", refresh);
at("csv-days").addEventListener("click", () => {
  save("tally-days.csv", [["day", "views"], ...drawn.days.map(({ day, views }) => [day, views])]);
});
at("csv-top").addEventListener("click", () => {
  const { posts } = answers.get(paths(choice).top);
  save(`tally-${choice.period}.csv`, [["post", "title", "url", "views"], ...posts.map(({ post, views }) => [post, pages.get(post)?.title ?? "", pages.get(post)?.url ?? "", views])]);
});

learn(navigator.languages).then(() => {
  at("post").placeholder = text("post.hint");
  for (const [id, key, name, element] of [
    ["start-post", "start.post", "tag", make("code", {}, 'data-post="142"')],
    ["login-text", "login.text", "name", make("code", {}, "ADMIN_TOKEN")],
  ]) at(id).replaceChildren(...around(key, name, element));
  setInterval(() => (due() ? refresh() : renderPublished()), 5_000);
  arrive();
});
