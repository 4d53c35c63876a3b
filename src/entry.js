// The module that the runtime loads: the Worker's handler and the Durable Object classes, over what
// wasm-bindgen makes of the crate.
//
// It does what cannot be done in Rust. RPC reaches a class only if it extends `DurableObject`, and
// a Rust object is gone with its Wasm instance, which is replaced after a panic (instance.js); so the
// class that the runtime holds is a JavaScript one, and hands every call to a Rust object that it makes
// anew for every instance.

import { DurableObject } from "cloudflare:workers";
import * as rust from "../build/tally.js";
import { call, instance, use } from "./instance.js";

use(rust);

export default {
  fetch: (request, env, context) =>
    call(
      (rust) => rust.fetch(request, env, context),
      (rust) => rust.refuse(request),
    ),
};
export const Counter = durable(rust.Counter);
export const Ledger = durable(rust.Ledger);

function durable(Rust) {
  class Durable extends DurableObject {
    #object;
    #instance;

    /** The Rust object of the current instance, which knows what is stored and nothing else. */
    static live(self) {
      if (self.#instance !== instance) {
        self.#object = new Rust(self.ctx, self.env);
        self.#instance = instance;
      }
      return self.#object;
    }
  }

  for (const name of Object.getOwnPropertyNames(Rust.prototype)) {
    if (name === "constructor" || name === "free" || name.startsWith("__")) continue;
    const lost = name === "fetch" ? (rust) => rust.refuse() : reject;
    Durable.prototype[name] = function (...args) {
      return call(() => Durable.live(this)[name](...args), lost);
    };
  }
  return Durable;
}

/** An alarm that is rejected comes again. */
function reject(rust) {
  throw rust.unavailable();
}
