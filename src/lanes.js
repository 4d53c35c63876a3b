// Combined calls: while a call of an object is on its way, what others in this isolate ask of the same
// object waits, and leaves together in the next call. Each gets its own answer. A lone request waits for
// nobody, nothing is asked twice, and nobody waits longer than PATIENCE.
//
// A lane is what is on its way to one object, and who waits. The first who waits makes the next call, when
// the one on its way has come back or is slow. When many were answered at once, as many are about to come, and
// the next call waits a moment for them.
//
// A request's context ends when its client leaves, so calls hang on the `waitUntil` of whoever makes them.
// Should a context end all the same, its call is taken for lost after PATIENCE, and the next who comes takes
// along those who wait. The runtime cancels a request that waits for another without I/O of its own: the
// timer that ends the waiting is that, and ends with its context.
//
// In JavaScript, because the promises outlive a Wasm instance that breaks (instance.js). This module is
// imported by what wasm-bindgen makes of the crate (src/edge/worker/counter.rs and ledger.rs).

import { check, networkOf, verified } from "./site.js";

/** How long an answer is waited for, in milliseconds. A call that takes longer is taken for lost. */
const PATIENCE = 4000;
/** As many who wait leave at once, beside any call that is on its way. */
const MOST_WAITING = 256;
/** How often a ledger may name another one. */
const MOST_HOPS = 6;
/** A call younger than this is not slow, in milliseconds. */
const BRISK = 8;
/** After a call for as many or more, the next one waits until as many are there again, or so many milliseconds. */
const CROWD = 8;
const GATHER = 4;
/** As many lanes are kept. */
const MOST_LANES = 1000;

const counters = new Map();
const reads = new Map();
const ledgers = new Map();

/** One object, because wasm-bindgen imports a module anew for every function that it need not wrap. */
export const calls = { increment, read, ping };

/**
 * For Rust: adds `amount` to the counter `name`; a promise of its count then, NaN where that would leave
 * the range, or of the error.
 */
function increment(namespace, name, amount, context) {
  return combined(counters, name, amount, context, {
    one: (amount) => namespace.getByName(name).increment(amount),
    many: (amounts) => namespace.getByName(name).incrementEach(Float64Array.from(amounts)),
  });
}

/** For Rust: a promise of the count of the counter `name`, or of the error. */
function read(namespace, name, context) {
  const one = () => namespace.getByName(name).getCounterValue();
  // One count is that of all who asked before.
  const many = async (items) => items.fill(await one());
  return combined(reads, name, undefined, context, { one, many });
}

/**
 * For Rust: has the ledger `name` count or note a ping, `[post, id, address, agent, reason]`, where `reason`
 * is why it does not count, if so; a promise of what `Ledger.ping` or `Ledger.skip` answers, of `false` where the
 * site does not have the post, or of the error. A ledger that does not own the post has done nothing, and names
 * the one to ask; nor has one that does not know the post, for which the site is asked first, or the network told.
 */
function ping(namespace, name, item, context, request, env, hops = 0) {
  const stubOf = (name) => namespace.getByName(name);
  const one = ([post, id, address, agent, reason]) =>
    reason === undefined ? stubOf(name).ping(post, id, address, agent) : stubOf(name).skip(reason, 1, post);
  const many = (items) => stubOf(name).pings(items.flat());
  const again = (name, sent = item) =>
    hops === MOST_HOPS ? new Error("no ledger takes the post") : ping(namespace, name, sent, context, request, env, hops + 1);
  const goOn = async (told) => {
    // Without an answer the ledger has to wait for something, for which the others do not.
    const answer = told ?? (await promised(one, item).catch(asError));
    if (typeof answer === "string") return again(answer);
    if (answer === false) {
      const network = networkOf(request, env);
      return again(name, item.with(3, network?.toString()));
    }
    if (answer === true) {
      const known = await verified(stubOf, name, request, env, context);
      return known === true ? again(name) : known;
    }
    if (!Array.isArray(answer)) return answer;
    const [outcome, page] = answer;
    check(stubOf, name, item[0], page, request, env, context);
    return outcome;
  };
  const answered = combined(ledgers, name, item, context, { one, many });
  return answered.then((answer) => (typeof answer === "number" ? answer : goOn(answer)));
}

/**
 * A promise of the answer to `item`, or of the error that its call was rejected with. `one` calls the object
 * of the key for one item, and `many` for several, whose answers it promises in the same order.
 */
export function combined(lanes, key, item, context, ask) {
  const lane = laneOf(lanes, key);
  const { promise, resolve } = Promise.withResolvers();
  const asked = { item, resolve, turn: undefined };
  const isFirst = lane.waiting.push(asked) === 1;
  const wait = waitOf(lane);
  if (wait === 0) leave(lane, context, ask);
  else if (isFirst) lead(lane, asked, promise, wait, context, ask);
  setTimeout(giveUp, PATIENCE, lane, asked);
  return promise;
}

/** With too many lanes all are begun anew: what is on its way is then not waited for. */
function laneOf(lanes, key) {
  let lane = lanes.get(key);
  if (lane === undefined) {
    if (lanes.size === MOST_LANES) lanes.clear();
    lanes.set(key, (lane = { calls: new Set(), waiting: [], trip: 0, crowd: 0, ended: 0 }));
  }
  return lane;
}

/** In how many milliseconds those who wait may leave, or are to look again. */
function waitOf({ calls, waiting, trip, crowd, ended }) {
  if (waiting.length >= MOST_WAITING) return 0;
  const now = Date.now();
  let youngest = PATIENCE;
  for (const call of calls) {
    const age = since(call.begun, now);
    if (age === PATIENCE) calls.delete(call);
    else youngest = Math.min(youngest, age);
  }
  const slow = Math.max(BRISK, trip / 2);
  if (calls.size === 0) return waiting.length >= crowd ? 0 : Math.max(GATHER - since(ended, now), 0);
  return calls.size === 1 ? Math.max(slow - youngest, 0) : slow;
}

/** How long ago something was; PATIENCE where it was earlier, or the clock was set back. */
function since(then, now) {
  const age = now - then;
  return age >= 0 && age < PATIENCE ? age : PATIENCE;
}

/** Has the first who waits make the next call, as soon as that may leave. */
function lead(lane, asked, answered, wait, context, ask) {
  const look = () => {
    // Somebody who came meanwhile may have taken all along.
    if (lane.waiting[0] !== asked) return;
    const wait = waitOf(lane);
    if (wait === 0) leave(lane, context, ask);
    else setTimeout(look, wait);
  };
  const { promise, resolve } = Promise.withResolvers();
  asked.turn = resolve;
  promise.then(look);
  setTimeout(look, wait);
  context.waitUntil(answered);
}

function giveUp(lane, asked) {
  const at = lane.waiting.indexOf(asked);
  if (at >= 0) lane.waiting.splice(at, 1);
  asked.resolve(new Error(`the object did not answer within ${PATIENCE} ms`));
}

/** Makes a call for all who wait. */
function leave(lane, context, ask) {
  const all = lane.waiting;
  lane.waiting = [];
  const call = { begun: Date.now() };
  lane.calls.add(call);
  const told = (outcomeOf) => (outcome) => {
    end(lane, call, all.length);
    all.forEach(({ resolve }, n) => resolve(outcomeOf(outcome, n)));
  };
  const isOne = all.length === 1;
  const answered = isOne ? promised(ask.one, all[0].item) : promised(ask.many, all.map(({ item }) => item));
  context.waitUntil(answered.then(told(isOne ? (answer) => answer : (answers, n) => answers[n]), told(asError)));
}

/** A call has come to its end: the first who waits looks whether the next may leave. */
function end(lane, call, many) {
  const now = Date.now();
  lane.calls.delete(call);
  lane.trip = since(call.begun, now);
  lane.ended = now;
  lane.crowd = many < CROWD ? 0 : many;
  lane.waiting[0]?.turn?.();
}

/** What `work` promises, or a promise of what it throws. */
function promised(work, asked) {
  try {
    return work(asked);
  } catch (cause) {
    return Promise.reject(cause);
  }
}

function asError(cause) {
  return cause instanceof Error ? cause : new Error(`${cause}`);
}
