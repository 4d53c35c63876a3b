// How the dashboard says things: its texts, numbers and dates in the reader's language. Each language is a file of
// its own in words/; English is here from the start, another one is loaded where the browser asks for it.

import english from "./words/en.json";

const LANGUAGES = ["en", "de", "fr", "es", "pt", "ja", "zh"];
/** How long to wait for a language, in milliseconds. */
const PATIENCE = 5_000;

let words = english;
/** The language that numbers and dates are in. */
export let locale = "en";
let plurals, ago;
export let digits, short, percent, moment, date, longDate, fullDate;
speak("en");

/** Takes over the first of the browser's languages that there is, for texts and numbers alike. */
export async function learn(tags) {
  const tag = tags.find(language) ?? "en";
  try {
    if (language(tag) !== "en") words = await load(language(tag));
    speak(tag);
  } catch {
    // It could not be loaded: English it stays.
  }
  document.documentElement.lang = locale;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
}

/** Which of the languages a language tag means. Chinese is simplified here. */
function language(tag) {
  try {
    const { language, script } = new Intl.Locale(tag).maximize();
    return LANGUAGES.find((one) => one === language && (one !== "zh" || script === "Hans"));
  } catch {
    return undefined;
  }
}

async function load(language) {
  const response = await fetch(`/dashboard/words/${language}.json`, { signal: AbortSignal.timeout(PATIENCE) });
  return { ...english, ...(await response.json()) };
}

function speak(tag) {
  locale = tag;
  const days = { day: "numeric", month: "short", timeZone: "UTC" };
  digits = new Intl.NumberFormat(tag);
  short = new Intl.NumberFormat(tag, { notation: "compact" });
  percent = new Intl.NumberFormat(tag, { style: "percent", maximumFractionDigits: 1 });
  plurals = new Intl.PluralRules(tag);
  ago = new Intl.RelativeTimeFormat(tag, { numeric: "auto" });
  moment = new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "short" });
  fullDate = new Intl.DateTimeFormat(tag, { dateStyle: "medium" });
  date = new Intl.DateTimeFormat(tag, days);
  longDate = new Intl.DateTimeFormat(tag, { weekday: "short", ...days });
}

/** A text, with values in the places of their names. */
export const text = (key, values = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);

/** The same as a list, with an element in the place of `name`. */
export function around(key, name, element) {
  const [before, behind = ""] = text(key).split(`{${name}}`);
  return [before, element, behind];
}

/** Whether there is such a text. */
export const has = (key) => Object.hasOwn(words, key);

/** A text that depends on a number, which is `{n}` in it. */
export function plural(key, count) {
  const form = `${key}.${plurals.select(count)}`;
  return text(has(form) ? form : `${key}.other`, { n: digits.format(count) });
}

export const views = (count) => plural("views", count);
export const known = (count) => (Number.isFinite(count) ? digits.format(count) : "");
export const sum = (days) => days.reduce((total, { views }) => total + views, 0);
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
export function summary(days, what) {
  const most = days.reduce((most, day) => (day.views > most.views ? day : most));
  return text(most.views ? "chart.peak" : "chart.flat", {
    what,
    views: views(sum(days)),
    n: digits.format(days.length),
    day: longDate.format(dayTime(most.day)),
    most: digits.format(most.views),
    today: digits.format(days.at(-1).views),
  });
}
