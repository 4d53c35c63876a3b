// How the dashboard says numbers, dates and reasons: in the browser's language.

/** Why a view is not counted: its name, and what that means. */
export const REASONS = new Map([
  ["duplicate", ["Repeats", "The same visitor on the same post within half an hour (DEDUPE_SECONDS), or a ping that was sent twice."]],
  ["bot", ["Crawlers", "Search engines, monitors and browsers without a person."]],
  ["prefetch", ["Fetched ahead", "Pages that a browser loaded in case they are opened. Once they are, they count."]],
  ["origin", ["Other sites", "Pages of sites that are not among ALLOWED_ORIGINS."]],
  ["flood", ["Floods", "More views from one address in a minute than the rate limit lets through."]],
  ["unknown", ["Unknown posts", "Posts that the site does not have."]],
]);

export const digits = new Intl.NumberFormat();
export const short = new Intl.NumberFormat(undefined, { notation: "compact" });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
export const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
export const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
export const longDate = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
/** The browser's language, which numbers and dates are in. */
export const { locale } = digits.resolvedOptions();

export const known = (count) => (Number.isFinite(count) ? digits.format(count) : "");
export const sum = (days) => days.reduce((total, { views }) => total + views, 0);
export const plural = (count, one, many) => `${digits.format(count)} ${count === 1 ? one : many}`;
export const views = (count) => plural(count, "view", "views");
export const dayTime = (day) => new Date(`${day}T00:00Z`);

/** How long ago a moment was, in the largest unit that fits. A clock that is behind reads it as now. */
export function since(time, now) {
  const seconds = Math.max(0, Math.round((now - time) / 1000));
  if (seconds < 60) return ago.format(0, "second");
  if (seconds < 3600) return ago.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86_400) return ago.format(-Math.floor(seconds / 3600), "hour");
  return ago.format(-Math.floor(seconds / 86_400), "day");
}

/** The chart in one sentence. */
export function summary(days, post) {
  const most = days.reduce((most, day) => (day.views > most.views ? day : most));
  const peak = most.views ? `, the most on ${longDate.format(dayTime(most.day))} with ${digits.format(most.views)}` : "";
  return `${post ?? "The whole site"}: ${views(sum(days))} in ${days.length} days${peak}, ${digits.format(days.at(-1).views)} today.`;
}
