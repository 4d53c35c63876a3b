// What makes a shell complete `tally`, by asking `tally complete`.

import { script } from "@bomb.sh/tab";

// The library's script for bash wants the package bash-completion, completes no files, and evaluates the line.
const BASH = `# Completions of tally for bash
_tally() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :*) ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <(tally complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _tally tally`;

export function completionsFor(shell) {
  const text = shell === "bash" ? BASH : printed(() => script(shell, "tally", "tally"));
  return { data: { shell, script: text }, text };
}

/** What something prints with `console.log`. */
function printed(work) {
  const { log } = console;
  const lines = [];
  console.log = (line) => lines.push(line);
  try {
    work();
  } finally {
    console.log = log;
  }
  return lines.join("\n");
}
