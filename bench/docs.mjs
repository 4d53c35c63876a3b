// Writes a table into docs/performance.md or another file, between `<!-- NAME -->` and `<!-- /NAME -->`.

import { readFileSync, writeFileSync } from "node:fs";
import { ROOT } from "../tests/workerd.mjs";

export function writeTable(name, table, into = "docs/performance.md") {
  const file = `${ROOT}/${into}`;
  const [before, rest] = readFileSync(file, "utf8").split(`<!-- ${name} -->\n`);
  const after = rest.split(`<!-- /${name} -->`)[1];
  writeFileSync(file, `${before}<!-- ${name} -->\n${table}\n<!-- /${name} -->${after}`);
}
