//! Tally: exact counters on Cloudflare Workers, and the views of a blog's posts.
//!
//! A request goes through the files in one direction:
//!
//! ```text
//! fetch (here)
//!   -> http/route             what is asked for: method, path, query -> Route
//!
//!   a counter:
//!   -> edge/worker/counter    calls the object of that name over RPC, together with others (lanes.js)
//!   -> http/format            the body
//!
//!   posts' views:
//!   -> edge/worker/pings      may it count (http/visit)? then the post's ledger (model/owner) is called
//!                             over RPC, for several pings together (lanes.js)
//!      edge/worker/reads      what was published
//!      edge/worker/owner      imports and exports (http/portable), and the ledger
//!   -> http/answer            the body, in JSON (or http/badge, in SVG)
//!
//!   -> edge/platform/reply    the response
//!
//! in an object:
//!   edge/object/counter, ledger   the methods that are called
//!   -> base/count, books/         what changes
//!   -> edge/platform/storage      when it is written (batch/commit)
//! in the ledger's alarm:
//!   -> books/                     what is to be published, and when (published/budget)
//!   -> edge/platform              Workers KV
//! ```
//!
//! Folders are rooms, in the order of the modules below; a room imports only those before it, and only
//! [`edge`] knows of Workers. The others decide, and are tested natively (`tests/*.rs`); the edge
//! parses, calls and renders, and is tested on workerd (`tests/*.test.mjs`). `entry.js` is the module
//! that the runtime loads; `instance.js` replaces a Wasm instance that has panicked; `lanes.js` combines calls.

pub mod base;
pub mod model;

pub mod batch;
pub mod published;
pub mod verify;

pub mod books;

pub mod http;

mod edge;

use edge::platform::{instance, reply};
use edge::worker::{self as views, Context, counter};
use http::format::Format;
use http::route::{self, Action, Route};
use std::panic;
use wasm_bindgen::prelude::*;
use worker::js_sys::{JsString, Promise};
use worker::web_sys::Request;
use worker::{Env, event};

/// Sends panics to the console with their stack, beside what `worker`'s hook says.
#[event(start)]
fn start() {
    let next = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        console_error_panic_hook::hook(info);
        next(info);
    }));
    #[cfg(feature = "fault")]
    edge::fault::start();
}

/// The Worker's `fetch` handler: a response, or a promise of one.
///
/// Exported by hand, and without `async`: `#[event(fetch)]` makes a promise of every answer, and a
/// Rust future around the call of an object costs as much as the rest of Tally's work.
#[wasm_bindgen]
pub fn fetch(request: Request, env: Env, context: Context) -> Result<JsValue, JsValue> {
    let url = request.url();
    #[cfg(feature = "fault")]
    if let Some(answer) = edge::fault::asked(&url, &env, answer) {
        return Ok(answer);
    }
    match Route::parse(&request.method(), &url) {
        Ok(Route::Usage) => reply::usage(),
        Ok(Route::Counter(_, Action::Head)) => reply::head(reply::format(&request)),
        Ok(Route::Counter(name, action)) => {
            let format = reply::format(&request);
            if let Err(error) = counter::admit(&env, &request, action) {
                return reply::error(format, error).map(Into::into);
            }
            let name = JsString::from(name.as_str());
            let call = counter::call(&env, &name, action, &context);
            return Ok(answer(&call, &name, format).into());
        }
        Ok(Route::Views(views)) => return views::fetch(views, request, env, context),
        Err(error) if route::is_of_views(&url) => reply::refusal(error, Some("*")),
        Err(error) => reply::error(reply::format(&request), error),
    }
    .map(Into::into)
}

/// The promise of a response that tells what a call of the counter `name` comes to.
fn answer(call: &Promise, name: &JsString, format: Format) -> Promise {
    instance::when_settled(call, name, format == Format::Json)
}

/// The response that tells what a call of the counter `name` came to.
#[wasm_bindgen]
pub fn answered(outcome: JsValue, name: String, json: bool) -> reply::Reply {
    #[cfg(feature = "fault")]
    edge::fault::pass("answer");
    let format = if json { Format::Json } else { Format::Text };
    match counter::counted(outcome) {
        Ok(count) => reply::count(format, &name, count),
        Err(error) => reply::error(format, error),
    }
}
