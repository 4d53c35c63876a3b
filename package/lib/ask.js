// Questions to the person at the terminal.

import * as prompts from "@clack/prompts";
import { EXIT, Failure } from "./failure.js";

/** Whether there is a person to ask. */
export const isAnswered = () => Boolean(process.stdin.isTTY && process.stderr.isTTY && !process.env.CI);

// Standard output is for results.
const output = process.stderr;

export const confirm = async (message) => given(await prompts.confirm({ message, output }));
export const text = async (options) => given(await prompts.text({ ...options, output }));

export async function account(accounts) {
  const options = accounts.map(({ id, name }) => ({ value: id, label: name, hint: id }));
  return given(await prompts.select({ message: "Which account of Cloudflare?", options, output }));
}

function given(answer) {
  if (prompts.isCancel(answer)) throw new Failure("cancelled", { code: "cancelled", exit: EXIT.cancelled });
  return answer;
}
