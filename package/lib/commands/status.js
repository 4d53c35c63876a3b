// `tally status`: whether a Tally is up, how old its numbers are, and what is misconfigured.

import { VERSION } from "../project.js";
import { counted, digits, isCount } from "../tally.js";
import { printable } from "../terminal.js";

/** How far behind the oldest post may be, in seconds. */
const BEHIND = 3600;

export async function status(tally) {
  const stats = await tally.read("/stats", isStats);
  const asked = await Promise.all([versionOf(tally), healthOf(tally), tokenIsSet(tally), anybodyCounts(tally)]);
  const [version, { failing }, hasToken, isOpen] = asked;
  const problems = problemsOf({ ...stats, failing, version, tokenFix: !hasToken && tally.tokenFix, isOpen });
  const data = { ...stats, url: tally.url, version, command: VERSION, problems };
  const isFine = !problems.some(({ level }) => level === "error");
  return { exit: isFine ? 0 : 1, data, text: report(data) };
}

const isMissing = (value) => value === undefined || value === null;
const isTime = (value) => isMissing(value) || (typeof value === "string" && !Number.isNaN(Date.parse(value)));

function isStats({ views, posts, published, oldest, refused, kv, adopted, site }) {
  const { unreadable } = site ?? {};
  return (
    [views, posts].every(isCount) &&
    [published, oldest, refused, unreadable?.since].every(isTime) &&
    [...(isMissing(kv) ? [] : [kv.writes, kv.budget]), adopted?.left ?? 0].every(isCount)
  );
}

/** The version is an asset, which costs nothing to ask. */
async function versionOf(tally) {
  const answer = await tally.fetch("/version.json");
  const { version } = (await tally.objectIn(answer)) ?? {};
  return answer.ok && typeof version === "string" ? version : null;
}

/** Whether publishing works. A version that has no such answer says nothing of it. */
async function healthOf(tally) {
  const { failing } = (await tally.objectIn(await tally.fetch("/health"))) ?? {};
  return { failing: isTime(failing) ? failing : undefined };
}

/** Without a token what is the owner's is not there. */
async function tokenIsSet(tally) {
  const answer = await tally.fetch("/export", { method: "HEAD" });
  return answer.status !== 404;
}

/** Whether pages of any site may count; a preflight counts nothing. */
async function anybodyCounts(tally) {
  const headers = { Origin: "https://any.invalid", "Access-Control-Request-Method": "POST" };
  const answer = await tally.fetch("/views/any", { method: "OPTIONS", headers });
  await answer.body?.cancel();
  return answer.ok;
}

function problemsOf({ failing, site, published, oldest, kv, refused, adopted, version, tokenFix, isOpen }) {
  const behind = (Date.parse(published) - Date.parse(oldest)) / 1000;
  return [
    failing && problem("error", "failing", `since ${failing} publishing has failed; views are counted, and readers see old numbers`, "Look at `npx wrangler tail`, and whether Workers KV works (https://www.cloudflarestatus.com). Publishing goes on by itself."),
    site?.unreadable && problem("error", "site", `since ${site.unreadable.since} the site cannot be read (${site.unreadable.why}); new posts are listed once it can`, "Check SITE_URL in wrangler.toml, and that the site lets the Worker read its pages."),
    refused && problem("error", "refused", `since ${refused} nothing is published, because another deployment published into the same namespace of Workers KV`, "Give each its own namespace; or, if the other one is gone, run `npx wrangler kv key delete :owner --binding VIEWS --remote`."),
    kv && kv.writes >= kv.budget && problem("error", "budget", `today's ${digits(kv.budget)} writes to Workers KV are used up; numbers that readers see stand still until midnight UTC`, "Raise PUBLISH_SECONDS; or, on the paid plan, KV_WRITES_PER_DAY."),
    behind > BEHIND && problem("error", "behind", `the oldest published number is ${duration(behind)} behind`, "Raise KV_WRITES_PER_DAY, as far as your plan allows."),
    version !== VERSION && problem("warning", "version", `the Worker has version ${version ?? "0.1"}, and this command ${VERSION}`, "Run `npm update && npm run deploy`."),
    tokenFix && problem("warning", "token", "there is no owner's token, so there are no exports, imports and corrections", `${tokenFix}.`),
    isOpen && problem("warning", "origins", "pages of any site may count", "Set ALLOWED_ORIGINS in wrangler.toml to your site's address, and run `npm run deploy`."),
    adopted?.left > 0 && problem("warning", "left", `${digits(adopted.left)} entries of Workers KV are not counts, and were left alone`, "Nothing needs to be done, unless they are yours."),
  ].filter(Boolean);
}

const problem = (level, code, message, fix) => ({ level, code, message, fix });

function report({ url, version, views, posts, published, kv, problems }) {
  const age = published ? `published ${duration((Date.now() - Date.parse(published)) / 1000)} ago` : "nothing is published yet";
  const lines = [
    `${url} is up${version ? `, version ${version}` : ""}`,
    `${counted(views, "view")} of ${counted(posts, "post")}; ${age}`,
    ...(kv ? [`${digits(kv.writes)} of ${digits(kv.budget)} writes to Workers KV today`] : []),
    ...problems.flatMap(({ level, message, fix }) => [`${level === "error" ? "✗" : "!"} ${message}`, `  ${fix}`]),
  ];
  return lines.map(printable).join("\n");
}

function duration(seconds) {
  const [amount, unit] = seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [seconds / 60, "minute"] : seconds < 172_800 ? [seconds / 3600, "hour"] : [seconds / 86_400, "day"];
  return new Intl.NumberFormat("en", { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 }).format(Math.max(0, amount));
}
