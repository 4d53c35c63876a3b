// What a deployment asks of Cloudflare's API before wrangler uploads: the account, and the namespace of
// Workers KV. The namespace's id is found first, because wrangler makes a namespace for a binding without
// one, and fails where an earlier deployment has made it already.

import { randomBytes } from "node:crypto";
import { bodyOf } from "./body.js";
import { Failure, reasonOf, say, unreachable, usage } from "./failure.js";
import { remember, remembered, wrangler } from "./project.js";

const PATIENCE = 30_000;
const MOST_BYTES = 8 << 20;
/** Error codes of the API. */
const NO_SUCH_WORKER = 10007;
const TITLE_IS_TAKEN = 10014;

export class Cloudflare {
  #headers;
  #account;

  /** Logs in, if need be, and settles on an account. `ask` chooses among several; without it none is chosen. */
  static async open(config, ask) {
    const cloudflare = new Cloudflare();
    cloudflare.#headers = headersOf(await credentials(Boolean(ask)));
    cloudflare.#account = config.account_id || process.env.CLOUDFLARE_ACCOUNT_ID || (await cloudflare.#choose(ask));
    return cloudflare;
  }

  /** What wrangler has to know to use the same account. */
  get env() {
    return { CLOUDFLARE_ACCOUNT_ID: this.#account };
  }

  async #choose(ask) {
    const { account } = remembered();
    const accounts = await this.#all("/accounts");
    if (accounts.some(({ id }) => id === account)) return account;
    if (!accounts.length) throw new Failure("this login reaches no account of Cloudflare", { code: "no_account" });
    if (accounts.length === 1) return accounts[0].id;
    if (!ask) {
      const names = accounts.map(({ id, name }) => `  ${id}  ${name}`).join("\n");
      throw usage(`there are several accounts; set CLOUDFLARE_ACCOUNT_ID to one of them:\n${names}`);
    }
    const chosen = await ask(accounts);
    remember({ account: chosen });
    return chosen;
  }

  /** The namespace for the binding of a Worker: its id, and whether it is new. */
  async namespace(worker, binding) {
    const title = `${worker}-${binding.toLowerCase()}`;
    const found = (await this.#bound(worker, binding)) ?? (await this.#titled(title));
    if (found) return { id: found, isNew: false };
    try {
      const { id } = await this.#call(this.#path("/storage/kv/namespaces"), { method: "POST", body: JSON.stringify({ title }) });
      return { id, isNew: true };
    } catch (error) {
      // Another deployment was faster.
      const id = error.number === TITLE_IS_TAKEN && (await this.#titled(title));
      if (!id) throw error;
      return { id, isNew: false };
    }
  }

  /** The namespace that the deployed Worker has at a binding. */
  async #bound(worker, binding) {
    const settings = await this.#ofWorker(worker, "settings");
    return settings?.bindings?.find(({ type, name }) => type === "kv_namespace" && name === binding)?.namespace_id;
  }

  async #titled(title) {
    const namespaces = await this.#all(this.#path("/storage/kv/namespaces"));
    return namespaces.find((namespace) => namespace.title === title)?.id;
  }

  /** Whether a deployed Worker has a secret. */
  async hasSecret(worker, name) {
    const secrets = await this.#ofWorker(worker, "secrets");
    return Boolean(secrets?.some((secret) => secret.name === name));
  }

  /** Something of a Worker; undefined where it is not deployed. Any other failure is one. */
  async #ofWorker(worker, what) {
    try {
      return await this.#call(this.#path(`/workers/scripts/${worker}/${what}`));
    } catch (error) {
      if (error.number === NO_SUCH_WORKER) return undefined;
      throw error;
    }
  }

  #path(path) {
    return `/accounts/${this.#account}${path}`;
  }

  /** All of a list, page by page. */
  async #all(path) {
    const all = [];
    for (let page = 1; ; page++) {
      const { result, result_info: info } = await this.#answer(`${path}?page=${page}&per_page=100`);
      all.push(...result);
      if (!result.length || page >= (info?.total_pages ?? 1)) return all;
    }
  }

  async #call(path, options) {
    return (await this.#answer(path, options)).result;
  }

  async #answer(path, options = {}) {
    const base = process.env.CLOUDFLARE_API_BASE_URL ?? "https://api.cloudflare.com/client/v4";
    const headers = { ...this.#headers, "Content-Type": "application/json" };
    let response, answer;
    try {
      response = await fetch(base + path, { ...options, headers, redirect: "error", signal: AbortSignal.timeout(PATIENCE) });
      answer = JSON.parse((await bodyOf(response, MOST_BYTES)).bytes.toString());
    } catch (error) {
      const reason = response ? response.status : reasonOf(error);
      throw unreachable(`Cloudflare does not answer (${reason}); nothing was uploaded, run the command again later`);
    }
    if (answer?.success) return answer;
    const [{ code, message } = {}] = answer?.errors ?? [];
    throw refusal(response.status, code, message);
  }
}

function refusal(status, number, message = status) {
  const isOfToken = status === 401 || status === 403;
  const text = isOfToken
    ? `Cloudflare refuses the login (${message}); CLOUDFLARE_API_TOKEN needs the permissions of the template "Edit Cloudflare Workers", or unset it and run \`npx wrangler login\``
    : `Cloudflare refuses: ${message}`;
  return Object.assign(new Failure(text, { code: isOfToken ? "login_refused" : "cloudflare" }), { number });
}

function headersOf({ token, key, email }) {
  return token ? { Authorization: `Bearer ${token}` } : { "X-Auth-Key": key, "X-Auth-Email": email };
}

/** wrangler's credentials. It refreshes them itself, and logs in with the browser where there is a person. */
async function credentials(isInteractive) {
  const { CLOUDFLARE_API_TOKEN: token } = process.env;
  if (token) return { token };
  const ask = () => wrangler(["auth", "token", "--json"], { stdout: "pipe", stderr: "ignore" });
  let answer = await ask();
  if (answer.code !== 0 && isInteractive) {
    const { code } = await wrangler(["login"], { stdout: 2 });
    if (code === 0) answer = await ask();
  }
  const login = answer.code === 0 && loginIn(answer.output);
  if (!login) throw new Failure("not logged in to Cloudflare; run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN", { code: "no_login" });
  return login;
}

/** What wrangler tells of a login; undefined where that is nothing. */
function loginIn(output) {
  try {
    const login = JSON.parse(output);
    return login.token || (login.key && login.email) ? login : undefined;
  } catch {
    return undefined;
  }
}

/** Makes a token and sets it as a secret of the Worker; nobody else gets to know it. */
export async function setToken(worker, env = {}) {
  const token = randomBytes(24).toString("base64url");
  const { code } = await wrangler(["secret", "put", "ADMIN_TOKEN", "--name", worker], { env, stdout: 2, input: token });
  if (code !== 0) throw new Failure("the token was not set; what wrangler says is above", { code: "no_secret" });
  say("this is the owner's token. It is shown only now, so keep it:");
  return token;
}
