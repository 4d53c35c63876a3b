//! The `Counter` object, one for each name.
//!
//! It stores its count under the key `value` as a JavaScript number, like Cloudflare's JavaScript counter example,
//! so that either can continue where the other has stopped.
//!
//! Over RPC, `increment(amount = 1)`, `decrement(amount = 1)` and `getCounterValue()` return the count, and
//! `incrementEach(amounts)` returns a `Float64Array` with the count after each amount. They reject with a
//! `TypeError` if an amount is not an integer within ±(2^53 − 1), and with a `RangeError` if the count would leave
//! that range (`incrementEach` has NaN there). Neither changes the count. Over HTTP (`stub.fetch`), `/increment`,
//! `/decrement` and `/` answer with the bare count.
//!
//! A call is answered only after the write that contains its increment, see [`crate::batch::commit`]. Memory is a
//! cache: an evicted or restarted object reads `value` again.

use crate::base::count::{Amount, Count};
use crate::base::error::Error;
use crate::edge::platform::reply;
use crate::edge::platform::rpc::{from_js, promised, to_js, unavailable};
use crate::edge::platform::storage::{Commits, Context, Stored, SyncKv};
use crate::http::format::Format;
use crate::http::route::Action;
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::js_sys::{Float64Array, JsString, Promise};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::Request;

thread_local! {
    /// The storage key of the count, as JavaScript has it: to make it anew costs 5 µs a write.
    static KEY: JsString = "value".into();
}

/// The Durable Object class, as `entry.js` extends it.
///
/// Exported by hand: `#[durable_object]` makes every call a promise, and its conversions of requests
/// and responses are a sixth of the upload.
#[wasm_bindgen]
pub struct Counter {
    value: Rc<Commits<Value>>,
}

#[wasm_bindgen]
impl Counter {
    /// The object over its storage.
    #[wasm_bindgen(constructor)]
    pub fn new(context: &Context) -> Self {
        let storage = context.storage();
        let value = Value {
            kv: storage.kv(),
            counts: Cell::default(),
        };
        Self {
            value: Commits::new(storage, value),
        }
    }

    /// The count.
    #[wasm_bindgen(js_name = getCounterValue)]
    pub fn get_counter_value(&self) -> Result<f64, JsValue> {
        Ok(self.value.stored.read().map_err(to_js)?.number())
    }

    /// Adds `amount`, an integer, 1 where it is `undefined`. The new count, or a promise of it.
    pub fn increment(&self, amount: JsValue) -> Result<JsValue, JsValue> {
        self.add(amount_of(&amount)?)
    }

    /// Subtracts `amount`, as [`Counter::increment`] adds it.
    pub fn decrement(&self, amount: JsValue) -> Result<JsValue, JsValue> {
        self.add(-amount_of(&amount)?)
    }

    /// Adds each of `amounts`, integers, as if they came one by one, in one write. The count after each,
    /// NaN where it would leave the range; or a promise of them.
    #[wasm_bindgen(js_name = incrementEach)]
    pub fn increment_each(&self, amounts: Vec<f64>) -> Result<JsValue, JsValue> {
        let parsed = amounts.into_iter().map(Amount::from_number);
        let amounts = parsed.collect::<Result<Vec<_>, _>>().map_err(to_js)?;
        let count = |amount| match self.value.stored.add(amount) {
            Ok(count) => Ok(count.number()),
            Err(Error::OutOfRange) => Ok(f64::NAN),
            Err(error) => Err(to_js(error)),
        };
        let counts = amounts.into_iter().map(count);
        let counts = counts.collect::<Result<Vec<_>, _>>()?;
        let told = self
            .value
            .commit_then(Float64Array::from(counts.as_slice()).into());
        told.map_err(to_js)
    }

    /// Answers a request to the object itself.
    pub fn fetch(&self, request: Request) -> Promise {
        let value = Rc::clone(&self.value);
        promised(async move {
            let counted = match Action::parse(&request.method(), &request.url()) {
                Ok(Action::Head) => return reply::head(Format::Text).map(Into::into),
                Ok(action) => apply(&value, action).await,
                Err(error) => Err(error),
            };
            match counted {
                Ok(count) => reply::bare(count),
                Err(error) => reply::error(Format::Text, error),
            }
            .map(Into::into)
        })
    }
}

impl Counter {
    fn add(&self, amount: Amount) -> Result<JsValue, JsValue> {
        let count = self.value.stored.add(amount).map_err(to_js)?;
        let told = self.value.commit_then(count.number().into());
        told.map_err(to_js)
    }
}

/// Reads the argument of an RPC call.
fn amount_of(argument: &JsValue) -> Result<Amount, JsValue> {
    if argument.is_undefined() {
        return Ok(Amount::ONE);
    }
    let number = argument.as_f64().ok_or(Error::InvalidAmount);
    number.and_then(Amount::from_number).map_err(to_js)
}

/// Does what `action` says; the count after it.
async fn apply(value: &Rc<Commits<Value>>, action: Action) -> Result<Count, Error> {
    let amount = match action {
        Action::Head | Action::Read => return value.stored.read(),
        Action::Increment(amount) => amount,
        Action::Decrement(amount) => -amount,
    };
    let count = value.stored.add(amount)?;
    if let Some(write) = value.commit()? {
        JsFuture::from(write).await.map_err(from_js)?;
    }
    Ok(count)
}

/// The count in storage and in memory.
struct Value {
    kv: SyncKv,
    /// `None` until storage was read, and again after a write that failed.
    counts: Cell<Option<Counts>>,
}

#[derive(Clone, Copy)]
struct Counts {
    /// What storage was last given: the only count that may be read.
    written: Count,
    /// The same with all that waits to be written.
    newest: Count,
}

impl Value {
    /// The count as it was last written. The output gate holds the answer until it is durable.
    fn read(&self) -> Result<Count, Error> {
        Ok(self.counts()?.written)
    }

    /// Adds an amount: the new count, which is to be written before it is told.
    fn add(&self, amount: Amount) -> Result<Count, Error> {
        let counts = self.counts()?;
        let newest = counts.newest.plus(amount)?;
        self.counts.set(Some(Counts { newest, ..counts }));
        Ok(newest)
    }

    fn counts(&self) -> Result<Counts, Error> {
        if let Some(counts) = self.counts.get() {
            return Ok(counts);
        }
        let written = self.load()?;
        let counts = Counts {
            written,
            newest: written,
        };
        self.counts.set(Some(counts));
        Ok(counts)
    }

    /// Reads the count from storage. What JavaScript takes for false is 0, as in `value || 0`.
    fn load(&self) -> Result<Count, Error> {
        let value = KEY.with(|key| self.kv.get(key)).map_err(unavailable)?;
        if value.is_falsy() {
            return Ok(Count::ZERO);
        }
        let number = value.as_f64().ok_or(Error::NotACount);
        number.and_then(Count::from_number)
    }
}

impl Stored for Value {
    const UNWATCHED: u8 = 128;
    const GATHER: u32 = 0;

    fn write(&self) -> Result<(), Error> {
        let Counts { newest, .. } = self.counts()?;
        KEY.with(|key| self.kv.put(key, &newest.number().into()))
            .map_err(unavailable)?;
        let written = newest;
        self.counts.set(Some(Counts { written, newest }));
        Ok(())
    }

    fn forget(&self) {
        self.counts.set(None);
    }
}
