//! Errors on their way over RPC, which carries the built-in classes and their messages only.

use crate::base::error::Error;
use wasm_bindgen::prelude::*;
use worker::js_sys::{self, RangeError, TypeError};
use worker::web_sys::console;

/// The errors that an object answers with. Each is known again by its sentence.
const CARRIED: [Error; 10] = [
    Error::OutOfRange,
    Error::NotACount,
    Error::InvalidAmount,
    Error::InvalidPost,
    Error::InvalidId,
    Error::InvalidFormat,
    Error::TooManyPosts,
    Error::Adopting,
    Error::Unreadable,
    Error::Unavailable,
];

/// An error as the caller of an object gets it: a `RangeError` where there is no room for more, a
/// `TypeError` where an argument or what is stored is of the wrong kind, otherwise an `Error`.
pub fn to_js(error: Error) -> JsValue {
    let message = error.to_string();
    match error {
        Error::OutOfRange | Error::TooManyPosts => RangeError::new(&message).into(),
        Error::InvalidAmount | Error::NotACount | Error::InvalidPost => {
            TypeError::new(&message).into()
        }
        _ => js_sys::Error::new(&message).into(),
    }
}

/// The way back of [`to_js`]. What is none of Tally's errors is logged: the object did not answer.
pub fn from_js(cause: JsValue) -> Error {
    let message = cause
        .dyn_ref::<js_sys::Error>()
        .map(|error| String::from(error.message()));
    let carried = CARRIED
        .into_iter()
        .find(|error| message.as_ref() == Some(&error.to_string()));
    match carried {
        Some(Error::Unavailable) | None => unavailable(cause),
        Some(error) => error,
    }
}

/// Logs what the platform threw; the client is told that the object did not answer.
pub fn unavailable(cause: JsValue) -> Error {
    console::error_2(&"object:".into(), &cause);
    Error::Unavailable
}
