//! The Worker's client of the counters.

use crate::base::count::Count;
use crate::base::error::Error;
use crate::edge::platform::rpc::{from_js, unavailable};
use crate::http::route::Action;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{JsString, Promise};

/// Asks the counter `name` to do what `action` says; a promise of the count after it.
/// [`counted`] reads what it comes to.
///
/// Nothing is asked twice: an increment whose answer was lost may have counted.
pub fn call(env: &Env, name: &JsString, action: Action) -> Result<Promise, Error> {
    let bindings: &Bindings = env.unchecked_ref();
    let object = bindings.counters().get_by_name(name);
    let stub = object.map_err(unavailable)?;
    match action {
        Action::Head | Action::Read => stub.get_counter_value(),
        Action::Increment(amount) => stub.increment(amount.number()),
        Action::Decrement(amount) => stub.decrement(amount.number()),
    }
    .map_err(unavailable)
}

/// Reads what a [`call`] came to: the count, or what it was rejected with.
pub fn counted(outcome: JsValue) -> Result<Count, Error> {
    match outcome.as_f64() {
        Some(count) => Count::from_number(count),
        None => Err(from_js(outcome)),
    }
}

#[wasm_bindgen]
extern "C" {
    /// `env`, with the binding of this class.
    type Bindings;
    #[wasm_bindgen(method, getter, js_name = COUNTERS)]
    fn counters(this: &Bindings) -> Namespace;

    /// The binding.
    type Namespace;
    #[wasm_bindgen(method, catch, js_name = getByName)]
    fn get_by_name(this: &Namespace, name: &JsString) -> Result<Stub, JsValue>;

    /// A stub of a counter.
    type Stub;
    #[wasm_bindgen(method, catch)]
    fn increment(this: &Stub, amount: f64) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn decrement(this: &Stub, amount: f64) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getCounterValue)]
    fn get_counter_value(this: &Stub) -> Result<Promise, JsValue>;
}
