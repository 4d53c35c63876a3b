// The command line of `tally`: what can be asked, and how the answer is printed.
//
// A command resolves to what it found: `data`, which --json prints, `text` for people, and `exit`, the exit
// code. Standard output has nothing else; progress, questions and failures go to standard error.

import tab from "@bomb.sh/tab/commander";
import { Argument, Command, CommanderError, Option } from "commander";
import * as ask from "./ask.js";
import { EXIT, Failure, say, usage } from "./failure.js";
import { LOCAL, VERSION, remembered } from "./project.js";
import { useProxy } from "./proxy.js";
import { Tally } from "./tally.js";
import { jsonLine, print, printableLines } from "./terminal.js";

const HELP = `
In your Tally's folder, write \`npx tally\`; anywhere else, \`npx tally-worker\`.

Address of your Tally: --url, or TALLY_URL in the environment, or the one to which \`tally deploy\` has deployed
from this folder, or ${LOCAL}. The owner's token is ADMIN_TOKEN in the environment.

Exit codes: 0 all is well; 1 it failed, or a problem was found; 2 wrong usage; 3 the server does not answer.`;

/** Runs the command; resolves to the exit code. */
export async function main(argv) {
  const json = isAsked("--json", argv);
  try {
    return await show(await found(argv), json);
  } catch (error) {
    return failed(error, json);
  }
}

/** What the command finds; or help, or the version. */
async function found(argv) {
  let found = /** @type {Promise<Found>} */ (Promise.resolve({}));
  let help = "";
  try {
    await program((result) => (found = result), (text) => (help += text)).parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError) || error.exitCode) throw error;
    return { data: { text: help.trimEnd() }, text: help.trimEnd() };
  }
  return found;
}

/** Whether an option is given. After `--` there are none. */
function isAsked(option, argv) {
  const end = argv.indexOf("--");
  return argv.slice(2, end < 0 ? undefined : end).includes(option);
}

/** @typedef {{ data?: object, text?: string, exit?: number }} Found */

/** @param {Found} found */
async function show({ data, text, exit = EXIT.fine }, json) {
  if (json && data) await print(jsonLine(data));
  else if (!json && text) await print(printableLines(text));
  return exit;
}

async function failed(error, json) {
  const isUsage = error instanceof CommanderError;
  const failure = isUsage ? usage(error.message.replace(/^error: /, "")) : failureOf(error);
  if (json) await print(jsonLine({ error: { code: failure.code, message: failure.message } })).catch(() => undefined);
  // Commander has said what it found.
  else if (!isUsage) say(failure.message);
  return failure.exit;
}

function failureOf(error) {
  if (error instanceof Failure) return error;
  // A file that cannot be written, or a command that cannot be run.
  if (error?.syscall) return new Failure(error.message, { code: "system" });
  return new Failure(`this is a bug in the command, please report it: ${error?.stack ?? error}`, { code: "internal" });
}

/** The commands. `run` is given the promise of what the chosen one finds, `writeOut` what help there is. */
function program(run, writeOut) {
  const program = new Command("tally")
    .description("Exact view counters for a blog, on your own Cloudflare Worker.")
    .version(VERSION)
    .option("--json", "print JSON")
    .addOption(new Option("--url <address>", "the address of your Tally").env("TALLY_URL").argParser(addressed))
    .addHelpText("after", HELP)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut,
      outputError: (text, write) => write(printableLines(text.replace(/^error: /, "tally: "))),
    })
    .hook("preAction", useProxy)
    .showHelpAfterError("`npx tally --help` lists what there is.")
    .exitOverride();

  /** Adds a command, whose module is loaded when it is asked for. */
  const command = (name, description, examples, action) => {
    const added = program.command(name).description(description);
    added.configureHelp({ showGlobalOptions: true }).exitOverride();
    added.addHelpText("after", `\nExamples:\n${examples.map((example) => `  $ ${example}`).join("\n")}`);
    added.action((...args) => run(action(added.optsWithGlobals(), ...args)));
    return added;
  };
  /** One that passes on what it does not know. */
  const wrapper = (...args) => command(...args).argument("[wrangler-options...]", "passed on to wrangler").allowUnknownOption().allowExcessArguments();

  command(
    "init",
    "create the folder of a new Tally",
    ["npx tally-worker init my-tally", "npx tally-worker init my-tally --site https://blog.example --yes"],
    async (options, folder) => (await import("./commands/init.js")).init(folder, { ...options, ...person() }),
  )
    .argument("[folder]", "where to make it")
    .option("--site <address>", "your site: only its pages may count")
    .option("--name <name>", "the Worker's name, instead of the folder's")
    .option("--package <spec>", "what to depend on, such as a version or a .tgz file")
    .option("--no-install", "do not run npm install")
    .option("-y, --yes", "ask nothing");

  wrapper(
    "dev",
    `run it on this machine, at ${LOCAL}`,
    ["tally dev", "tally dev --port 9000"],
    async (options, args) => (await import("./commands/dev.js")).dev(args, options),
  );

  wrapper(
    "deploy",
    "deploy it to Cloudflare, or deploy it again",
    ["tally deploy", "tally deploy --token", "tally deploy --dry-run"],
    async (options, args) => (await import("./commands/deploy.js")).deploy(args, { ...options, ...person() }),
  )
    .option("--token", "make the owner's token, if there is none")
    .option("-y, --yes", "ask nothing");

  command(
    "token",
    "make the owner's token, show it once, and set it",
    ["tally token", "tally token --local   # for `npm start`"],
    async (options) => (await import("./commands/token.js")).token({ ...options, ...person() }),
  )
    .option("--local", "set it in .dev.vars, for this machine only")
    .option("-y, --yes", "replace the token that is there");

  command(
    "status",
    "show whether it is up, how old its numbers are, and what is misconfigured",
    ["tally status", "tally status --url https://tally.you.workers.dev --json"],
    async (options) => (await import("./commands/status.js")).status(tallyOf(options)),
  );

  command(
    "top",
    "list the most viewed posts",
    ["tally top", "tally top week --limit 20"],
    async (options, period) => (await import("./commands/top.js")).top(tallyOf(options), period, options),
  )
    .addArgument(new Argument("[period]").choices(["all", "day", "week", "month"]).default("all"))
    .option("--limit <number>", "how many, up to 100", "10");

  command(
    "views",
    "show the views of posts",
    ["tally views 142", "tally views /2026/hello /about --json"],
    async (options, posts) => (await import("./commands/views.js")).views(tallyOf(options), posts),
  ).argument("<posts...>", "the posts' names");

  command(
    "export",
    "save every post with its views",
    ["ADMIN_TOKEN=… tally export > tally.json", "ADMIN_TOKEN=… tally export --format csv --output tally.csv"],
    async (options) => (await import("./commands/export.js")).exportAll(tallyOf(options), options),
  )
    .addOption(new Option("--format <format>").choices(["json", "ndjson", "csv"]).default("json"))
    .option("-o, --output <file>", "the file to write, instead of standard output");

  command(
    "import",
    "import a file of counts, of any size",
    ["ADMIN_TOKEN=… tally import tally.csv", "ADMIN_TOKEN=… tally import tally.json --mode add --dry-run"],
    async (options, file) => (await import("./commands/import.js")).importFile(tallyOf(options), file, options),
  )
    .argument("<file>", 'an export, or the tutorial\'s {"142":"2"}')
    .addOption(new Option("--mode <mode>", "what becomes of posts that are there").choices(["max", "add", "replace"]).default("max"))
    .addOption(new Option("--format <format>", "instead of the one that the file looks like").choices(["json", "ndjson", "csv"]))
    .option("--dry-run", "only check the file");

  command(
    "doctor",
    "check whether a page's views are counted, and if not, why",
    ["tally doctor https://blog.example/hello/"],
    async (options, page) => (await import("./commands/doctor.js")).doctor(page, options, tallyOf(options)),
  ).argument("<page>", "the page's address");

  tab(program, { completionCommandName: "completions" });
  const completions = program.commands.find((command) => command.name() === "completions");
  completions?.description("print completions for your shell").addHelpText("after", "\nExamples:\n  $ source <(tally completions bash)\n  $ tally completions fish > ~/.config/fish/completions/tally.fish");
  completions?.action((shell) => run(import("./completions.js").then(({ completionsFor }) => completionsFor(shell))));
  return program;
}

/** Who can be asked, if anybody can. */
const person = () => ({ ask: ask.isAnswered() ? ask.account : undefined });

function addressed(text) {
  if (!URL.canParse(text) || !/^https?:/.test(text)) throw usage(`"${text}" is not an address such as https://tally.you.workers.dev`);
  return new URL(text).origin;
}

function tallyOf({ url = remembered().url ?? LOCAL }) {
  return new Tally(url, process.env.ADMIN_TOKEN);
}
