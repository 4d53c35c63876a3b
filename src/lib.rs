//! Tally: exact counters on Cloudflare Workers.
//!
//! A request goes through the files in one direction:
//!
//! ```text
//! fetch (here)
//!   -> route      pure   what is asked for: method, path, query -> Route
//!   -> counter    edge   the client calls the object of that name over RPC
//!        commit   pure     in the object: which write an increment goes into
//!   -> format     pure   the body
//!   -> reply      edge   the response
//! ```
//!
//! [`count`] and [`id`] are the types that travel, [`error`] is what can go wrong. The pure modules
//! know nothing of Workers and are tested natively (`tests/*.rs`); the edge modules parse, call and
//! render, and are tested on workerd (`tests/*.test.mjs`). `entry.js` is the module that the
//! runtime loads.

pub mod commit;
pub mod count;
mod counter;
pub mod error;
pub mod format;
pub mod id;
mod reply;
pub mod route;

use id::CounterName;
use route::{Action, Route};
use std::panic;
use wasm_bindgen::prelude::*;
use worker::wasm_bindgen_futures::future_to_promise;
use worker::{Env, event, web_sys};

/// Sends panics to the console with their stack, then on to `worker`'s hook, which has the
/// instance replaced before the next call.
#[event(start)]
fn start() {
    let next = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        console_error_panic_hook::hook(info);
        next(info);
    }));
}

/// The Worker's `fetch` handler: a response, or a promise of one.
///
/// Exported by hand because `#[event(fetch)]` makes every answer a promise, which costs those that
/// need no counter a tenth of their speed.
#[wasm_bindgen]
pub fn fetch(request: web_sys::Request, env: Env) -> Result<JsValue, JsValue> {
    match Route::parse(&request.method(), &request.url()) {
        Ok(Route::Usage) => reply::usage().map(Into::into),
        Ok(Route::Counter(name, action)) => {
            let reply = async move { count(&request, &env, &name, action).await.map(Into::into) };
            Ok(future_to_promise(reply).into())
        }
        Err(error) => reply::error(reply::format(&request), error).map(Into::into),
    }
}

async fn count(
    request: &web_sys::Request,
    env: &Env,
    name: &CounterName,
    action: Action,
) -> reply::Reply {
    let format = reply::format(request);
    if action == Action::Head {
        return reply::head(format);
    }
    match counter::call(env, name, action).await {
        Ok(count) => reply::count(format, name, count),
        Err(error) => reply::error(format, error),
    }
}

/// Panics, for the test that a panic costs one request only.
#[cfg(feature = "fault")]
#[wasm_bindgen]
pub fn fault() {
    panic!("a fault was asked for");
}
