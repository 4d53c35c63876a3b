//! Pings: those that may count go to the ledger.

use super::Asked;
use super::ledger::{Ping, outcome_of};
use crate::base::error::Error;
use crate::base::id::{PingId, PostId};
use crate::base::settings::Read;
use crate::batch::newcomers::Newcomers;
use crate::batch::refused::{GATHER, Refused};
use crate::edge::platform::header::{
    CONNECTING_IP, CONTENT_LENGTH, DNT, ORIGIN, PURPOSE, REFERER, SEC_FETCH_MODE, SEC_FETCH_SITE,
    SEC_GPC, SEC_PURPOSE, USER_AGENT, X_MOZ,
};
use crate::edge::platform::instance::{bound, when_pinged};
use crate::edge::platform::log;
use crate::edge::platform::reply::{self, Reply};
use crate::edge::platform::rpc::promised;
use crate::edge::platform::runtime::random;
use crate::edge::platform::storage::sleep;
use crate::http::answer;
use crate::http::visit::{self, Signals};
use crate::model::outcome::Outcome;
use crate::model::reason::Reason;
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use worker::js_sys::{Date, JsString, Promise};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::console;

thread_local! {
    static NEWCOMERS: RefCell<Newcomers> = RefCell::new(Newcomers::new(random()));
    static REFUSED: RefCell<Refused> = const { RefCell::new(Refused::new()) };
    static ALL_READERS: JsString = "*".into();
    static EMPTY: JsString = "".into();
}

impl Asked {
    /// Any page may ask; whether it may ping depends on `ALLOWED_ORIGINS`.
    pub(super) fn preflight(&self) -> Reply {
        let origin = self.header(&ORIGIN);
        let allowed = |origin: &String| visit::allowed(origin, &self.settings.origins);
        match origin.as_ref().is_none_or(allowed) {
            true => reply::preflight(self.reader_names().as_deref()),
            false => reply::refusal(Error::ForeignOrigin, None),
        }
    }

    /// Answers a ping: a response, or a promise of one.
    pub(super) fn ping(self, post: PostId, id: Option<PingId>) -> Result<JsValue, JsValue> {
        let origin = self.header(&ORIGIN);
        self.ping_from(origin, post, id)
    }

    /// The same with an image, which has no `Origin`, for an answer.
    pub(super) fn image(self, post: PostId, id: Option<PingId>) -> Result<JsValue, JsValue> {
        let page = || self.header(&REFERER).map(|page| visit::origin_of(&page));
        let origin = self.header(&ORIGIN).or_else(page);
        self.ping_from(origin, post, id)
            .map(|answer| as_image(&answer))
    }

    fn ping_from(
        self,
        origin: Option<String>,
        post: PostId,
        id: Option<PingId>,
    ) -> Result<JsValue, JsValue> {
        let signals = Signals {
            origin,
            fetch: match self.settings.origins.is_empty() {
                true => [None, None],
                false => [&SEC_FETCH_SITE, &SEC_FETCH_MODE].map(|name| self.header(name)),
            },
            purpose: [&SEC_PURPOSE, &PURPOSE, &X_MOZ].map(|name| self.header(name)),
            length: self.header(&CONTENT_LENGTH),
        };
        match signals.admit(&self.settings) {
            Ok(()) => {}
            Err(Error::ForeignOrigin) => {
                self.refused(Reason::Origin);
                return reply::refusal(Error::ForeignOrigin, None).map(Into::into);
            }
            Err(error) => return self.refusal(error),
        }
        let address = self.value(&CONNECTING_IP);
        let limits = self.limits(address.as_ref());
        if limits.is_empty() {
            return self.count(&post, id.as_ref(), &signals, address);
        }
        let answer = promised(async move {
            for limit in limits {
                if is_flood(limit).await {
                    self.refused(Reason::Flood);
                    return self.refusal(Error::TooManyPings);
                }
            }
            self.count(&post, id.as_ref(), &signals, address)
        });
        Ok(answer.into())
    }

    /// Sends a ping to the ledger; a promise of the response, which [`pinged`] makes. Without a Rust
    /// future, which costs more than the rest of Tally's work.
    fn count(
        &self,
        post: &PostId,
        id: Option<&PingId>,
        signals: &Signals,
        address: Option<JsString>,
    ) -> Result<JsValue, JsValue> {
        let agent = self.value(&USER_AGENT);
        let is_bot = || agent.as_ref().is_some_and(is_bot);
        let reason = signals.reason(&self.settings, is_bot);
        let is_set = |name| visit::is_set(self.header(name).as_deref());
        if reason.is_none() && self.is_unreal(post, signals.origin.as_deref()) {
            self.refused(Reason::Unknown);
            let shows = self.settings.public.has(Read::Views);
            let body = answer::ping(post, shows.then_some(0), Some(Reason::Unknown));
            return reply::pinged(&body, self.reader_names().as_deref()).map(Into::into);
        }
        let may_know = reason.is_none() && !is_set(&SEC_GPC) && !is_set(&DNT);
        let agent = match may_know {
            true => agent.filter(|_| address.is_some()),
            // Of one who may not be known the network is told where the ledger asks for it.
            false => reason.is_none().then(|| EMPTY.with(JsString::clone)),
        };
        let address = address.filter(|_| may_know);
        let owner = self.owners.of_post(post);
        let post = JsString::from(post.as_str());
        let ping = Ping {
            post: &post,
            id,
            agent,
            address,
            reason,
        };
        let sent = ping.send(owner, &self.request, &self.env, &self.context);
        let reason = reason.map(Reason::number);
        let shows = self.settings.public.has(Read::Views);
        Ok(when_pinged(&sent, &post, reason, shows, self.readers().as_ref()).into())
    }

    fn refusal(&self, error: Error) -> Result<JsValue, JsValue> {
        reply::refusal(error, self.reader_names().as_deref()).map(Into::into)
    }

    /// Asks the rate limit about an address, as often as is due. Without an address or a limit nothing is a
    /// flood.
    fn limits(&self, address: Option<&JsString>) -> Vec<Result<Promise, JsValue>> {
        let limiter = self.env.unchecked_ref::<Bindings>().limiter();
        let Some((limiter, address)) = limiter.zip(address) else {
            return Vec::new();
        };
        let network = visit::network(&String::from(address));
        let asks = NEWCOMERS.with_borrow_mut(|newcomers| newcomers.asks(&network, Date::now()));
        let limit = |_| limiter.limit(&by_key(&network));
        (0..asks).map(limit).collect()
    }

    /// Has a refused ping noted, with all that are refused within a second: what the ledger is spared
    /// must not reach it one by one.
    pub(super) fn refused(&self, reason: Reason) {
        let begins = REFUSED.with_borrow_mut(|refused| refused.add(reason, Date::now()));
        if !begins {
            return;
        }
        let ledgers = self.ledgers();
        let report = promised(async move {
            JsFuture::from(sleep(GATHER)).await?;
            for (reason, pings) in REFUSED.with_borrow_mut(Refused::report) {
                log::event("refused", &[(reason.name(), pings.into())]);
                // What cannot be noted was logged.
                let _ = ledgers.skip(reason, pings).await;
            }
            Ok(JsValue::UNDEFINED)
        });
        self.context.wait_until(&bound(&report));
    }

    /// The pages that may read the answer to a ping: all, or the one that asks.
    fn readers(&self) -> Option<JsString> {
        match self.settings.origins.is_empty() {
            true => Some(ALL_READERS.with(JsString::clone)),
            false => self.value(&ORIGIN),
        }
    }

    fn reader_names(&self) -> Option<String> {
        self.readers().map(String::from)
    }
}

/// The response to a ping of `post`: the `outcome` that the ledger told, or why it did not. `reason` is why
/// the ping does not count, where that was known before. `shows` tells whether everybody may read the views.
#[wasm_bindgen]
pub fn pinged(
    outcome: JsValue,
    post: String,
    reason: Option<u8>,
    shows: bool,
    readers: Option<String>,
) -> Reply {
    let readers = readers.as_deref();
    let reason = reason.and_then(Reason::from_number);
    let told = PostId::parse(post).and_then(|post| Ok((post, outcome_of(outcome)?)));
    let (post, views, reason) = match told {
        Ok((post, Outcome::Counted(views))) => (post, views, reason),
        Ok((post, Outcome::Repeat(views))) => (post, views, Some(Reason::Duplicate)),
        Ok((post, Outcome::Unknown)) => (post, 0, Some(Reason::Unknown)),
        Err(error) => return reply::refusal(error, readers),
    };
    reply::pinged(
        &answer::ping(&post, shows.then_some(views), reason),
        readers,
    )
}

/// Whether the rate limit lets no more through. Where it cannot be asked, nothing is a flood.
async fn is_flood(limit: Result<Promise, JsValue>) -> bool {
    let asked = match limit {
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

fn is_bot(agent: &JsString) -> bool {
    isbot(agent) && !visit::is_curl(&String::from(agent))
}

#[wasm_bindgen(inline_js = "
import { isbot as look } from 'isbot';

const known = new Map();

/** What the list of crawlers, which its keepers follow, says; the same browser comes again and again. */
export function isbot(agent) {
  let answer = known.get(agent);
  if (answer === undefined) {
    if (known.size === 100) known.clear();
    known.set(agent, (answer = look(agent)));
  }
  return answer;
}

export const byKey = (key) => ({ key });

const GIF = Uint8Array.from(atob('R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw=='), (char) => char.charCodeAt(0));

/** The answer to a ping, or a promise of one, with an image in place of what it tells. A refusal stays as it is. */
export function asImage(answer) {
  const drawn = Promise.resolve(answer).then((told) => {
    if (!told.ok) return told;
    const image = new Response(GIF, told);
    image.headers.set('Content-Type', 'image/gif');
    image.headers.set('Cross-Origin-Resource-Policy', 'cross-origin');
    image.headers.set('X-Content-Type-Options', 'nosniff');
    return image;
  });
  drawn.goesOn = answer.goesOn;
  return drawn;
}
")]
extern "C" {
    #[wasm_bindgen(js_name = asImage)]
    pub fn as_image(answer: &JsValue) -> JsValue;
    fn isbot(agent: &JsString) -> bool;
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
