// Zips `wordpress` into `build/tally-views.zip`, as WordPress takes a plugin: everything in a folder
// `tally-views`, with the license and, made of the sources, the template for translators. The same
// files make the same zip.

import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { zipSync } from "fflate";
import { ROOT, say } from "./shell.mjs";

const PLUGIN = join(ROOT, "wordpress");
const ZIP = join(ROOT, "build/tally-views.zip");
// The first that a zip can tell; it knows no time zones, and neither has a Date made like this.
const TIME = new Date(1980, 0, 1);
/** A call of one of WordPress's functions that translate, with the comment before it. */
const CALL = /(?:\/\* (translators: .*?) \*\/\s*(?:[^;\n]*?))?\b(?:esc_html|esc_attr)?_[_en]\(\s*'((?:[^'\\]|\\.)*)'(?:, '((?:[^'\\]|\\.)*)', \$\w+)?, 'tally-views' \)/g;

const files = Object.fromEntries(names().map((name) => [name, readFileSync(join(PLUGIN, name))]));
files.LICENSE = readFileSync(join(ROOT, "LICENSE-MIT"));
files["languages/tally-views.pot"] = Buffer.from(template());
const inFolder = Object.fromEntries(Object.entries(files).map(([name, content]) => [`tally-views/${name}`, content]));
const zip = zipSync(inFolder, { level: 9, mtime: TIME });
mkdirSync(dirname(ZIP), { recursive: true });
writeFileSync(ZIP, zip);
say(`${ZIP} (${Math.ceil(zip.length / 1000)} KB)`);

/** The plugin's files, in an order that is the same everywhere. */
function names() {
  return readdirSync(PLUGIN, { recursive: true })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => statSync(join(PLUGIN, name)).isFile() && !/(^|\/)\./.test(name))
    .sort();
}

/** The texts of the plugin, in gettext's format. */
function template() {
  const entries = new Map();
  for (const text of Object.keys(files).flatMap(texts)) {
    const key = JSON.stringify([text.context, text.one]);
    const entry = entries.get(key) ?? { ...text, places: [] };
    entry.places.push(text.file);
    entries.set(key, { ...entry, comment: entry.comment ?? text.comment, many: entry.many ?? text.many });
  }
  const head = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n"X-Domain: tally-views\\n"\n';
  return [head, ...[...entries.values()].map(written)].join("\n");
}

/** The texts in one of the files. */
function texts(file) {
  const source = files[file].toString();
  if (file.endsWith("/block.json")) {
    const { title, description, keywords } = JSON.parse(source);
    const block = (kind, one) => ({ file, one, context: `block ${kind}` });
    return [block("title", title), block("description", description), ...keywords.map((word) => block("keyword", word))];
  }
  if (!/\.(php|js)$/.test(file)) return [];
  // WordPress shows what the head says of the plugin.
  const said = file === "tally-views.php" ? [...source.matchAll(/^ \* (?:Plugin Name|Description): +(.*)$/gm)] : [];
  const calls = [...source.matchAll(CALL)].map(([, comment, one, many]) => ({ file, comment, one: plain(one), many: many && plain(many) }));
  return [...said.map(([, one]) => ({ file, one })), ...calls];
}

/** What a literal of PHP or JavaScript stands for. */
function plain(literal) {
  return literal.replace(/\\(['\\])/g, "$1");
}

function written({ places, comment, context, one, many }) {
  const lines = [comment && `#. ${comment}`, `#: ${[...new Set(places)].join(" ")}`, /%\d?\$?[sd]/.test(one) && "#, php-format"];
  if (context) lines.push(`msgctxt ${JSON.stringify(context)}`);
  lines.push(`msgid ${JSON.stringify(one)}`);
  lines.push(...(many ? [`msgid_plural ${JSON.stringify(many)}`, 'msgstr[0] ""', 'msgstr[1] ""'] : ['msgstr ""']));
  return `${lines.filter(Boolean).join("\n")}\n`;
}
