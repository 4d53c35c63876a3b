// The Wasm instance: calls into it, and its replacement.
//
// A panic, a stack overflow or any other trap breaks the instance, for the Worker and all objects in the isolate.
// Nothing can run in it any more, so its futures never finish. Whoever waits for one gets an error at once, and
// another instance takes its place before the next call. Requests that do not depend on the instance go on.
//
// This module stands between entry.js and what wasm-bindgen generates. Both import it
// (src/edge/platform/instance.rs), so it imports neither.

/** More answers are never due at a time; those of clients that have left would pile up otherwise. */
const MOST_DUE = 10_000;
/** How often an instance that breaks as it starts is started before the call is given up. */
const MOST_STARTS = 3;
const LOST = Symbol("the instance broke");

let rust;
let broken = false;
/** How to reject each promise that the instance has made and not kept yet. */
const due = new Set();

/** Tells instances apart. */
export let instance = 0;

/** Takes the crate's bindings, whose first instance has started. */
export function use(bindings) {
  rust = bindings;
  rust.watch();
}

/**
 * What `work` answers. Where the instance breaks before that, what `lost` answers with the next one.
 * Both get the bindings of an instance that is not broken.
 */
export function call(work, lost) {
  try {
    const answer = work(sound());
    if (!broken) return answer instanceof Promise && !answer.goesOn ? inTime(answer, lost) : answer;
  } catch (cause) {
    if (!broken) throw cause;
  }
  return lost(sound());
}

/** For Rust: the instance is broken. Called in it as its frames have been left. */
export function died() {
  broken = true;
  for (const reject of due) reject(LOST);
  due.clear();
}

/**
 * For Rust: `promise`, which the instance keeps, or a rejection where it breaks first. For what is not
 * the answer to a call, which goes through `call` anyway.
 */
function bound(promise) {
  return inTime(promise, (rust) => Promise.reject(rust.unavailable()));
}

/** For Rust: promises a counter's answer to what `promised` comes to. */
function whenSettled(promised, name, json) {
  return settled(promised, (rust, outcome) => rust.answered(outcome, name, json));
}

/** For Rust: promises the answer to a ping, of what `promised` comes to. */
function whenPinged(promised, post, reason, shows, readers) {
  return settled(promised, (rust, outcome) => rust.pinged(outcome, post, reason, shows, readers));
}

/**
 * Promises what `told` makes of what `promised` comes to, by whichever instance is there then. A closure of
 * Rust would be bound to its instance, and costs more.
 */
function settled(promised, told) {
  const answer = (outcome) =>
    call(
      (rust) => told(rust, outcome),
      (rust) => told(rust, rust.unavailable()),
    );
  const promise = promised.then(answer, answer);
  promise.goesOn = true;
  return promise;
}

/** One object, because wasm-bindgen imports a module anew for every function that it need not wrap. */
export const promises = { bound, whenSettled, whenPinged };

function sound() {
  for (let left = MOST_STARTS; broken; left--) {
    try {
      rust.__wbg_reset_state();
      rust.watch();
      broken = false;
      instance++;
    } catch (cause) {
      if (left === 1) throw cause;
    }
  }
  return rust;
}

/** `answer`, or what `lost` answers where the instance breaks first. */
function inTime(answer, lost) {
  const { promise, resolve, reject } = Promise.withResolvers();
  const settle = (as) => (outcome) => {
    due.delete(reject);
    as(outcome);
  };
  if (due.size === MOST_DUE) due.delete(due.values().next().value);
  due.add(reject);
  answer.then(settle(resolve), settle(reject));
  // Here and not in `died`: an answer is made in the context of its own request.
  return promise.catch((cause) => {
    if (cause !== LOST) throw cause;
    return lost(sound());
  });
}
