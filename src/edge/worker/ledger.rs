//! The Worker's client of the ledger.

use super::Context;
use crate::base::error::Error;
use crate::base::id::{PingId, PostId};
use crate::edge::platform::rpc::{from_js, unavailable};
use crate::http::portable::Format;
use crate::model::mode::Mode;
use crate::model::outcome::Outcome;
use crate::model::reason::Reason;
use crate::model::record::Records;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{Array, JsString, Promise, Uint8Array};
use worker::wasm_bindgen_futures::JsFuture;

/// A ping, as the ledger is told of it.
pub struct Ping<'a> {
    /// The post.
    pub post: &'a JsString,
    /// The ping's own id, if it has one.
    pub id: Option<&'a PingId>,
    /// The visitor's address, where they may be known by it.
    pub address: Option<JsString>,
    /// The visitor's user agent.
    pub agent: Option<JsString>,
    /// Why it does not count, where it does not.
    pub reason: Option<Reason>,
}

impl Ping<'_> {
    /// Has the ledger count it, or note why it does not count, together with other pings; a promise of what
    /// [`outcome_of`] reads.
    ///
    /// Nothing is asked twice: a view whose answer was lost may have counted.
    pub fn send(self, env: &Env, context: &Context) -> Promise {
        let ledgers = env.unchecked_ref::<Bindings>().ledgers();
        let ping = Array::of5(
            self.post,
            &self.id.map(PingId::as_str).into(),
            &self.address.into(),
            &self.agent.into(),
            &self.reason.map(Reason::number).into(),
        );
        ping_ledger(&ledgers, SITE, &ping, context)
    }
}

/// Reads what a ping came to. Of one that was known not to count, [`Outcome::Counted`] has the views as they
/// are.
pub fn outcome_of(answer: JsValue) -> Result<Outcome, Error> {
    let number = answer.as_f64().ok_or_else(|| from_js(answer))?;
    Ok(Outcome::from_number(number))
}

/// The name of the site's ledger.
const SITE: &str = "0";

/// A stub of the site's ledger.
#[derive(Clone)]
pub struct Client(Stub);

impl Client {
    /// The ledger of the site.
    pub fn new(env: &Env) -> Result<Self, Error> {
        let ledgers = env.unchecked_ref::<Bindings>().ledgers();
        ledgers.get_by_name(SITE).map(Self).map_err(unavailable)
    }

    /// Notes pings that do not count.
    pub async fn skip(&self, reason: Reason, pings: u32) -> Result<(), Error> {
        answer(self.0.skip(reason.number(), pings)).await.map(drop)
    }

    /// Sets a post's views; 0 forgets it.
    pub async fn set(&self, post: &PostId, views: u64) -> Result<(), Error> {
        answer(self.0.set(post.as_str(), views as f64))
            .await
            .map(drop)
    }

    /// Writes records down, from a cursor on: the text, and where it goes on, if it does.
    pub async fn export(
        &self,
        format: Format,
        cursor: Option<&str>,
    ) -> Result<(JsValue, Option<String>), Error> {
        let answer: Array = answer(self.0.exported(format.name(), cursor))
            .await?
            .unchecked_into();
        Ok((answer.get(0), answer.get(1).as_string()))
    }

    /// Takes records in, at most once for each `id`; whether that was now.
    pub async fn import(
        &self,
        mode: Mode,
        records: Records,
        id: Option<&str>,
    ) -> Result<bool, Error> {
        let bytes = postcard::to_extend(&(mode, records), Vec::new());
        let bytes = bytes.map_err(|_| Error::Unreadable)?;
        let call = self.0.imported(&Uint8Array::from(bytes.as_slice()), id);
        Ok(answer(call).await?.is_truthy())
    }

    /// Has something published.
    pub async fn wake(&self) -> Result<(), Error> {
        answer(self.0.wake()).await.map(drop)
    }
}

async fn answer(call: Result<Promise, JsValue>) -> Result<JsValue, Error> {
    let call = call.map_err(unavailable)?;
    JsFuture::from(call).await.map_err(from_js)
}

// wasm-bindgen writes this path as it is into `build/tally.js`.
#[wasm_bindgen(raw_module = "../src/lanes.js")]
extern "C" {
    /// Sends a ping to a ledger, together with others; a promise of [`Outcome::number`] or an error.
    #[wasm_bindgen(js_namespace = calls, js_name = ping)]
    fn ping_ledger(ledgers: &Ledgers, name: &str, ping: &Array, context: &Context) -> Promise;
}

#[wasm_bindgen]
extern "C" {
    /// `env`, with the binding of this class.
    type Bindings;
    #[wasm_bindgen(method, getter, js_name = LEDGER)]
    fn ledgers(this: &Bindings) -> Ledgers;

    /// The binding.
    type Ledgers;
    #[wasm_bindgen(method, catch, js_name = getByName)]
    fn get_by_name(this: &Ledgers, name: &str) -> Result<Stub, JsValue>;

    /// A stub of a ledger.
    #[derive(Clone)]
    type Stub;
    #[wasm_bindgen(method, catch)]
    fn skip(this: &Stub, reason: u8, pings: u32) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn set(this: &Stub, post: &str, views: f64) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn exported(this: &Stub, format: &str, cursor: Option<&str>) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn imported(this: &Stub, bytes: &Uint8Array, id: Option<&str>) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn wake(this: &Stub) -> Result<Promise, JsValue>;
}
