//! The ledgers' binding and their stubs, for the Worker and for the ledgers themselves. The head comment of the
//! object's file describes the methods.

use crate::base::error::Error;
use crate::edge::platform::rpc::{Answer, from_js, unavailable};
use crate::model::owner::Ledger;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{Promise, Uint8Array};

/// The binding.
pub fn ledgers(env: &Env) -> Ledgers {
    env.unchecked_ref::<Bindings>().ledgers()
}

/// The stub of a ledger.
pub fn stub(env: &Env, ledger: Ledger) -> Result<Stub, Error> {
    let stub = ledgers(env).get_by_name(&ledger.to_string());
    stub.map_err(unavailable)
}

/// Waits for what a call of a ledger comes to.
pub fn answer(call: Result<Promise, JsValue>) -> Answer {
    Answer::to(call, from_js)
}

#[wasm_bindgen]
extern "C" {
    /// `env`, with the binding of this class.
    type Bindings;
    #[wasm_bindgen(method, getter, js_name = LEDGER)]
    fn ledgers(this: &Bindings) -> Ledgers;

    /// The binding.
    pub type Ledgers;
    #[wasm_bindgen(method, catch, js_name = getByName)]
    fn get_by_name(this: &Ledgers, name: &str) -> Result<Stub, JsValue>;

    /// A stub of a ledger.
    #[derive(Clone)]
    pub type Stub;
    #[wasm_bindgen(method, catch)]
    pub fn skip(this: &Stub, reason: u8, pings: u32) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn address(this: &Stub, post: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn set(this: &Stub, post: &str, views: f64) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn exported(
        this: &Stub,
        ledgers: u8,
        format: &str,
        cursor: Option<&str>,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn removed(
        this: &Stub,
        ledgers: u8,
        prefix: &str,
        views: Option<f64>,
        dry: bool,
        place: &str,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn imported(
        this: &Stub,
        ledgers: u8,
        bytes: &Uint8Array,
        id: Option<&str>,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn settled(this: &Stub, ledgers: u8) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn failing(this: &Stub) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn wake(this: &Stub) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn join(this: &Stub) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn advance(this: &Stub, plan: &Uint8Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn receive(this: &Stub, batch: &Uint8Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn collect(this: &Stub, order: &Uint8Array) -> Result<Promise, JsValue>;
}
