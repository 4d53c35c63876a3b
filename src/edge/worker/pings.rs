//! Pings: what may count goes to the ledger.

use super::Asked;
use super::ledger::Client;
use crate::base::error::Error;
use crate::base::id::{PingId, PostId};
use crate::batch::refused::{GATHER, Refused};
use crate::edge::platform::instance::bound;
use crate::edge::platform::reply::{self, Reply};
use crate::edge::platform::storage::sleep;
use crate::http::answer;
use crate::http::visit::{self, Signals};
use crate::model::outcome::Outcome;
use crate::model::reason::Reason;
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use worker::js_sys::{Date, JsString, Promise};
use worker::wasm_bindgen_futures::{JsFuture, future_to_promise};
use worker::web_sys::console;

thread_local! {
    static REFUSED: RefCell<Refused> = const { RefCell::new(Refused::new()) };
}

impl Asked {
    /// Any page may ask; whether it may ping depends on `ALLOWED_ORIGINS`.
    pub(super) fn preflight(&self) -> Reply {
        let origin = self.header("Origin");
        let allowed = |origin: &String| visit::allowed(origin, &self.settings.origins);
        match origin.as_ref().is_none_or(allowed) {
            true => reply::preflight(self.readers().as_deref()),
            false => reply::refusal(Error::ForeignOrigin, None),
        }
    }

    pub(super) async fn ping(self, post: PostId, id: Option<PingId>) -> Reply {
        match self.count(&post, id).await {
            Ok((views, reason)) => {
                let body = answer::ping(&post, views, reason);
                reply::pinged(&body, self.readers().as_deref())
            }
            Err(Error::ForeignOrigin) => reply::refusal(Error::ForeignOrigin, None),
            Err(error) => reply::refusal(error, self.readers().as_deref()),
        }
    }

    /// The post's views, and why the ping was not counted, if it was not.
    async fn count(
        &self,
        post: &PostId,
        id: Option<PingId>,
    ) -> Result<(u64, Option<Reason>), Error> {
        let signals = Signals {
            origin: self.header("Origin"),
            purpose: ["Sec-Purpose", "Purpose", "X-Moz"].map(|name| self.header(name)),
            length: self.header("Content-Length"),
        };
        if let Err(error) = signals.admit(&self.settings) {
            if error == Error::ForeignOrigin {
                self.refused(Reason::Origin);
            }
            return Err(error);
        }
        let address = self.value("CF-Connecting-IP");
        if self.is_flood(address.as_ref()).await {
            self.refused(Reason::Flood);
            return Err(Error::TooManyPings);
        }
        let agent = self.value("User-Agent");
        let is_bot = || agent.as_ref().is_some_and(is_bot);
        let ledger = Client::new(&self.env)?;
        if let Some(reason) = signals.reason(&self.settings, is_bot) {
            let views = ledger.skip(reason, 1, Some(post)).await?;
            return Ok((views, Some(reason)));
        }
        let private = ["Sec-GPC", "DNT"]
            .iter()
            .any(|name| visit::is_set(self.header(name).as_deref()));
        let visitor = address.filter(|_| !private);
        let agent = agent.filter(|_| visitor.is_some());
        match ledger.ping(post, id.as_ref(), visitor, agent).await? {
            Outcome::Counted(views) => Ok((views, None)),
            Outcome::Repeat(views) => Ok((views, Some(Reason::Duplicate))),
        }
    }

    /// Whether an address pings more than the rate limit lets through. Without an address or a
    /// limit nothing is a flood, nor where the limit cannot be asked.
    async fn is_flood(&self, address: Option<&JsString>) -> bool {
        let limiter = self.env.unchecked_ref::<Bindings>().limiter();
        let (Some(limiter), Some(address)) = (limiter, address) else {
            return false;
        };
        let network = visit::network(&String::from(address));
        let asked = match limiter.limit(&by_key(&network)) {
            Ok(asked) => JsFuture::from(asked).await,
            Err(cause) => Err(cause),
        };
        match asked {
            Ok(outcome) => !outcome.unchecked_into::<Limited>().success(),
            Err(cause) => {
                console::error_2(&"rate limit:".into(), &cause);
                false
            }
        }
    }

    /// Has a refused ping noted, with all that are refused within a second: what the ledger is spared
    /// must not reach it one by one.
    fn refused(&self, reason: Reason) {
        let begins = REFUSED.with_borrow_mut(|refused| refused.add(reason, Date::now()));
        if !begins {
            return;
        }
        let env = self.env.clone();
        let report = future_to_promise(async move {
            JsFuture::from(sleep(GATHER)).await?;
            for (reason, pings) in REFUSED.with_borrow_mut(Refused::report) {
                if let Ok(ledger) = Client::new(&env) {
                    // What cannot be noted was logged.
                    let _ = ledger.skip(reason, pings, None).await;
                }
            }
            Ok(JsValue::UNDEFINED)
        });
        self.context.wait_until(&bound(&report));
    }

    /// The pages that may read the answer to a ping: all, or the one that asks.
    fn readers(&self) -> Option<String> {
        match self.settings.origins.is_empty() {
            true => Some("*".to_owned()),
            false => self.header("Origin"),
        }
    }
}

fn is_bot(agent: &JsString) -> bool {
    isbot(agent) && !visit::is_curl(&String::from(agent))
}

/// The list of crawlers, which its keepers follow.
#[wasm_bindgen(module = "isbot")]
extern "C" {
    fn isbot(agent: &JsString) -> bool;
}

#[wasm_bindgen(inline_js = "export const byKey = (key) => ({ key });")]
extern "C" {
    #[wasm_bindgen(js_name = byKey)]
    fn by_key(key: &str) -> JsValue;
}

#[wasm_bindgen]
extern "C" {
    type Bindings;
    #[wasm_bindgen(method, getter, js_name = PINGS)]
    fn limiter(this: &Bindings) -> Option<Limiter>;

    /// The rate limit.
    type Limiter;
    #[wasm_bindgen(method, catch)]
    fn limit(this: &Limiter, asked: &JsValue) -> Result<Promise, JsValue>;

    /// What it answers.
    type Limited;
    #[wasm_bindgen(method, getter)]
    fn success(this: &Limited) -> bool;
}
