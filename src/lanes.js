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
// imported by what wasm-bindgen makes of the crate (src/edge/worker/counter.rs and ledger.rs).

/** How long an answer is waited for, in milliseconds; a call that takes longer is taken for lost. */
const PATIENCE = 4000;
/** As many who wait leave at once, beside any call that is on its way. */
const MOST_WAITING = 256;
/** How often a ledger may name another one. */
const MOST_HOPS = 6;
/** A call younger than this is not slow, in milliseconds. */
const BRISK = 2;

const counters = new Map();
const ledgers = new Map();

/** One object, because wasm-bindgen imports a module anew for every function that it need not wrap. */
export const calls = { increment, ping };

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

/**
 * For Rust: has the ledger `name` count or note a ping, `[post, id, address, agent, reason]`, where `reason`
 * is why it does not count, if so; a promise of what `Ledger.ping` or `Ledger.skip` answers, or of the error.
 * A ledger that does not own the post has done nothing, and names the one to ask.
 */
async function ping(namespace, name, item, context) {
  for (let hops = 0; hops < MOST_HOPS; hops++) {
    const answer = await pingOne(namespace, name, item, context);
    if (typeof answer !== "string") return answer;
    name = answer;
  }
  return new Error("no ledger owns the post");
}

async function pingOne(namespace, name, item, context) {
  const ledger = () => namespace.getByName(name);
  const one = ([post, id, address, agent, reason]) =>
    reason === undefined ? ledger().ping(post, id, address, agent) : ledger().skip(reason, 1, post);
  const many = (items) => ledger().pings(items.flat());
  const answer = await combined(ledgers, name, item, context, { one, many });
  // The ledger has to wait for something, for which the others do not.
  return answer === undefined ? promised(one, item).catch((cause) => cause) : answer;
}

/**
 * A promise of the answer to `item`, or of the error that its call was rejected with. `one` calls the object
 * of the key for one item, and `many` for several, whose answers it promises in the same order.
 */
export function combined(lanes, key, item, context, ask) {
  let lane = lanes.get(key);
  if (lane === undefined) lanes.set(key, (lane = { lanes, key, calls: new Set(), waiting: [], trip: 0 }));
  if (lane.waiting.length === 0 && mayLeave(lane)) return alone(lane, item, context, ask);
  return together(lane, item, context, ask);
}

/** Makes a call for one who waits for nobody. */
function alone(lane, item, context, ask) {
  const call = begin(lane);
  const told = (outcome) => {
    end(lane, call);
    return outcome;
  };
  const answered = promised(ask.one, item).then(told, told);
  context.waitUntil(answered);
  return answered;
}

/** Waits for the next call, or makes it where that may leave. */
function together(lane, item, context, ask) {
  const { promise, resolve } = Promise.withResolvers();
  const asked = { item, resolve, turn: undefined };
  const isFirst = lane.waiting.push(asked) === 1;
  if (mayLeave(lane)) leave(lane, context, ask);
  else if (isFirst) takeTurn(lane, asked, promise, context, ask);
  const timer = setTimeout(() => giveUp(lane, asked), PATIENCE);
  return promise.finally(() => clearTimeout(timer));
}

/** Has one who waits make the next call, when it is told that it may leave. */
function takeTurn(lane, asked, answered, context, ask) {
  const { promise, resolve } = Promise.withResolvers();
  asked.turn = resolve;
  promise.then(() => {
    // Somebody who came meanwhile may have taken all along.
    if (lane.waiting[0] === asked) leave(lane, context, ask);
  });
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
  const call = begin(lane);
  const told = (outcomeOf) => (outcome) => {
    end(lane, call);
    all.forEach(({ resolve }, n) => resolve(outcomeOf(outcome, n)));
  };
  const answered = promised(ask.many, all.map(({ item }) => item));
  context.waitUntil(answered.then(told((answers, n) => answers[n]), told((cause) => cause)));
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

/** What `work` promises, or a promise of what it throws. */
function promised(work, asked) {
  try {
    return work(asked);
  } catch (cause) {
    return Promise.reject(cause);
  }
}

function begin(lane) {
  const call = { since: Date.now() };
  lane.calls.add(call);
  return call;
}

/** A call has come to its end: those who wait may leave. */
function end(lane, call) {
  lane.calls.delete(call);
  lane.trip = Date.now() - call.since;
  if (lane.waiting.length > 0) {
    if (mayLeave(lane)) lane.waiting[0].turn?.();
  } else if (lane.calls.size === 0 && lane.lanes.get(lane.key) === lane) lane.lanes.delete(lane.key);
}
