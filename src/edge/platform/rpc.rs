//! What goes over RPC: errors, of which only built-in classes and their messages arrive, and what ledgers send each
//! other.

use crate::base::error::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::pin::Pin;
use std::task::{Context, Poll};
use wasm_bindgen::prelude::*;
use worker::js_sys::{self, Promise, RangeError, TypeError, Uint8Array};
use worker::wasm_bindgen_futures::{JsFuture, future_to_promise};
use worker::web_sys::console;

/// The errors that an object answers with. Each is known again by its sentence.
const CARRIED: [Error; 14] = [
    Error::OutOfRange,
    Error::NotACount,
    Error::InvalidAmount,
    Error::InvalidPost,
    Error::InvalidId,
    Error::InvalidFormat,
    Error::InvalidFilter,
    Error::TooManyPosts,
    Error::TooManyNewPosts,
    Error::TooManyAtOnce,
    Error::Adopting,
    Error::Moving,
    Error::Unreadable,
    Error::Unavailable,
];

/// An error as the caller of an object gets it: a `RangeError` where there is no room for more, a
/// `TypeError` where an argument or what is stored is of the wrong kind, otherwise an `Error`.
pub fn to_js(error: Error) -> JsValue {
    let message = error.to_string();
    match error {
        Error::OutOfRange | Error::TooManyPosts | Error::TooManyNewPosts | Error::TooManyAtOnce => {
            RangeError::new(&message).into()
        }
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

/// A value in postcard, as the ledgers send each other.
pub fn bytes(value: &impl Serialize) -> Result<Uint8Array, Error> {
    let bytes = postcard::to_extend(value, Vec::new()).map_err(|_| Error::Unreadable)?;
    Ok(Uint8Array::from(bytes.as_slice()))
}

/// The way back of [`bytes`].
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes).map_err(|_| Error::Unreadable)
}

/// What a call of the platform comes to. A future of its own, because an `async fn` for each call makes the upload
/// larger.
pub struct Answer {
    promise: JsFuture,
    error: fn(JsValue) -> Error,
}

impl Answer {
    /// The answer to a call; `error` makes an error of what it throws or is rejected with.
    pub fn to(call: Result<Promise, JsValue>, error: fn(JsValue) -> Error) -> Self {
        let promise = call.unwrap_or_else(|cause| Promise::reject(&cause));
        Self {
            promise: promise.into(),
            error,
        }
    }
}

impl Future for Answer {
    type Output = Result<JsValue, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<Self::Output> {
        let error = self.error;
        Pin::new(&mut self.promise).poll(context).map_err(error)
    }
}

/// A promise of what a future comes to. Futures are boxed, so that the upload has the way from one to a promise
/// only once.
pub fn promised(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    type Boxed = Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>;
    let future: Boxed = Box::pin(future);
    future_to_promise(future)
}
