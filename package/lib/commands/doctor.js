// `tally doctor PAGE`: whether a page's views are counted, and if not, why. It counts nothing itself.

import { createHash } from "node:crypto";
import { bodyOf } from "../body.js";
import { Failure, reasonOf } from "../failure.js";
import { isWanted, postOf, readPage } from "../page.js";
import { forbids, policies } from "../policy.js";
import { Tally, counted, isCount } from "../tally.js";
import { printable } from "../terminal.js";

/** How long the script may take, in milliseconds, and how large it may be. It has a few kilobytes. */
const PATIENCE = 10_000;
const MOST_BYTES = 1 << 20;
/** How long the Worker may take to look at a page, in milliseconds. */
const VERIFICATION = 30_000;
/** What to do where the Worker does not find a post. */
const SITE = "Check SITE_URL in wrangler.toml, and that the page can be read without a login.";

export async function doctor(address, { url }, own) {
  const facts = await readPage(address);
  const tag = chosen(facts.tags, url);
  const checks = [];
  const check = (name, problem, fine) => checks.push({ check: name, ok: !problem, message: problem?.message ?? fine, ...(problem?.fix && { fix: problem.fix }) });
  check("script", missing(facts, tag, url), tag && `the page has the script ${tag.src}${!url && facts.tags.length > 1 ? `, and ${counted(facts.tags.length - 1, "other tag")} that the browser ignores` : ""}`);
  if (tag) await examine(facts, tag, check, own);
  const isFine = checks.every(({ ok }) => ok);
  const lines = checks.flatMap(({ ok, message, fix }) => [`${ok ? "✓" : "✗"} ${message}`, ...(fix ? [`  ${fix}`] : [])]);
  return { exit: isFine ? 0 : 1, data: { page: facts.url, ok: isFine, checks }, text: lines.map(printable).join("\n") };
}

/** The tag of the Tally that is asked for, or the first. */
const chosen = (tags, url) => (url ? tags.find((tag) => addressOf(tag) === new URL(url).origin) : undefined) ?? (url ? undefined : tags[0]);

/** The address of a tag's Tally: where the script comes from, unless the tag names it. */
function addressOf({ src, attributes }) {
  const named = attributes["data-tally"] || src;
  return URL.canParse(named, src) ? new URL(named, src).origin : "null";
}

/** What is wrong with an address that the tag names: it is relative to the script's, as all addresses are. */
function misnamed({ attributes: { "data-tally": named } }) {
  const isWhole = !named || (/^https?:\/\/[^/]/i.test(named) && URL.canParse(named));
  return isWhole ? undefined : { message: `data-tally="${named}" is not an address`, fix: 'Write all of it, such as data-tally="https://tally.you.workers.dev".' };
}

/** Whether pings go astray: they are sent below the script's folder, or below the address that the tag names. */
function misplaced({ src, attributes: { "data-tally": named } }) {
  const base = new URL(named || ".", src);
  const { origin } = base;
  return base.pathname === "/" ? undefined : { message: `views are sent to ${base.href}, and Tally is at ${origin}`, fix: `Write ${named ? `data-tally="${origin}"` : `src="${origin}/views.js"`}.` };
}

function missing({ tags }, tag, url) {
  if (tag) return undefined;
  const others = tags.length ? ` It counts with ${addressOf(tags[0])}.` : "";
  const fix = `Put this into the page: <script async src="${url ?? "https://tally.you.workers.dev"}/views.js"></script>`;
  return { message: `the page has no script of ${url ?? "a Tally"}.${others}`, fix };
}

async function examine(facts, tag, check, own) {
  const problem = misnamed(tag);
  if (problem) return check("address", problem);
  check("address", misplaced(tag), `it sends views to ${addressOf(tag)}`);
  const address = addressOf(tag);
  const post = postOf(facts, tag.attributes);
  check("kind", tag.attributes.type?.trim().toLowerCase() === "module" && { message: 'with type="module", the script does nothing', fix: "Remove type from the tag." }, "the browser runs it as a script");
  check("mixed", mixed(facts, tag, address), "the browser may load it on this page");
  check("loads", await loading(tag), "the script loads");
  check("policy", forbidden(facts, tag, address), "the page's policy allows it");
  check("tag", silenced(post, tag.attributes), `the tag counts the post ${post}`);
  const isLocal = /^(localhost|127\.|\[)/.test(new URL(facts.url).host) && tag.attributes["data-skip"] !== "0";
  if (isLocal) check("host", undefined, "the script counts nothing on localhost; the page counts once it is on your site");
  // The owner's token is for the owner's Tally alone, and the address is only what a page says.
  const tally = own.url === address ? own : new Tally(address);
  const origin = new URL(facts.url).origin;
  const refused = await refusal(tally, post, origin).catch(asProblem("Check the address in the tag; `npx tally status` tells whether the Worker is up."));
  check("origin", refused, `${address} lets ${origin} count`);
  if (refused) return;
  await ping(tally, post, origin, check);
  if (!tally.token) return;
  await confirm(tally, post, facts, check).catch((error) => check("site", asProblem("Check ADMIN_TOKEN, and run `npx tally status`.")(error), ""));
}

/** A failure as a problem with a fix. */
const asProblem = (fix) => (error) => {
  if (!(error instanceof Failure)) throw error;
  return { message: error.message, fix };
};

function mixed(facts, tag, address) {
  const isInsecure = facts.url.startsWith("https:") && [tag.src, address].some((url) => url.startsWith("http:"));
  return isInsecure && { message: "browsers load nothing over http on a page of https", fix: `Write https: in the tag: src="${tag.src.replace(/^http:/, "https:")}"` };
}

/** Whether the script is there, is a script, and has the hash that the tag says. */
async function loading({ src, attributes }) {
  let response, body;
  try {
    response = await fetch(src, { signal: AbortSignal.timeout(PATIENCE) });
    body = await bodyOf(response, MOST_BYTES);
  } catch (error) {
    return { message: `${src} does not load (${reasonOf(error)})`, fix: "Check the address in the tag; `npx tally status` tells whether the Worker is up." };
  }
  if (!response.ok || !/javascript/.test(response.headers.get("Content-Type") ?? "")) {
    return { message: `${src} answers ${response.status}, and not with a script`, fix: "Check the address in the tag; `npm run deploy` prints the address of your Tally." };
  }
  if (!body.isWhole) return { message: `${src} is larger than ${MOST_BYTES >> 20} MB, so it is not Tally's script`, fix: "Check the address in the tag; `npm run deploy` prints the address of your Tally." };
  const { integrity, crossorigin } = attributes;
  const hashes = integrity?.trim().split(/\s+/) ?? [];
  const [algorithm = "sha384"] = hashes[0]?.split("-") ?? [];
  if (hashes.length && !["sha256", "sha384", "sha512"].includes(algorithm)) return { message: "the tag's integrity has no hash that browsers know", fix: "Use sha384." };
  const real = `${algorithm}-${createHash(algorithm).update(body.bytes).digest("base64")}`;
  if (hashes.length && !hashes.includes(real)) return { message: "the script is not the one whose hash the tag has, so the browser refuses it", fix: `Write integrity="${real}", as after every update.` };
  const isOfOther = hashes.length && crossorigin === undefined;
  return isOfOther && { message: "with integrity, the tag needs crossorigin, or the browser refuses the script", fix: "Write <script async crossorigin …>" };
}

function forbidden(facts, tag, address) {
  const all = policies(facts.policy, facts.metas);
  const { nonce, integrity } = tag.attributes;
  const page = facts.url;
  const rest = new URL("views.js.rest.js", tag.src).href;
  const asked = [
    ["script", { url: tag.src, page, nonce, integrity, inserted: tag.inserted }, "script-src"],
    ...(facts.numbers ? [["script", { url: rest, page, inserted: true }, "script-src"]] : []),
    ["connect", { url: `${address}/views/`, page }, "connect-src"],
    ...facts.badges.map((url) => ["img", { url, page }, "img-src"]),
  ];
  for (const [kind, what, directive] of asked) {
    const by = forbids(all, kind, what);
    if (by) return { message: `the page's Content-Security-Policy forbids ${what.url} (${by})`, fix: `Add ${new URL(what.url).origin} to ${directive}.` };
  }
  return undefined;
}

function silenced(post, { "data-skip": skip, "data-only": only, "data-prefix": prefix = "" }) {
  if (Number(skip) > 0) return { message: 'the tag has data-skip="1", which counts nothing', fix: "Remove data-skip from the tag." };
  if (skip !== undefined && !/\d/.test(skip)) return { message: `data-skip="${skip}" is not a number, so it does not keep the page from counting`, fix: 'Write data-skip="1" to count nothing, or remove it.' };
  const isLeftOut = !isWanted(post.slice(prefix.length), only);
  return isLeftOut && { message: `the tag counts only "${only}", and this is ${post}`, fix: "Add the post to data-only. Its patterns are separated by spaces, and compared with the whole name." };
}

/** Whether the Worker lets the page's site count, by a preflight, which counts nothing. */
async function refusal(tally, post, origin) {
  const headers = { Origin: origin, "Access-Control-Request-Method": "POST" };
  const answer = await tally.fetch(`/views/${encodeURIComponent(post)}`, { method: "OPTIONS", headers });
  if (answer.ok) return undefined;
  if (answer.status !== 403) throw tally.silence(new Error(answer.status));
  return { message: `${tally.url} does not let ${origin} count`, fix: `Add ${origin} to ALLOWED_ORIGINS in wrangler.toml, and run \`npm run deploy\`.` };
}

/** The way of a ping, with the sign that the page is only fetched ahead, which is not counted. */
async function ping(tally, post, origin, check) {
  const headers = { Origin: origin, "Sec-Purpose": "prefetch" };
  const { problem, views } = await tally
    .fetch(`/views/${encodeURIComponent(post)}`, { method: "POST", headers })
    .then((answer) => tally.json(answer))
    .then(({ reason, views }) => ({ problem: reason === "unknown" && unknown(tally, post), views }))
    .catch((error) => ({ problem: asProblem(error.code === "invalid_post" ? "Write another name into data-post." : "Run `npx tally status`.")(error), views: undefined }));
  check("counts", problem, `${tally.url} counts ${post}${isCount(views) ? `: ${counted(views, "view")} so far` : ""}`);
}

const unknown = ({ url }, post) => ({ message: `${url} does not find ${post} on the site, and counts nothing`, fix: SITE });

/** Whether the Worker finds the post on the site, where it looks for it (SITE_URL). */
async function confirm(tally, post, { url }, check) {
  const at = encodeURIComponent(new URL(url).pathname);
  const path = `/verify?post=${encodeURIComponent(post)}&at=${at}`;
  const answer = await tally.asOwner(path, { method: "POST", signal: AbortSignal.timeout(VERIFICATION) });
  const { verified, title, reason } = (await tally.objectIn(answer)) ?? {};
  // There is no SITE_URL, or the version does not know it.
  if (!answer.ok || typeof verified !== "boolean") return;
  check("site", !verified && { message: `${tally.url} does not find ${post} on the site: ${reason}`, fix: SITE }, `${tally.url} finds it on the site${title ? `: ${title}` : ""}`);
}
