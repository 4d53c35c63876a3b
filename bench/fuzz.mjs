// `npm run fuzz [-- TIMES [SEED]]`: every input is accepted or refused. The native part (tests/fuzz.rs and
// tests/hostile.rs) and the Worker on workerd (tests/reads.test.mjs) run TIMES as many cases as `npm test` does;
// by default 50 times, which is more than a million. The same seed runs the same cases again.

import { run, say } from "../tools/shell.mjs";

const [times = "50", seed = String(Math.floor(Math.random() * 2 ** 32))] = process.argv.slice(2);
// Optimized, but with checks of overflow.
const env = { FUZZ: times, SEED: seed, PROPTEST_RNG_SEED: seed, CARGO_PROFILE_DEV_OPT_LEVEL: "2", CARGO_PROFILE_TEST_OPT_LEVEL: "2" };

say(`${times} times, seed ${seed}`);
say(`again: npm run fuzz -- ${times} ${seed}`);
run("cargo", ["test", "--locked", "--test", "fuzz", "--test", "hostile"], env);
run("wrangler", ["deploy", "--dry-run", "--outdir", "build/deploy"]);
run("node", ["--test", "--test-force-exit", "--test-reporter=spec", "--test-name-pattern=no bytes are too odd", "tests/reads.test.mjs"], env);
say("nothing was found");
