// A Tally, over HTTP.

import { Failure, reasonOf, unreachable } from "./failure.js";

/** How long a read may take, in milliseconds. */
const PATIENCE = 10_000;

export class Tally {
  /** `url` is its address; `token` is the owner's, where there is one. */
  constructor(url, token) {
    this.url = url;
    this.token = token;
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
  asOwner(path, options = {}) {
    if (!this.token) {
      throw new Failure("this needs the owner's token in the environment, as ADMIN_TOKEN; `tally token` makes one", { code: "no_token" });
    }
    const { protocol, hostname } = this.at("/");
    if (protocol !== "https:" && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)) {
      throw new Failure(`the owner's token is not sent to ${this.url}, where others could read it; use https`, { code: "insecure" });
    }
    return this.fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${this.token}` } });
  }

  /** What a read answers. The token is sent only where the read wants it. */
  async read(path) {
    const open = await this.fetch(path);
    const answer = open.status === 401 && this.token ? await this.asOwner(path) : open;
    return this.json(answer);
  }

  /** The JSON of an answer, or a failure in the Worker's words. */
  async json(answer) {
    let body;
    try {
      body = await answer.json();
    } catch (error) {
      throw this.silence(error.name === "SyntaxError" ? new Error(answer.status) : error);
    }
    if (answer.ok) return body;
    if (!body?.error?.message) throw this.silence(new Error(answer.status));
    throw new Failure(body.error.message, { code: body.error.code });
  }

  /** That it does not answer, or not as Tally does. */
  silence(error) {
    return unreachable(`${this.at("/").origin} does not answer as Tally does (${reasonOf(error)})`);
  }
}

/** A number as people read it. */
export const digits = (number) => number.toLocaleString("en");
