// `tally token`: makes the owner's token, shows it once, and sets it.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { confirm } from "../ask.js";
import { Cloudflare, setToken } from "../cloudflare.js";
import { say, usage } from "../failure.js";
import { readConfig } from "../project.js";
import { nameOf } from "./deploy.js";

/** The secrets of `wrangler dev`. */
const LOCAL_SECRETS = ".dev.vars";

export async function token({ local, yes, ask }) {
  const config = readConfig();
  if (local) {
    const token = setLocally();
    say(`this is the owner's token of \`npm start\`, which is in ${LOCAL_SECRETS} too. If it runs, start it again.`);
    return answer(token);
  }
  const worker = nameOf(config);
  const cloudflare = await Cloudflare.open(config, ask);
  if (!yes && (await cloudflare.hasSecret(worker, "ADMIN_TOKEN"))) {
    if (!ask) throw usage("there is a token already; --yes replaces it, and the old one stops working");
    if (!(await confirm("There is a token already. Replace it? The old one stops working."))) return { data: { token: null } };
  }
  return answer(await setToken(worker, cloudflare.env));
}

const answer = (token) => ({ data: { token }, text: token });

/** Puts it in place of the one that is there. Nobody else may read the file, whoever could read the old one. */
function setLocally() {
  const token = randomBytes(24).toString("base64url");
  const file = existsSync(LOCAL_SECRETS) ? realpathSync(LOCAL_SECRETS) : resolve(LOCAL_SECRETS);
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  const others = lines.filter((line) => !/^\s*(export\s+)?ADMIN_TOKEN\s*[=:]/.test(line)).join("\n").trimEnd();
  const next = `${file}.${process.pid}`;
  try {
    writeFileSync(next, `${others}${others && "\n"}ADMIN_TOKEN=${token}\n`, { mode: 0o600, flag: "wx" });
    renameSync(next, file);
  } finally {
    rmSync(next, { force: true });
  }
  return token;
}
