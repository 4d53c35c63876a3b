// The project's documents, as `npm run check` and tests/docs.test.mjs read them: links and blocks of code.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ROOT, output } from "./shell.mjs";

/** All Markdown files, by their paths in the repository. */
export function documents() {
  return output("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"]).split("\n").filter((file) => existsSync(join(ROOT, file)));
}

/** The text of a file of the repository. */
export const textOf = (file) => readFileSync(join(ROOT, file), "utf8");

/** The links within the repository that lead nowhere, as `FILE: LINK`. */
export function brokenLinks() {
  return documents().flatMap((file) => linksOf(file).filter((link) => !leads(file, link)).map((link) => `${file}: ${link}`));
}

function linksOf(file) {
  const text = withoutCode(textOf(file)).replace(/`[^`\n]*`/g, "");
  const found = text.matchAll(/\]\(([^)\s]+)\)|^\[[^\]\n]+\]: *(\S+)|<(?:img|a)\s[^>]*(?:src|href)="([^"]+)"/gm);
  const links = [...found].map(([, inline, reference, attribute]) => inline ?? reference ?? attribute);
  return links.filter((link) => !/^(https?|mailto):/.test(link));
}

const withoutCode = (text) => text.replace(/^( *)```[^]*?^\1```/gm, "");

function leads(file, link) {
  const [path, anchor] = link.split("#");
  const target = path ? resolve(ROOT, dirname(file), decodeURIComponent(path)) : join(ROOT, file);
  if (!existsSync(target)) return false;
  return !anchor || !target.endsWith(".md") || anchorsOf(readFileSync(target, "utf8")).includes(anchor);
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(text) {
  const headings = [...withoutCode(text).matchAll(/^#{1,6} +(.*)$/gm)].map(([, heading]) => heading);
  const seen = new Map();
  return headings.map((heading) => {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "").trim().toLowerCase();
    const slug = plain.replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, "").replaceAll(" ", "-");
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times ? `${slug}-${times}` : slug;
  });
}

/**
 * The blocks of code of a document: the `language`, which may be empty, the `text` without its indentation, and what
 * a comment `<!-- session: … -->` before it says.
 */
export function blocksOf(file) {
  const found = textOf(file).matchAll(/(?:<!-- session(?::([^>]*))? -->\n)?^( *)```(\w*)\n([^]*?)^\2```/gm);
  return [...found].map(([whole, session, indent, language, text]) => ({
    language,
    text: text.replace(new RegExp(`^${indent}`, "gm"), "").trimEnd(),
    isNew: whole.startsWith("<!-- session"),
    session: session?.trim(),
  }));
}
