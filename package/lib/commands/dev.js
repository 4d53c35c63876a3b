// `tally dev`: `wrangler dev`, with numbers that are published every second.

import { checkUpgrade, readConfig, wrangler } from "../project.js";

/** What is published is seen at once, and writes cost nothing here. */
const VARS = ["--var", "PUBLISH_SECONDS:1", "--var", "KV_WRITES_PER_DAY:100000"];

export async function dev(args, { json }) {
  checkUpgrade(readConfig());
  const { code } = await wrangler(["dev", ...VARS, ...args], { stdout: json ? 2 : "inherit" });
  return { exit: code };
}
