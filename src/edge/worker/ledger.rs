//! The Worker's client of the ledger.

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

/// A stub of the site's ledger.
#[derive(Clone)]
pub struct Client(Stub);

impl Client {
    /// The ledger of the site.
    pub fn new(env: &Env) -> Result<Self, Error> {
        let ledgers = env.unchecked_ref::<Bindings>().ledgers();
        ledgers.get_by_name("0").map(Self).map_err(unavailable)
    }

    /// Counts a view.
    ///
    /// Nothing is asked twice: a view whose answer was lost may have counted.
    pub async fn ping(
        &self,
        post: &PostId,
        id: Option<&PingId>,
        address: Option<JsString>,
        agent: Option<JsString>,
    ) -> Result<Outcome, Error> {
        let id = id.map(PingId::as_str);
        let call = self.0.ping(post.as_str(), id, address, agent);
        Ok(Outcome::from_number(number(answer(call).await?)))
    }

    /// Notes pings that do not count; the views of `post`.
    pub async fn skip(
        &self,
        reason: Reason,
        pings: u32,
        post: Option<&PostId>,
    ) -> Result<u64, Error> {
        let post = post.map(PostId::as_str);
        let call = self.0.skip(reason.number(), pings, post);
        Ok(number(answer(call).await?) as u64)
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

fn number(answer: JsValue) -> f64 {
    answer.as_f64().unwrap_or_default()
}

async fn answer(call: Result<Promise, JsValue>) -> Result<JsValue, Error> {
    let call = call.map_err(unavailable)?;
    JsFuture::from(call).await.map_err(from_js)
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
    fn ping(
        this: &Stub,
        post: &str,
        id: Option<&str>,
        address: Option<JsString>,
        agent: Option<JsString>,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn skip(this: &Stub, reason: u8, pings: u32, post: Option<&str>) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn set(this: &Stub, post: &str, views: f64) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn exported(this: &Stub, format: &str, cursor: Option<&str>) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn imported(this: &Stub, bytes: &Uint8Array, id: Option<&str>) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn wake(this: &Stub) -> Result<Promise, JsValue>;
}
