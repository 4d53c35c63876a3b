#!/usr/bin/env node
// The command `tally`. An old Node gets one line instead of a syntax error, so nothing is imported before
// the version is checked.

const [major, minor] = process.versions.node.split(".").map(Number);
if (major > 22 || (major === 22 && minor >= 12)) {
  const { main } = await import("../lib/program.js");
  process.exitCode = await main(process.argv);
} else {
  console.error(`tally: this is Node ${process.versions.node}; tally needs Node 22.12 or newer (https://nodejs.org)`);
  process.exitCode = 1;
}
