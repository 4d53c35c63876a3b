// `tally token`: makes the owner's token, shows it once, and sets it.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { confirm } from "../ask.js";
import { Cloudflare, setToken } from "../cloudflare.js";
import { usage } from "../failure.js";
import { readConfig } from "../project.js";
import { nameOf } from "./deploy.js";

/** The secrets of `wrangler dev`. */
const LOCAL_SECRETS = ".dev.vars";

export async function token({ local, yes, ask }) {
  const config = readConfig();
  if (local) return answer(setLocally());
  const worker = nameOf(config);
  const cloudflare = await Cloudflare.open(config, ask);
  if (!yes && (await cloudflare.hasSecret(worker, "ADMIN_TOKEN"))) {
    if (!ask) throw usage("there is a token already; --yes replaces it, and the old one ends");
    if (!(await confirm("There is a token already. Replace it? The old one ends."))) return { text: "" };
  }
  return answer(await setToken(worker, cloudflare.env));
}

const answer = (token) => ({ data: { token }, text: token });

function setLocally() {
  const token = randomBytes(24).toString("base64url");
  const lines = existsSync(LOCAL_SECRETS) ? readFileSync(LOCAL_SECRETS, "utf8").split("\n") : [];
  const others = lines.filter((line) => line && !line.startsWith("ADMIN_TOKEN="));
  writeFileSync(LOCAL_SECRETS, [...others, `ADMIN_TOKEN=${token}`, ""].join("\n"), { mode: 0o600 });
  return token;
}
