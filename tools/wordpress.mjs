// Zips `wordpress` into `build/tally-views.zip`, in the form in which WordPress takes a plugin: a folder
// `tally-views` with the sources, the license, the scripts that count (as tools/build.mjs has made them), the
// template for translators (made from the sources), and the translations (`wordpress/languages/*.po`) in the
// format that WordPress reads. The same files make the same zip.

import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { zipSync } from "fflate";
import { transformSync } from "esbuild";
import { PUBLIC, ROOT, fail, say } from "./shell.mjs";

const PLUGIN = join(ROOT, "wordpress");
const ZIP = join(ROOT, "build/tally-views.zip");
// The first that a zip can tell; it knows no time zones, and neither has a Date made like this.
const TIME = new Date(1980, 0, 1);
/** A call of one of WordPress's functions that translate, with the comment before it. */
const CALL = /(?:\/\* (translators: .*?) \*\/\s*(?:[^;\n]*?))?\b(?:esc_html|esc_attr)?_[_en]\(\s*'((?:[^'\\]|\\.)*)'(?:, '((?:[^'\\]|\\.)*)', \$\w+)?, 'tally-views' \)/g;

const files = Object.fromEntries(names().map((name) => [name, readFileSync(join(PLUGIN, name))]));
files.LICENSE = readFileSync(join(ROOT, "LICENSE-MIT"));
for (const [name, content] of Object.entries(scripts())) files[`assets/${name}`] = content;
delete files["assets/uncounted.js"];
files["languages/tally-views.pot"] = Buffer.from(template());
for (const name of Object.keys(files).filter((name) => name.endsWith(".po"))) Object.assign(files, translation(name));
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

/** What counts, and its rest. */
function scripts() {
  const [views, rest] = ["views.js", "views.js.rest.js"].map((name) => join(PUBLIC, name));
  if (!existsSync(views)) fail("there are no scripts yet: `npm run wordpress` makes them");
  const before = transformSync(files["assets/uncounted.js"].toString(), { minify: true, format: "iife", target: "es2022" }).code;
  return { "views.js": Buffer.from(before + readFileSync(views)), "views.js.rest.js": readFileSync(rest) };
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

/** A translation as PHP reads it, and as the scripts do, each by its handle. */
function translation(name) {
  const entries = readEntries(files[name].toString());
  const base = name.slice(0, -3);
  const [, forms] = /^Plural-Forms: *(.*)$/m.exec(entries[0].texts[0]);
  const messages = entries.slice(1).map(({ id, texts }) => [id.split("\0")[0], texts]);
  const data = { "": { domain: "tally-views", lang: base.split("-").pop(), "plural-forms": forms }, ...Object.fromEntries(messages) };
  const json = Buffer.from(JSON.stringify({ domain: "tally-views", locale_data: { "tally-views": data } }));
  return { [`${base}.mo`]: compile(entries), [`${base}-tally-views-editor.json`]: json, [`${base}-tally-views-admin.json`]: json };
}

/** The entries of a file of gettext: the context, text and plural as `id`, what they are in the language as `texts`. */
function readEntries(source) {
  return source.split(/\n{2,}/).filter((block) => /^msgid /m.test(block)).map((block) => {
    const value = (key) => new RegExp(`^${key} ((?:".*"\\n?)+)`, "m").exec(block)?.[1].trim().split("\n").map((line) => JSON.parse(line)).join("");
    const [context, one, many] = ["msgctxt", "msgid", "msgid_plural"].map(value);
    const texts = ["msgstr", "msgstr\\[0\\]", "msgstr\\[1\\]"].map(value).filter((text) => text !== undefined);
    return { id: (context === undefined ? "" : `${context}\u0004`) + one + (many === undefined ? "" : `\0${many}`), texts };
  });
}

/** The binary format of gettext: a head, two tables of lengths and offsets, and the texts. */
function compile(entries) {
  const sorted = entries.map(({ id, texts }) => [Buffer.from(id), Buffer.from(texts.join("\0"))]).sort(([a], [b]) => Buffer.compare(a, b));
  const head = Buffer.alloc(28 + sorted.length * 16);
  [0x950412de, 0, sorted.length, 28, 28 + sorted.length * 8, 0, head.length].forEach((value, place) => head.writeUInt32LE(value, place * 4));
  const parts = [head];
  let offset = head.length;
  for (const table of [0, 1]) {
    sorted.forEach((pair, index) => {
      const place = 28 + (table * sorted.length + index) * 8;
      head.writeUInt32LE(pair[table].length, place);
      head.writeUInt32LE(offset, place + 4);
      parts.push(pair[table], Buffer.alloc(1));
      offset += pair[table].length + 1;
    });
  }
  return Buffer.concat(parts);
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
