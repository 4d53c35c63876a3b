// A Tally, over HTTP. What answers may be anything else.

import { bodyOf } from "./body.js";
import { Failure, reasonOf, unreachable } from "./failure.js";
import { LOCAL } from "./project.js";

/** How long a read may take, in milliseconds. */
const PATIENCE = 10_000;
/** How large the answer to a read may be. */
const MOST_BYTES = 1 << 20;
const NO_TOKEN = "this needs the owner's token in the environment, as ADMIN_TOKEN; `npx tally token` makes one";

export class Tally {
  /** `url` is its address; `token` is the owner's, where there is one. */
  constructor(url, token) {
    this.url = url;
    this.token = token?.trim();
  }

  /** The address of something of it. */
  at(path) {
    return new URL(path, this.url);
  }

  /** Sends a request. Never follows a redirect, because the token is for this host alone. */
  async fetch(path, { headers = {}, ...options } = {}) {
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      return await fetch(this.at(path), { signal, redirect: "manual", headers, ...options });
    } catch (error) {
      throw this.silence(error);
    }
  }

  /** The same as the owner. */
  async asOwner(path, options = {}) {
    if (!this.token) {
      throw new Failure(NO_TOKEN, { code: "no_token" });
    }
    if (/[^\x20-\x7e]/.test(this.token)) throw new Failure("ADMIN_TOKEN has characters in it that no request can have", { code: "no_token" });
    const { protocol, hostname } = this.at("/");
    if (protocol !== "https:" && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)) {
      throw new Failure(`the owner's token is not sent to ${this.url}, where others could read it; use https`, { code: "insecure" });
    }
    return this.fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${this.token}` } });
  }

  /** What a read answers, if that `isRight`. The token is sent only where the read wants it. */
  async read(path, isRight) {
    const open = await this.fetch(path);
    const answer = open.status === 401 && this.token ? await this.asOwner(path) : open;
    const body = await this.json(answer);
    if (!isRight(body)) throw this.silence(new Error("it has other fields"));
    return body;
  }

  /** The object that an answer has, or a failure in the Worker's words. */
  async json(answer) {
    const body = await this.objectIn(answer);
    if (!body) throw this.silence(new Error(answer.status));
    if (answer.ok) return body;
    const { code, message } = body.error ?? {};
    if (typeof code !== "string" || typeof message !== "string") throw this.silence(new Error(answer.status));
    throw code === "unauthorized" ? this.stranger() : new Failure(message, { code });
  }

  /** The object that an answer has; undefined where it has none. */
  async objectIn(answer) {
    const body = await bodyOf(answer, MOST_BYTES).catch((error) => Promise.reject(this.silence(error)));
    if (!body.isWhole) throw this.silence(new Error("it answers too much"));
    try {
      const object = JSON.parse(body.bytes.toString());
      return object !== null && typeof object === "object" ? object : undefined;
    } catch {
      return undefined;
    }
  }

  /** That it does not answer, or not as Tally does. */
  silence(error) {
    const isDown = this.url === LOCAL && reasonOf(error) === "ECONNREFUSED";
    const fix = isDown ? "; start it with `npm start`, or name your Tally with --url" : "";
    return unreachable(`${this.at("/").origin} does not answer as Tally does (${reasonOf(error)})${fix}`);
  }

  /** That the token is missing or another one. */
  stranger() {
    return new Failure(this.token ? `ADMIN_TOKEN in the environment is not the owner's token of ${this.url}` : NO_TOKEN, { code: "unauthorized" });
  }

  /** How it gets an owner's token. */
  get tokenFix() {
    return this.url === LOCAL ? "`npx tally token --local` sets one, from the next `npm start` on" : "`npx tally token` sets one";
  }
}

/** Whether something is a number of views, or of anything else that is counted. */
export const isCount = (value) => Number.isSafeInteger(value) && value >= 0;

/** A number as people read it. */
export const digits = (number) => number.toLocaleString("en");

/** So many things of a kind. */
export const counted = (number, thing) => `${digits(number)} ${thing}${number === 1 ? "" : "s"}`;
