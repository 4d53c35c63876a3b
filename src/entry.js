// The module that the runtime loads: the Worker's handler and the Durable Object classes, over what
// wasm-bindgen makes of the crate.
//
// It does what cannot be done in Rust. RPC reaches a class only if it extends `DurableObject`, and
// a Rust object is gone with its Wasm instance, which is replaced after a panic; so the class that
// the runtime holds is a JavaScript one, and hands every call to a Rust object that it makes anew
// for every instance.

import { DurableObject } from "cloudflare:workers";
import * as rust from "../build/tally.js";

export default { fetch: rust.fetch };
export const Counter = durable(rust.Counter);
export const Ledger = durable(rust.Ledger);

function durable(Rust) {
  class Durable extends DurableObject {
    #object;
    #instance;

    /** The Rust object of the current instance. Asking for the instance replaces a broken one. */
    static live(self) {
      const { instanceId } = rust.__worker_init_state();
      if (self.#instance !== instanceId) {
        self.#object = new Rust(self.ctx, self.env);
        self.#instance = instanceId;
      }
      return self.#object;
    }
  }

  for (const name of Object.getOwnPropertyNames(Rust.prototype)) {
    if (name === "constructor" || name === "free" || name.startsWith("__")) continue;
    Durable.prototype[name] = function (...args) {
      return Durable.live(this)[name](...args);
    };
  }
  return Durable;
}
