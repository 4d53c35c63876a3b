// A history of what was asked and told, checked as Jepsen checks a counter: whatever is read is at least what was
// acknowledged before the read was sent, and at most what was attempted before it was answered.

import assert from "node:assert/strict";

/** Numbers from 0 to 1 that follow from a seed, so that a run can be had again. */
export function randomness(seed) {
  let state = seed >>> 0;
  return () => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Counts that grow. */
export class History {
  #counts = new Map();
  reads = 0;

  #of(name) {
    if (!this.#counts.has(name)) this.#counts.set(name, { acknowledged: 0, attempted: 0 });
    return this.#counts.get(name);
  }

  names() {
    return [...this.#counts.keys()];
  }

  /** Adds to a count; `ask` promises the count after that, or undefined where it is not known whether it was added. */
  async add(name, amount, ask) {
    const count = this.#of(name);
    const before = count.acknowledged;
    count.attempted += amount;
    const told = await ask();
    if (told === undefined) return;
    count.acknowledged += amount;
    this.#check(name, told, before + amount);
  }

  /** Reads a count; `ask` promises it, or undefined where there is no answer. What is published may be old, and is never too much. */
  async read(name, ask, { isPublished = false } = {}) {
    const before = isPublished ? 0 : this.#of(name).acknowledged;
    const told = await ask();
    if (told !== undefined) this.#check(name, told, before);
    return told;
  }

  /** Reads a count that nobody adds to. What it is now is known. */
  async settle(name, ask) {
    const told = await this.read(name, ask);
    Object.assign(this.#of(name), { acknowledged: told, attempted: told });
    return told;
  }

  #check(name, told, least) {
    const { attempted } = this.#of(name);
    this.reads++;
    assert.ok(least <= told && told <= attempted, `${name}: ${least} ≤ ${told} ≤ ${attempted}`);
  }
}
