//! The Worker's client of the ledgers.

use super::Context;
use crate::base::error::Error;
use crate::base::id::{PingId, PostId};
use crate::base::limits::MAX_LEDGERS;
use crate::base::time::Time;
use crate::edge::platform::ledgers::{Ledgers, Stub, answer, ledgers, stub};
use crate::edge::platform::rpc::{self, from_js};
use crate::http::portable::Format;
use crate::model::filter::Filter;
use crate::model::mode::Mode;
use crate::model::outcome::Outcome;
use crate::model::owner::{LEAD, Ledger, Owners};
use crate::model::reason::Reason;
use crate::model::record::Records;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{Array, JsString, Promise};
use worker::web_sys::Request;

/// A ping, as the ledger is told of it.
pub struct Ping<'a> {
    /// The post.
    pub post: &'a JsString,
    /// The ping's own id, if it has one.
    pub id: Option<&'a PingId>,
    /// The visitor's address, where they may be known by it.
    pub address: Option<JsString>,
    /// The visitor's user agent; without an address empty where the ledger may ask for the
    /// [`network`](crate::model::network).
    pub agent: Option<JsString>,
    /// Why it does not count, where it does not.
    pub reason: Option<Reason>,
}

impl Ping<'_> {
    /// Has its `owner` count it, or note why it does not count, together with other pings; a promise of what
    /// [`outcome_of`] reads.
    ///
    /// Nothing is asked twice: a view whose answer was lost may have counted.
    pub fn send(self, owner: Ledger, request: &Request, env: &Env, context: &Context) -> Promise {
        let ping = Array::of5(
            self.post,
            &self.id.map(PingId::as_str).into(),
            &self.address.into(),
            &self.agent.into(),
            &self.reason.map(Reason::number).into(),
        );
        NAMES.with(|names| {
            let name = &names[usize::from(owner)];
            ping_ledger(&ledgers(env), name, &ping, context, request, env)
        })
    }
}

thread_local! {
    /// The names of ledgers, as JavaScript has them.
    static NAMES: [JsString; MAX_LEDGERS as usize] =
        std::array::from_fn(|ledger| ledger.to_string().into());
}

/// Reads what a ping came to. Of one that was known not to count, [`Outcome::Counted`] has the views as they
/// are. [`Outcome::Unknown`] is of a post that the site does not have.
pub fn outcome_of(answer: JsValue) -> Result<Outcome, Error> {
    if answer == JsValue::FALSE {
        return Ok(Outcome::Unknown);
    }
    let number = answer.as_f64().ok_or_else(|| from_js(answer))?;
    Ok(Outcome::from_number(number))
}

/// How often a ledger may name another one, before a change of their number is waited for.
const MOST_HOPS: usize = 6;

/// How often one request asks ledgers to remove posts, for the CPU time of a request.
const MOST_REMOVALS: usize = 100;

/// The ledgers of a site, each of which owns some of the posts.
#[derive(Clone)]
pub struct Client {
    env: Env,
    owners: Rc<Owners>,
}

impl Client {
    /// The ledgers, which share the posts like this.
    pub fn new(env: &Env, owners: &Rc<Owners>) -> Self {
        Self {
            env: env.clone(),
            owners: Rc::clone(owners),
        }
    }

    /// Notes pings that do not count.
    pub async fn skip(&self, reason: Reason, pings: u32) -> Result<(), Error> {
        let lead = stub(&self.env, LEAD)?;
        answer(lead.skip(reason.number(), pings)).await.map(drop)
    }

    /// Sets a post's views; 0 forgets it.
    pub async fn set(&self, post: &PostId, views: u64) -> Result<(), Error> {
        let set = |ledger: &Stub| ledger.set(post.as_str(), views as f64);
        self.ask_owner(post, set).await.map(drop)
    }

    /// The address of a post's page, where it is known.
    pub async fn address(&self, post: &PostId) -> Result<Option<String>, Error> {
        let address = |ledger: &Stub| ledger.address(post.as_str());
        let told: Array = self.ask_owner(post, address).await?.unchecked_into();
        Ok(told.get(0).as_string())
    }

    /// What the owner of a post answers. A ledger that does not own it has done nothing, and names another one.
    async fn ask_owner(
        &self,
        post: &PostId,
        ask: impl Fn(&Stub) -> Result<Promise, JsValue>,
    ) -> Result<JsValue, Error> {
        let mut owner = self.owners.of_post(post);
        for _ in 0..MOST_HOPS {
            let told = answer(ask(&stub(&self.env, owner)?)).await?;
            match told.as_string().and_then(|name| name.parse().ok()) {
                None => return Ok(told),
                Some(other) => owner = other,
            }
        }
        Err(Error::Moving)
    }

    /// Writes records down, from a cursor on: the text, and where it goes on, if it does.
    pub async fn export(
        &self,
        format: Format,
        cursor: Option<&Cursor>,
    ) -> Result<(JsValue, Option<Cursor>), Error> {
        let ledger = cursor.map_or(LEAD, |cursor| cursor.ledger);
        let place = cursor.map(|cursor| cursor.place.as_str());
        let call = stub(&self.env, ledger)?.exported(self.owners.ledgers(), format.name(), place);
        let answer: Array = answer(call).await?.unchecked_into();
        let next = answer.get(1).as_string();
        Ok((answer.get(0), next.map(|next| Cursor::after(ledger, next))))
    }

    /// Removes posts, or with `dry` only counts them, from a cursor on, as far as one request may: how many,
    /// with how many views, and where it goes on, if it does.
    pub async fn remove(
        &self,
        filter: &Filter,
        dry: bool,
        from: Option<&str>,
    ) -> Result<(u32, u64, Option<String>), Error> {
        let ledgers = self.owners.ledgers();
        let first = || Some(Cursor::after(LEAD, "0".to_owned()));
        let from = from.map_or_else(first, Cursor::parse);
        let mut next = from.filter(|from| from.ledger < ledgers);
        let Some(_) = next else {
            return Err(Error::InvalidFilter);
        };
        let (mut posts, mut views) = (0_u32, 0_u64);
        for _ in 0..MOST_REMOVALS {
            let Some(Cursor { ledger, place }) = next else {
                break;
            };
            let most = filter.views.map(|views| views as f64);
            let stub = stub(&self.env, ledger)?;
            let call = stub.removed(ledgers, &filter.prefix, most, dry, &place);
            let told: Array = answer(call).await?.unchecked_into();
            let number = |n| told.get(n).as_f64().unwrap_or_default();
            posts = posts.saturating_add(number(0) as u32);
            views = views.saturating_add(number(1) as u64);
            let place = told.get(2).as_string();
            let goes_on = place.is_some() || ledger + 1 < ledgers;
            next = goes_on.then(|| Cursor::after(ledger, place.unwrap_or_else(|| ">".to_owned())));
        }
        Ok((posts, views, next.map(|next| next.text())))
    }

    /// Takes records in, at most once for each `id`. Each ledger takes its own, all or none, and the first
    /// error ends it: [`Error::Unavailable`] where other ledgers have taken theirs.
    pub async fn import(
        &self,
        mode: Mode,
        records: Records,
        id: Option<&str>,
    ) -> Result<(), Error> {
        let mut shares = vec![Records::new(); usize::from(self.owners.ledgers())];
        for record in records {
            let owner = self.owners.of_post(&record.0);
            shares[usize::from(owner)].push(record);
        }
        if shares.len() > 1 {
            answer(stub(&self.env, LEAD)?.settled(self.owners.ledgers())).await?;
        }
        let mut has_begun = false;
        let shares = shares.into_iter().zip(0..);
        for (records, owner) in shares.filter(|(records, _)| !records.is_empty()) {
            let bytes = rpc::bytes(&(mode, records))?;
            let call = stub(&self.env, owner)?.imported(self.owners.ledgers(), &bytes, id);
            answer(call).await.map_err(|error| match has_begun {
                true => Error::Unavailable,
                false => error,
            })?;
            has_begun = true;
        }
        Ok(())
    }

    /// Since when publishing has failed, if it does.
    pub async fn failing(&self) -> Result<Option<Time>, Error> {
        let since = answer(stub(&self.env, LEAD)?.failing()).await?.as_f64();
        Ok(since.map(|seconds| Time::from_seconds(seconds as u32)))
    }

    /// Has something published; whether readers who find nothing may be told that nothing was counted.
    pub async fn wake(&self) -> Result<bool, Error> {
        let told = answer(stub(&self.env, LEAD)?.wake()).await?;
        // One of the version before tells nothing.
        Ok(told != JsValue::FALSE)
    }
}

/// Where an export or a removal goes on.
#[derive(Clone, Debug)]
pub struct Cursor {
    ledger: Ledger,
    /// As the ledger tells it.
    place: String,
}

impl Cursor {
    /// What a ledger has told; `>` at its end begins the next ledger.
    fn after(ledger: Ledger, place: String) -> Self {
        match place.strip_suffix('>') {
            Some(sign) => Self {
                ledger: ledger + 1,
                place: format!("{sign}0"),
            },
            None => Self { ledger, place },
        }
    }

    /// As text.
    pub fn text(&self) -> String {
        format!("{}:{}", self.ledger, self.place)
    }

    /// Reads [`Cursor::text`].
    pub fn parse(text: &str) -> Option<Self> {
        let (ledger, place) = text.split_once(':')?;
        Some(Self {
            ledger: ledger.parse().ok()?,
            place: place.to_owned(),
        })
    }
}

// wasm-bindgen writes this path as it is into `build/tally.js`.
#[wasm_bindgen(raw_module = "../src/lanes.js")]
extern "C" {
    /// Sends a ping to a ledger, together with others; a promise of [`Outcome::number`] or an error.
    #[wasm_bindgen(js_namespace = calls, js_name = ping)]
    fn ping_ledger(
        ledgers: &Ledgers,
        name: &JsString,
        ping: &Array,
        context: &Context,
        request: &Request,
        env: &Env,
    ) -> Promise;
}
