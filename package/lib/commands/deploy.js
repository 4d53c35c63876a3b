// `tally deploy`: `wrangler deploy`, to the namespace of the deployment before.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { confirm } from "../ask.js";
import { Cloudflare, setToken } from "../cloudflare.js";
import { Failure, say, usage } from "../failure.js";
import { VERSION, checkUpgrade, readConfig, remember, wrangler } from "../project.js";

const BINDING = "VIEWS";
/** wrangler.toml with the namespace's id, while wrangler runs. It stands beside it, for the paths in it. */
const RESOLVED = "wrangler.resolved.json";
const REPORT = ".wrangler/tally-deploy.ndjson";

export async function deploy(args, { token, yes, json, ask }) {
  // Another Worker would publish into the namespace of the one in wrangler.toml.
  const other = args.find((arg) => /^(--(name|env|e|config|c|cwd)(=|$)|-[ec])/.test(arg)) ?? (process.env.CLOUDFLARE_ENV && "CLOUDFLARE_ENV in the environment");
  if (other) throw usage(`${other} would deploy another Worker over the same Workers KV; set \`name\` in a wrangler.toml of its own`);
  const config = readConfig();
  checkUpgrade(config);
  if (args.includes("--dry-run")) {
    const { code } = await wrangler(["deploy", ...args], { stdout: output(json) });
    if (code !== 0) throw new Failure("it cannot be deployed; what wrangler says is above", { code: "not_deployed" });
    return { data: { deployed: false } };
  }
  const worker = nameOf(config);
  const cloudflare = await Cloudflare.open(config, ask);
  const namespace = await resolveNamespace(cloudflare, worker, config);
  const url = await upload(args, config, cloudflare.env, json);
  if (url) remember({ url });
  const secret = await tokenOf(cloudflare, worker, { token, yes, ask });
  return {
    data: { deployed: true, version: VERSION, name: worker, url: url ?? null, namespace, ...(secret && { token: secret }) },
    text: [secret, url && `${url} is deployed. Look at ${url}/dashboard`].filter(Boolean).join("\n"),
  };
}

/** Where wrangler's output goes: beside JSON there is none. */
const output = (json) => /** @type {"inherit" | 2} */ (json ? 2 : "inherit");

/** The Worker's name; Cloudflare's build machines may give it another one. */
export function nameOf(config) {
  const name = process.env.WRANGLER_CI_OVERRIDE_NAME || config.name;
  if (!name) throw new Failure("wrangler.toml has no `name`", { code: "invalid_config" });
  if (!/^[\w-]+$/.test(name)) throw new Failure(`"${name}" is not a valid name for a Worker: use letters, digits and hyphens (\`name\` in wrangler.toml)`, { code: "invalid_config" });
  return name;
}

/** Puts the namespace's id into the settings, where they have none; returns it. */
async function resolveNamespace(cloudflare, worker, config) {
  const binding = config.kv_namespaces?.find(({ binding }) => binding === BINDING);
  if (!binding) throw new Failure(`wrangler.toml has no [[kv_namespaces]] with binding = "${BINDING}"`, { code: "invalid_config" });
  if (binding.id) return binding.id;
  const { id, isNew } = await cloudflare.namespace(worker, BINDING);
  say(isNew ? `made a namespace of Workers KV (${id})` : `found the namespace of Workers KV (${id})`);
  binding.id = id;
  return id;
}

/** Has wrangler upload; the Worker's address, if it has one. */
async function upload(args, config, env, json) {
  writeFileSync(RESOLVED, JSON.stringify(config));
  rmSync(REPORT, { force: true });
  try {
    const options = { env: { ...env, WRANGLER_OUTPUT_FILE_PATH: REPORT }, stdout: output(json) };
    const { code } = await wrangler(["deploy", "--config", RESOLVED, ...args], options);
    if (code !== 0) throw new Failure("the deployment failed; what wrangler says is above. Run the command again: nothing is made twice", { code: "not_deployed" });
    return address();
  } finally {
    rmSync(RESOLVED, { force: true });
    rmSync(REPORT, { force: true });
  }
}

function address() {
  try {
    const entries = readFileSync(REPORT, "utf8").trim().split("\n").map((line) => JSON.parse(line));
    const [target] = entries.find(({ type }) => type === "deploy").targets;
    return new URL(/^https?:/.test(target) ? target : `https://${target.split(/[/ ]/)[0]}`).origin;
  } catch {
    return undefined;
  }
}

/** Sets the owner's token where there is none and it is wanted; returns it. */
async function tokenOf(cloudflare, worker, { token, yes, ask }) {
  if (await cloudflare.hasSecret(worker, "ADMIN_TOKEN")) return undefined;
  const isWanted = token || (ask && !yes && (await confirm("There is no owner's token yet, which exports, imports and corrections need. Make one?")));
  if (isWanted) return setToken(worker, cloudflare.env);
  say("there is no owner's token; `npx tally token` makes one");
  return undefined;
}
