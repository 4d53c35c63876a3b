//! Requests about posts' views: pings go to the ledger, reads to the published snapshot, and the
//! owner's to the ledger again.

use crate::answer;
use crate::error::Error;
use crate::id::{PingId, PostId};
use crate::ledger::{self, Client};
use crate::portable;
use crate::publish;
use crate::reply::{self, Reply};
use crate::route::{MAX_BODY_BYTES, Owner, Views};
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::storage::sleep;
use crate::tally::Outcome;
use crate::time::Time;
use crate::visit::{self, Reason, Signals};
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use subtle::ConstantTimeEq;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{Date, JsString, Promise, Uint8Array};
use worker::wasm_bindgen_futures::{JsFuture, future_to_promise};
use worker::web_sys::{Request, console};

/// How long a report of refused pings gathers them, in milliseconds.
const GATHER: u32 = 1000;

thread_local! {
    static SETTINGS: OnceCell<Rc<Settings>> = OnceCell::default();
    /// The snapshot as it was last read.
    static READ: RefCell<Option<Rc<Read>>> = RefCell::default();
    /// Pings that were refused and are not reported yet, by [`Reason`].
    static REFUSED: Cell<[u32; Reason::ALL.len()]> = Cell::default();
    static REPORTING: Cell<bool> = const { Cell::new(false) };
}

/// Answers a request: a response, or a promise of one.
pub fn fetch(
    views: Views,
    request: Request,
    env: Env,
    context: Context,
) -> Result<JsValue, JsValue> {
    let request = Asked {
        request,
        settings: settings(&env),
        env,
        context,
    };
    match views {
        Views::Preflight => request.preflight().map(Into::into),
        Views::Ping(post, id) => Ok(promise(async move { request.ping(post, id).await })),
        Views::Owner(owner) => Ok(promise(async move { request.owner(owner).await })),
        read => request.read(read),
    }
}

fn promise(answer: impl Future<Output = Reply> + 'static) -> JsValue {
    future_to_promise(async move { answer.await.map(Into::into) }).into()
}

fn settings(env: &Env) -> Rc<Settings> {
    let read = || Rc::new(ledger::settings(env));
    SETTINGS.with(|settings| Rc::clone(settings.get_or_init(read)))
}

/// A request with all that it came with.
struct Asked {
    request: Request,
    settings: Rc<Settings>,
    env: Env,
    context: Context,
}

/// Pings.
impl Asked {
    /// Any page may ask; whether it may ping depends on `ALLOWED_ORIGINS`.
    fn preflight(&self) -> Reply {
        let origin = self.header("Origin");
        let allowed = |origin: &String| visit::allowed(origin, &self.settings.origins);
        match origin.as_ref().is_none_or(allowed) {
            true => reply::preflight(self.readers().as_deref()),
            false => reply::refusal(Error::ForeignOrigin, None),
        }
    }

    async fn ping(self, post: PostId, id: Option<PingId>) -> Reply {
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
        let mut refused = REFUSED.get();
        refused[usize::from(reason.number())] += 1;
        REFUSED.set(refused);
        if REPORTING.replace(true) {
            return;
        }
        let env = self.env.clone();
        self.context.wait_until(&future_to_promise(async move {
            JsFuture::from(sleep(GATHER)).await?;
            REPORTING.set(false);
            let refused = REFUSED.take();
            for (reason, pings) in Reason::ALL.into_iter().zip(refused) {
                if pings > 0
                    && let Ok(ledger) = Client::new(&env)
                {
                    // What cannot be noted was logged.
                    let _ = ledger.skip(reason, pings, None).await;
                }
            }
            Ok(JsValue::UNDEFINED)
        }));
    }

    /// The pages that may read the answer to a ping: all, or the one that asks.
    fn readers(&self) -> Option<String> {
        match self.settings.origins.is_empty() {
            true => Some("*".to_owned()),
            false => self.header("Origin"),
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        self.value(name).map(|value| String::from(&value))
    }

    fn value(&self, name: &str) -> Option<JsString> {
        reply::header(&self.request, &name.into())
    }
}

/// Reads.
impl Asked {
    fn read(self, views: Views) -> Result<JsValue, JsValue> {
        match self.fresh() {
            Some(read) => self.tell(&views, &read).map(Into::into),
            None => Ok(promise(async move {
                match self.read_again().await {
                    Ok(read) => self.tell(&views, &read),
                    Err(error) => reply::refusal(error, Some("*")),
                }
            })),
        }
    }

    fn tell(&self, views: &Views, read: &Read) -> Reply {
        let now = Time::from_millis(Date::now());
        let known = self.header("If-None-Match");
        let answer = read.answer(views, now, self.max_age())?;
        answer.reply(known.as_deref())
    }

    /// The snapshot in memory, where it is new enough.
    fn fresh(&self) -> Option<Rc<Read>> {
        // A tenth of the time between two publications.
        let most = (f64::from(self.settings.publish) * 100.0).min(30_000.0);
        let young = |read: &&Rc<Read>| (0.0..most).contains(&(Date::now() - read.at));
        READ.with_borrow(|read| read.as_ref().filter(young).cloned())
    }

    /// Reads the snapshot; where that fails, the last one serves.
    async fn read_again(&self) -> Result<Rc<Read>, Error> {
        let views = self.env.unchecked_ref::<publish::Bindings>().views();
        let snapshot = match publish::read(&views).await {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) => self.begin(),
            Err(error) => return READ.with_borrow(|read| read.clone()).ok_or(error),
        };
        let read = Rc::new(Read::new(snapshot));
        READ.set(Some(Rc::clone(&read)));
        Ok(read)
    }

    /// Nothing was published yet: has the ledger take over what is in Workers KV, and publish it.
    fn begin(&self) -> Snapshot {
        let env = self.env.clone();
        self.context.wait_until(&future_to_promise(async move {
            // What goes wrong was logged.
            let _ = match Client::new(&env) {
                Ok(ledger) => ledger.wake().await,
                Err(error) => Err(error),
            };
            Ok(JsValue::UNDEFINED)
        }));
        Snapshot::default()
    }

    /// How long a reader may keep an answer, in seconds.
    fn max_age(&self) -> u32 {
        self.settings.publish.min(60)
    }
}

/// A snapshot, when it was read, and the answer that was made of it last.
struct Read {
    snapshot: Snapshot,
    at: f64,
    last: RefCell<Option<(Views, Time, Rc<reply::Published>)>>,
}

impl Read {
    fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            at: Date::now(),
            last: RefCell::default(),
        }
    }

    /// The answer to a question; the same question within a second gets the same answer.
    fn answer(
        &self,
        views: &Views,
        now: Time,
        max_age: u32,
    ) -> Result<Rc<reply::Published>, JsValue> {
        if let Some((asked, at, answer)) = &*self.last.borrow()
            && asked == views
            && *at == now
        {
            return Ok(Rc::clone(answer));
        }
        let body = self.body(views, now);
        let answer = Rc::new(reply::Published::new(&body, max_age)?);
        self.last
            .replace(Some((views.clone(), now, Rc::clone(&answer))));
        Ok(answer)
    }

    fn body(&self, views: &Views, now: Time) -> String {
        let snapshot = &self.snapshot;
        match views {
            Views::Post(post) => answer::post(post, snapshot),
            Views::Posts(posts) => answer::posts(posts, snapshot),
            Views::Top(period, limit) => answer::top(*period, *limit, snapshot, now),
            Views::History(post, days) => answer::history(post.as_ref(), *days, snapshot, now),
            _ => answer::stats(snapshot, now),
        }
    }
}

/// The owner.
impl Asked {
    async fn owner(self, owner: Result<Owner, Error>) -> Reply {
        match self.obey(owner).await {
            Ok(reply) => reply,
            Err(error) => reply::refusal(error, None),
        }
    }

    /// Compares the token that was sent with the owner's, in constant time.
    fn authorize(&self) -> Result<(), Error> {
        let token = self.env.unchecked_ref::<Bindings>().admin_token();
        let token = token
            .filter(|token| !token.is_empty())
            .ok_or(Error::NotFound)?;
        let sent = self.header("Authorization").unwrap_or_default();
        let sent = sent.strip_prefix("Bearer ").unwrap_or_default().trim();
        let right: bool = sent.as_bytes().ct_eq(token.as_bytes()).into();
        right.then_some(()).ok_or(Error::Unauthorized)
    }

    async fn obey(&self, owner: Result<Owner, Error>) -> Result<Reply, Error> {
        self.authorize()?;
        let ledger = Client::new(&self.env)?;
        match owner? {
            Owner::Set(post) => {
                let views = portable::count_body(&self.body(1024).await?)?;
                ledger.set(&post, views).await?;
                Ok(reply::private(&answer::set(&post, views)))
            }
            Owner::Delete(post) => {
                ledger.set(&post, 0).await?;
                Ok(reply::private(&answer::set(&post, 0)))
            }
            Owner::Export(format) => Ok(reply::export(format, &ledger.export(format).await?)),
            Owner::Import(mode, format) => {
                let text = self.body(MAX_BODY_BYTES).await?;
                let format = format.unwrap_or_else(|| portable::Format::of(&text));
                let records = format.read(&text)?;
                let posts = records.len();
                ledger.import(mode, records).await?;
                Ok(reply::private(&answer::imported(posts)))
            }
        }
    }

    /// The body, which has at most `most` bytes of UTF-8.
    async fn body(&self, most: usize) -> Result<String, Error> {
        let length = self
            .header("Content-Length")
            .and_then(|length| length.parse().ok());
        if length.is_some_and(|length: usize| length > most) {
            return Err(Error::BodyTooLarge(most));
        }
        let gone = |_| Error::InvalidEncoding;
        let read = JsFuture::from(self.request.array_buffer().map_err(gone)?);
        let bytes = Uint8Array::new(&read.await.map_err(gone)?);
        if bytes.length() as usize > most {
            return Err(Error::BodyTooLarge(most));
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| Error::InvalidEncoding)
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

#[wasm_bindgen(inline_js = "
export const byKey = (key) => ({ key });
")]
extern "C" {
    #[wasm_bindgen(js_name = byKey)]
    fn by_key(key: &str) -> JsValue;
}

#[wasm_bindgen]
extern "C" {
    /// `ctx` of a request.
    pub type Context;
    #[wasm_bindgen(method, js_name = waitUntil)]
    fn wait_until(this: &Context, promise: &Promise);

    type Bindings;
    #[wasm_bindgen(method, getter, js_name = PINGS)]
    fn limiter(this: &Bindings) -> Option<Limiter>;
    #[wasm_bindgen(method, getter, js_name = ADMIN_TOKEN)]
    fn admin_token(this: &Bindings) -> Option<String>;

    /// The rate limit.
    type Limiter;
    #[wasm_bindgen(method, catch)]
    fn limit(this: &Limiter, asked: &JsValue) -> Result<Promise, JsValue>;

    /// What it answers.
    type Limited;
    #[wasm_bindgen(method, getter)]
    fn success(this: &Limited) -> bool;
}
