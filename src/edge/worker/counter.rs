//! The Worker's client for counters.

use super::Context;
use super::owner::authorize;
use crate::base::count::Count;
use crate::base::error::Error;
use crate::base::settings::CounterWrites;
use crate::edge::platform::header;
use crate::edge::platform::rpc::from_js;
use crate::http::route::Action;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{JsString, Promise};
use worker::web_sys::Request;

/// Asks the counter `name` to do what `action` says; a promise of the count after it.
/// [`counted`] reads what it comes to.
///
/// Nothing is asked twice: an increment whose answer was lost may have counted.
pub fn call(env: &Env, name: &JsString, action: Action, context: &Context) -> Promise {
    let bindings: &Bindings = env.unchecked_ref();
    let counters = bindings.counters();
    match action {
        Action::Head | Action::Read => read(&counters, name, context),
        Action::Increment(amount) => increment(&counters, name, amount.number(), context),
        Action::Decrement(amount) => increment(&counters, name, (-amount).number(), context),
    }
}

/// Whether the request may do this with a counter.
pub fn admit(env: &Env, request: &Request, action: Action) -> Result<(), Error> {
    if matches!(action, Action::Head | Action::Read) {
        return Ok(());
    }
    match super::site(env).0.counter_writes {
        CounterWrites::Anyone => Ok(()),
        CounterWrites::Owner => authorize(env, &header::of(request)),
        CounterWrites::Off => Err(Error::CountingOff),
    }
}

/// Reads what a [`call`] came to: the count, or what it was rejected with.
pub fn counted(outcome: JsValue) -> Result<Count, Error> {
    match outcome.as_f64() {
        Some(count) if count.is_nan() => Err(Error::OutOfRange),
        Some(count) => Count::from_number(count),
        None => Err(from_js(outcome)),
    }
}

// wasm-bindgen writes this path as it is into `build/tally.js`.
#[wasm_bindgen(raw_module = "../src/lanes.js")]
extern "C" {
    /// Adds `amount` to a counter, together with what others ask of it meanwhile; a promise of the count,
    /// NaN where it would leave the range.
    #[wasm_bindgen(js_namespace = calls)]
    fn increment(counters: &Namespace, name: &JsString, amount: f64, context: &Context) -> Promise;
    /// A promise of the count, for all who ask meanwhile.
    #[wasm_bindgen(js_namespace = calls)]
    fn read(counters: &Namespace, name: &JsString, context: &Context) -> Promise;
}

#[wasm_bindgen]
extern "C" {
    /// `env`, with the binding of this class.
    type Bindings;
    #[wasm_bindgen(method, getter, js_name = COUNTERS)]
    fn counters(this: &Bindings) -> Namespace;

    /// The binding.
    type Namespace;
}
