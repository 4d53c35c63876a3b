// A page's Content Security Policy: whether it lets the page load and send what Tally needs.
// https://www.w3.org/TR/CSP3/#match-url-to-source-list, without what a source for Tally cannot be.

import parse from "content-security-policy-parser";

/** Which directive decides, in this order; the first that is there. */
const FALLBACKS = {
  script: ["script-src-elem", "script-src", "default-src"],
  connect: ["connect-src", "default-src"],
  img: ["img-src", "default-src"],
};

/** The policies of a page: those of its header, which commas separate, and those of its meta elements. */
export function policies(headers, metas) {
  return [...headers.split(","), ...metas].filter((text) => text.trim()).map((text) => parse(text));
}

/**
 * The directive that forbids something, as it is written; undefined where every policy allows it. `asked` has
 * `url`, the `page`'s address, and for a script its `nonce`, its `integrity`, and whether another script
 * `inserted` it.
 */
export function forbids(policies, kind, asked) {
  for (const policy of policies) {
    const name = FALLBACKS[kind].find((name) => policy.has(name));
    if (name && !allows(policy.get(name), kind, asked)) return `${name} ${policy.get(name).join(" ")}`.trim();
  }
  return undefined;
}

function allows(sources, kind, asked) {
  const lower = sources.map((source) => source.toLowerCase());
  if (kind === "script") {
    if (asked.nonce && sources.includes(`'nonce-${asked.nonce}'`)) return true;
    if (hashed(sources, asked.integrity)) return true;
    if (lower.includes("'strict-dynamic'")) return Boolean(asked.inserted);
  }
  const [target, self] = [new URL(asked.url), new URL(asked.page)];
  return lower.some((source, place) => matches(source, sources[place], target, self));
}

/** Whether all hashes of an integrity attribute are listed. */
function hashed(sources, integrity) {
  const hashes = integrity?.trim().split(/\s+/).map((hash) => `'${hash.split("?")[0]}'`);
  const listed = new Set(sources);
  return Boolean(hashes?.length) && hashes.every((hash) => listed.has(hash));
}

function matches(source, written, target, self) {
  if (source === "'self'") return target.host === self.host && isUpgrade(self.protocol, target.protocol);
  if (source === "*") return /^https?:$/.test(target.protocol);
  if (/^[a-z][a-z0-9+.-]*:$/.test(source)) return isUpgrade(source, target.protocol);
  const parts = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(\*|(?:\*\.)?[^:/'*]+)(?::(\d+|\*))?(\/.*)?$/i.exec(written);
  if (!parts) return false;
  const [, scheme = self.protocol.slice(0, -1), host, port, path] = parts;
  return (
    isUpgrade(`${scheme.toLowerCase()}:`, target.protocol) &&
    isHost(host.toLowerCase(), target.hostname) &&
    isPort(port, target) &&
    isPath(path, target.pathname)
  );
}

const isUpgrade = (from, to) => from === to || (from === "http:" && to === "https:");
const isHost = (host, name) => host === "*" || (host.startsWith("*.") ? name.endsWith(host.slice(1)) : host === name);

function isPort(port, { port: real, protocol }) {
  const standard = { "http:": "80", "https:": "443" }[protocol];
  return port === "*" || (port === undefined ? real === "" : port === (real || standard) || (port === "80" && standard === "443" && !real));
}

const isPath = (path, real) => !path || path === "/" || (path.endsWith("/") ? real.startsWith(path) : decoded(real) === decoded(path));

function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
