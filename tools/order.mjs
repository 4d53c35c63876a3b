// Puts the functions of a Wasm module that are alike next to each other: gzip finds a repeat within 32 KB only,
// and the module is ten times as large. That makes the upload a thirtieth smaller.

import { readFileSync, writeFileSync } from "node:fs";

/** So many bytes in a row, where two functions have them, make the two alike. */
const GRAM = 4;
/** What more functions than these have tells nothing. */
const MOST_OWNERS = 30;
/** How many bytes back gzip finds a repeat. */
const WINDOW = 30_000;
/** Keeps short functions, of which little is enough to be alike, from coming first. */
const HANDICAP = 30;

const NAMES = 0;
const IMPORTS = 2;
const CODE = 10;

/** Names the functions of a module by their order, for `wasm-opt --reorder-functions-by-name`. */
export function nameByOrder(file) {
  const module = readFileSync(file);
  const [functions, imported] = functionsOf(module);
  const places = [];
  byLikeness(functions).forEach((index, place) => (places[index] = place));
  const names = places.map((place, index) => [...leb(imported + index), ...text(`${place}`.padStart(6, "0"))]);
  const map = [...leb(names.length), ...names.flat()];
  const section = [...text("name"), 1, ...leb(map.length), ...map];
  writeFileSync(file, Buffer.concat([module, Buffer.from([NAMES, ...leb(section.length), ...section])]));
}

/** The code of the functions, and how many others are imported. */
function functionsOf(module) {
  const reader = new Reader(module, 8);
  const functions = [];
  let imported = 0;
  while (reader.at < module.length) {
    const kind = reader.byte();
    const end = reader.number() + reader.at;
    if (kind === CODE) for (let left = reader.number(); left > 0; left--) functions.push(reader.bytes(reader.number()));
    if (kind === IMPORTS) for (let left = reader.number(); left > 0; left--) imported += reader.import() ? 1 : 0;
    reader.at = end;
  }
  return [functions, imported];
}

/** Reads what a module is made of. */
class Reader {
  constructor(module, at) {
    this.module = module;
    this.at = at;
  }

  byte() {
    return this.module[this.at++];
  }

  bytes(length) {
    return this.module.subarray(this.at, (this.at += length));
  }

  number() {
    let number = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      number |= (byte & 127) << shift;
      if (byte < 128) return number;
    }
  }

  /** Reads an import; whether it is a function. */
  import() {
    this.bytes(this.number());
    this.bytes(this.number());
    const kind = this.byte();
    if (kind === 1) this.byte();
    if (kind === 1 || kind === 2) {
      const hasMost = this.byte() & 1;
      this.number();
      if (hasMost) this.number();
    } else {
      if (kind > 2) this.byte();
      this.number();
    }
    return kind === 0;
  }
}

/** The indices of functions: after each the one that has the most in common with those right before it. */
function byLikeness(functions) {
  const grams = functions.map(gramsOf);
  const owners = ownersOf(grams);
  const likeness = new Float64Array(functions.length);
  const within = new Map();
  const count = (index, step) => {
    for (const gram of grams[index]) {
      const before = within.get(gram) ?? 0;
      within.set(gram, before + step);
      if (before === 0 || before + step === 0) for (const owner of owners.get(gram) ?? []) likeness[owner] += step;
    }
  };
  const left = new Set(functions.keys());
  const order = [];
  let bytes = 0;
  let first = 0;
  while (left.size > 0) {
    let next = -1;
    let most = -1;
    for (const index of left) {
      const share = likeness[index] / (grams[index].size + HANDICAP);
      if (share > most) [next, most] = [index, share];
    }
    left.delete(next);
    order.push(next);
    count(next, 1);
    bytes += functions[next].length;
    for (; bytes > WINDOW && first < order.length - 1; first++) {
      count(order[first], -1);
      bytes -= functions[order[first]].length;
    }
  }
  return order;
}

/** The runs of bytes in a function, as numbers. */
function gramsOf(code) {
  const grams = new Set();
  for (let at = 0; at + GRAM <= code.length; at++) grams.add(code.readUInt32LE(at));
  return grams;
}

/** Which functions have a run of bytes, where that is some but not many. */
function ownersOf(grams) {
  const owners = new Map();
  grams.forEach((all, index) => {
    for (const gram of all) owners.get(gram)?.push(index) ?? owners.set(gram, [index]);
  });
  for (const [gram, all] of owners) if (all.length < 2 || all.length > MOST_OWNERS) owners.delete(gram);
  return owners;
}

function text(text) {
  return [...leb(text.length), ...Buffer.from(text)];
}

/** In LEB128. */
function leb(number) {
  return number < 128 ? [number] : [(number & 127) | 128, ...leb(number >> 7)];
}
