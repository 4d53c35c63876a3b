// Combined calls: while a call of an object is on its way, what others in this isolate ask of the same
// object waits, and leaves together in the next call. Each gets its own answer. A lone request waits for
// nobody, and nothing is asked twice.
//
// A lane is what is on its way to one object, and who waits. The one who waited longest makes the next
// call, in the context of its own request, which `waitUntil` keeps alive where its client leaves; should
// that context end all the same, the next who comes makes the call, or those who wait give up after
// PATIENCE. The runtime cancels a request that waits for another without I/O of its own, so each has a
// timer.
//
// In JavaScript, because the promises outlive a Wasm instance that breaks (instance.js). This module is
// imported by what wasm-bindgen makes of the crate (src/edge/worker/counter.rs).

/** How long an answer is waited for, in milliseconds; a call that takes longer is taken for lost. */
const PATIENCE = 4000;
/** As many who wait leave at once, beside any call that is on its way. */
const MOST_WAITING = 256;
/** A call younger than this is not slow, in milliseconds. */
const BRISK = 2;

const counters = new Map();

/** One object, because wasm-bindgen imports a module anew for every function that it need not wrap. */
export const calls = { increment };

/**
 * For Rust: adds `amount` to the counter `name`; a promise of its count then, NaN where that would leave
 * the range.
 */
function increment(namespace, name, amount, context) {
  return combined(counters, name, amount, context, (amounts) => {
    const counter = namespace.getByName(name);
    return amounts.length === 1
      ? counter.increment(amounts[0]).then(only)
      : counter.incrementEach(Float64Array.from(amounts));
  });
}

const only = (answer) => [answer];

/**
 * A promise of the answer to `item`, which `send` asks for: it takes all items of a call, and promises
 * their answers in the same order.
 */
export function combined(lanes, key, item, context, send) {
  let lane = lanes.get(key);
  if (lane === undefined) lanes.set(key, (lane = { lanes, key, calls: new Set(), waiting: [], trip: 0 }));
  const { promise, resolve, reject } = Promise.withResolvers();
  const asked = { item, resolve, reject, turn: undefined };
  const isFirst = lane.waiting.push(asked) === 1;
  if (mayLeave(lane)) {
    leave(lane, context, send);
    return promise;
  }
  if (isFirst) takeTurn(lane, asked, promise, context, send);
  const timer = setTimeout(() => giveUp(lane, asked), PATIENCE);
  return promise.finally(() => clearTimeout(timer));
}

/** Has one who waits make the next call, when it is told that it may leave. */
function takeTurn(lane, asked, answered, context, send) {
  const { promise, resolve } = Promise.withResolvers();
  asked.turn = resolve;
  promise.then(() => {
    // Somebody who came meanwhile may have taken all along.
    if (lane.waiting[0] === asked) leave(lane, context, send);
  });
  context.waitUntil(answered.catch(ignore));
}

function giveUp(lane, asked) {
  const at = lane.waiting.indexOf(asked);
  if (at >= 0) lane.waiting.splice(at, 1);
  asked.reject(new Error(`the object did not answer within ${PATIENCE} ms`));
}

/** Whether those who wait may leave: one call at a time, and another where that is slow. */
function mayLeave({ calls, waiting, trip }) {
  if (calls.size === 0 || waiting.length >= MOST_WAITING) return true;
  const now = Date.now();
  let youngest = PATIENCE;
  for (const call of calls) {
    const age = now - call.since;
    if (age < 0 || age >= PATIENCE) calls.delete(call);
    else if (age < youngest) youngest = age;
  }
  return calls.size === 0 || (calls.size === 1 && youngest >= BRISK && youngest >= trip / 2);
}

/** Makes a call for all who wait. */
function leave(lane, context, send) {
  const asked = lane.waiting;
  lane.waiting = [];
  const call = { since: Date.now() };
  lane.calls.add(call);
  let answers;
  try {
    answers = send(asked.map(({ item }) => item));
  } catch (cause) {
    answers = Promise.reject(cause);
  }
  const arrived = answers.then(
    (answers) => {
      end(lane, call);
      for (let n = 0; n < asked.length; n++) asked[n].resolve(answers[n]);
    },
    (cause) => {
      end(lane, call);
      for (const { reject } of asked) reject(cause);
    },
  );
  context.waitUntil(arrived);
}

/** A call has come to its end: those who wait may leave. */
function end(lane, call) {
  lane.calls.delete(call);
  lane.trip = Date.now() - call.since;
  if (lane.waiting.length > 0) {
    if (mayLeave(lane)) lane.waiting[0].turn?.();
  } else if (lane.calls.size === 0 && lane.lanes.get(lane.key) === lane) lane.lanes.delete(lane.key);
}

function ignore() {}
