//! What remains to be answered when a Wasm instance has broken. `src/instance.js` replaces an instance that a panic
//! or another trap has broken, and calls [`refuse`] or [`unavailable`] of the next one to answer the requests in
//! flight. Their results are unknown.

use crate::base::error::Error;
use crate::edge::platform::reply::{self, Reply};
use crate::edge::platform::rpc::to_js;
use crate::http::format::Format;
use crate::http::route;
use wasm_bindgen::handler::set_on_abort;
use wasm_bindgen::prelude::*;
use worker::js_sys::{JsString, Promise};
use worker::web_sys::Request;

/// Has `instance.js` told when this instance, which has just started, breaks.
///
/// In the place of the handler that `worker` sets as it starts, with which wasm-bindgen replaces the
/// instance in the middle of the next call: if that is of a closure, it then runs in the new instance
/// over pointers into the old one's memory.
#[wasm_bindgen]
pub fn watch() {
    set_on_abort(died);
}

/// The answer to a request that was lost; to one to an object itself without `request`.
#[wasm_bindgen]
pub fn refuse(request: Option<Request>) -> Reply {
    match request {
        Some(request) if route::is_of_views(&request.url()) => {
            reply::refusal(Error::Unavailable, Some("*"))
        }
        Some(request) => reply::error(reply::format(&request), Error::Unavailable),
        None => reply::error(Format::Text, Error::Unavailable),
    }
}

/// What a call of an object that was lost is rejected with.
#[wasm_bindgen]
pub fn unavailable() -> JsValue {
    to_js(Error::Unavailable)
}

// wasm-bindgen writes this path as it is into `build/tally.js`.
#[wasm_bindgen(raw_module = "../src/instance.js")]
extern "C" {
    fn died();
    /// A promise of this instance that is rejected where the instance breaks first. For those that the
    /// runtime is given beside an answer, which would wait for ever.
    #[wasm_bindgen(js_namespace = promises)]
    pub fn bound(promise: &Promise) -> Promise;
    /// Promises what `answered` makes of what `call` comes to, in whichever instance.
    #[wasm_bindgen(js_namespace = promises, js_name = whenSettled)]
    pub fn when_settled(call: &Promise, name: &JsString, json: bool) -> Promise;
    /// The same of what `pinged` makes of what a ping came to.
    #[wasm_bindgen(js_namespace = promises, js_name = whenPinged)]
    pub fn when_pinged(
        sent: &Promise,
        post: &JsString,
        reason: Option<u8>,
        shows: bool,
        readers: Option<&JsString>,
    ) -> Promise;
}
