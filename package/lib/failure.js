// What can go wrong, in words for the person who runs the command.

import { printableLines } from "./terminal.js";

/** Exit codes, as `tally --help` lists them. */
export const EXIT = { fine: 0, failed: 1, usage: 2, unreachable: 3, cancelled: 130 };

export class Failure extends Error {
  /** `code` names the failure for scripts, `exit` is the exit code. */
  constructor(message, { code = "failed", exit = EXIT.failed } = {}) {
    super(message);
    this.code = code;
    this.exit = exit;
  }
}

export const usage = (message) => new Failure(message, { code: "usage", exit: EXIT.usage });
export const unreachable = (message) => new Failure(message, { code: "unreachable", exit: EXIT.unreachable });

/** Why a fetch failed, in a word. */
export const reasonOf = (error) => error.cause?.code ?? error.cause?.message ?? error.message;

/** Tells the person how it goes. Standard output is for results, so this goes to standard error. */
export function say(text) {
  console.error(`tally: ${printableLines(text)}`);
}
