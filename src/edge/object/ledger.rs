//! The `Ledger` object, the single writer of its posts' views.
//!
//! A site has as many as `LEDGERS` says, named `0`, `1` and so on, and each post has one owner among them
//! ([`crate::books::layout`]). Ledger 0 leads: it publishes, and sees to it that posts are handed over where
//! the number has changed ([`members`]).
//!
//! It stores the rows of [`crate::books::tally`], and publishes by alarm, as
//! [`crate::published::budget`] allows, the keys that [`crate::published::head`] lists. Where Workers KV
//! fails, views are counted all the same and the alarm comes again.
//!
//! A new ledger goes on from what another one has published, or takes over the counts that another
//! program left ([`crate::books::takeover`]): a post's when the post is counted first, the others part by
//! part, an alarm each.
//!
//! Over RPC it answers, with an error of a built-in class where it cannot:
//!
//! ```text
//! ping(post, id, address, agent)   Outcome::number; [that, an address or nothing] where the post's page is to be
//!                                  read again; `true` where nothing was counted, because nobody knows whether
//!                                  the site has the post
//!                                  without an address `agent` is crate::model::network's hash, or empty: then
//!                                  `false` where nothing was counted, because the post is new and the hash is
//!                                  needed
//! skip(reason, pings, post)        the post's views, 0 without a post
//! pings([post, id, address, agent, reason, …])
//!                                  of each ping what `ping`, or with a reason `skip`, answers; an error
//!                                  that is its own; or `undefined` where it was left alone, because
//!                                  something has to be waited for: it is to be sent by itself
//! claim(post, address, network)    a Claim (crate::books::verification), as its number: what is to be done
//!                                  about a post of which `ping` has answered `true`
//! judged(post, address, verdict)   whether the post is known now; verdict: a Verdict in postcard
//! address(post)                    [the address of its page, where it is known]
//! set(post, views)                 nothing; 0 forgets the post
//! exported(ledgers, format, cursor)
//!                                  [text, the cursor of what follows], see crate::http::portable; the
//!                                  cursor ends with `>` where that is the next ledger's
//! removed(ledgers, prefix, views, dry, place)
//!                                  [posts, views, the place to go on at]: what was removed, or with `dry`
//!                                  would be, see crate::books::removal; places are hexadecimal
//! imported(ledgers, bytes, id)     whether it was taken in; bytes: (Mode, Records) in postcard
//! settled(ledgers)                 nothing; of the lead, before all are asked
//! wake()                           whether readers may be told that nothing was counted; has something published
//! failing()                        of the lead: since when publishing has failed, in seconds since the Unix
//!                                  epoch; nothing where it works
//! ```
//!
//! What is asked of a post that another ledger owns is not done: the answer is the name of that ledger, a
//! string. What is asked of all posts is refused where they are not shared among `ledgers`
//! ([`Error::Moving`]).
//!
//! The ledgers ask each other, in postcard:
//!
//! ```text
//! join()                           of the lead: the Plan
//! advance(Plan)                    of a member: whether it has handed all over that it loses by the plan
//! receive(batch)                   nothing; the batch is here (crate::books::handover)
//! collect((Plan, Grant, published))
//!                                  of a member: what it has for the head, a Slice
//! ```

mod members;

use crate::base::error::Error;
use crate::base::id::{PingId, PostId};
use crate::base::settings::Settings;
use crate::base::time::Time;
use crate::books::health;
use crate::books::layout::Whose;
use crate::books::publication::{Action, Outcomes, Publication, StaleEntry};
use crate::books::rows::{self, Rows};
use crate::books::takeover::{FoundPart, Want};
use crate::books::tally::{Ping, Tally};
use crate::edge::platform::kv::{self, Namespace};
use crate::edge::platform::log;
use crate::edge::platform::rpc::{self, promised, to_js, unavailable};
use crate::edge::platform::runtime::{now, random, settings};
use crate::edge::platform::storage::{Commits, Context, Storage, Stored, SyncKv, sleep};
use crate::http::portable::Format;
use crate::model::filter::Filter;
use crate::model::mode::Mode;
use crate::model::outcome::Outcome;
use crate::model::owner::LEAD;
use crate::model::page::Entry;
use crate::model::place::Key;
use crate::model::reason::Reason;
use crate::model::record::Records;
use crate::published::head::{HEAD, OWNER, Published, REFUSED};
use crate::published::part::Part;
use crate::verify::verdict::Verdict;
use std::cell::{Cell, RefCell, RefMut};
use std::fmt::Write;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{Array, Date, Promise, Uint8Array};
use worker::wasm_bindgen_futures::{JsFuture, spawn_local};

/// The Durable Object class, as `entry.js` extends it.
#[wasm_bindgen]
pub struct Ledger {
    inner: Rc<Inner>,
}

#[wasm_bindgen]
impl Ledger {
    /// The object over its storage.
    #[wasm_bindgen(constructor)]
    pub fn new(context: &Context, env: &Env) -> Self {
        let storage = context.storage();
        let settings = Rc::new(settings(env));
        let books = Books {
            kv: storage.kv(),
            storage: storage.clone(),
            settings: Rc::clone(&settings),
            number: context.number(),
            tally: RefCell::default(),
            has_changed: Cell::default(),
        };
        let views = env.unchecked_ref::<kv::Bindings>().views();
        let inner = Inner {
            books: Commits::new(storage, books),
            settings,
            views,
            env: env.clone(),
            is_handing_over: Cell::default(),
            is_publishing: Cell::default(),
        };
        Self {
            inner: Rc::new(inner),
        }
    }

    /// Counts a view, unless it is a repeat; `address` and `agent` are only given where the visitor
    /// may be known by them, otherwise `agent` stands for the network. An [`Outcome::number`], or a promise of it.
    pub fn ping(
        &self,
        post: String,
        id: Option<String>,
        address: Option<String>,
        agent: Option<String>,
    ) -> Result<JsValue, JsValue> {
        let ping = Sent {
            post: PostId::parse(post).map_err(to_js)?,
            id: id.map(PingId::parse).transpose().map_err(to_js)?,
            address,
            agent,
            reason: None,
        };
        self.inner
            .after_adoption(Some(ping.post.clone()), move |inner| {
                inner.is_readable(&ping.post)?;
                inner.take_in(&ping)
            })
    }

    /// Does with each of several pings, [`SENT_FIELDS`] values each, what [`Ledger::ping`] or
    /// [`Ledger::skip`] does, in one write.
    pub fn pings(&self, pings: Vec<JsValue>) -> Result<JsValue, JsValue> {
        let inner = &self.inner;
        let answers = pings
            .chunks_exact(SENT_FIELDS)
            .map(|fields| inner.take_in_together(fields));
        let answers = answers.collect::<Result<Array, _>>().map_err(to_js)?;
        inner.written_then(answers.into()).map_err(to_js)
    }

    /// Notes pings that do not count, by [`Reason::number`]; the views of `post`.
    pub fn skip(&self, reason: u8, pings: u32, post: Option<String>) -> Result<JsValue, JsValue> {
        let reason = Reason::from_number(reason).ok_or_else(|| to_js(Error::NotACount))?;
        let post = post.map(PostId::parse).transpose().map_err(to_js)?;
        self.inner.after_adoption(post.clone(), move |inner| {
            if let Some(post) = &post {
                inner.is_readable(post)?;
            }
            inner.skip(reason, pings, post.as_ref())
        })
    }

    /// Whether somebody is to read the page of a post that was never seen: a [`Claim`] as its number.
    pub fn claim(
        &self,
        post: String,
        address: String,
        network: Option<u32>,
    ) -> Result<JsValue, JsValue> {
        let post = PostId::parse(post).map_err(to_js)?;
        self.inner.after_adoption(Some(post.clone()), move |inner| {
            let settings = &inner.settings;
            let claim = inner.attempt(|tally, rows, now| {
                tally.claim(rows, &post, &address, network, settings, now)
            })?;
            Ok((claim as u8).into())
        })
    }

    /// Takes in what that page says, a [`Verdict`]; whether the post is known now.
    pub fn judged(
        &self,
        post: String,
        address: String,
        verdict: Vec<u8>,
    ) -> Result<JsValue, JsValue> {
        let post = PostId::parse(post).map_err(to_js)?;
        let verdict: Verdict = rpc::read(&verdict).map_err(to_js)?;
        self.inner.after_adoption(Some(post.clone()), move |inner| {
            inner.is_readable(&post)?;
            inner.judge(&post, &address, verdict).map(Into::into)
        })
    }

    /// The address of a post's page, where it is known.
    pub fn address(&self, post: String) -> Result<JsValue, JsValue> {
        let post = PostId::parse(post).map_err(to_js)?;
        self.inner.after_adoption(Some(post.clone()), move |inner| {
            let settings = &inner.settings;
            let address = inner.attempt(|tally, rows, _| tally.address(rows, &post, settings))?;
            // A string alone names a ledger.
            Ok(Array::of1(&address.into()).into())
        })
    }

    /// Sets a post's views; 0 forgets it.
    pub fn set(&self, post: String, views: f64) -> Result<JsValue, JsValue> {
        let post = PostId::parse(post).map_err(to_js)?;
        self.inner.after_adoption(Some(post.clone()), move |inner| {
            inner.change(|tally, rows, now| tally.set(rows, &post, views as u64, now))?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Writes records down, from a cursor on.
    pub fn exported(
        &self,
        ledgers: u8,
        format: String,
        cursor: Option<String>,
    ) -> Result<JsValue, JsValue> {
        let format = Format::parse(&format).map_err(to_js)?;
        let is_first = !cursor
            .as_ref()
            .is_some_and(|cursor| cursor.starts_with('+'));
        let from = cursor.map(|cursor| u64::from_str_radix(cursor.trim_start_matches('+'), 16));
        let from = from.transpose().map_err(|_| to_js(Error::InvalidFormat))?;
        self.inner.after_adoption(None, move |inner| {
            inner.is_settled(ledgers)?;
            inner.taken_over()?;
            let mut text = match from {
                None => format.begin().to_owned(),
                Some(_) => String::new(),
            };
            let mut is_first = is_first;
            let mut next = Some(from.unwrap_or_default());
            while let Some(place) = next.filter(|_| text.len() < EXPORT_BYTES) {
                let stored = &inner.books.stored;
                let (posts, after) = stored.with(|tally, rows| tally.export(rows, place))?;
                for post in &posts {
                    format.write(post, is_first, &mut text);
                    is_first = false;
                }
                next = after;
            }
            // The sign tells that posts were written before.
            let sign = if is_first { "" } else { "+" };
            let is_last = inner.number()? + 1 == ledgers;
            let cursor = match next {
                Some(next) => Some(format!("{sign}{next:x}")),
                None if is_last => None,
                None => Some(format!("{sign}>")),
            };
            if cursor.is_none() {
                text.push_str(format.end());
            }
            let answer = [JsValue::from(text), cursor.into()];
            Ok(answer.into_iter().collect::<Array>().into())
        })
    }

    /// Removes posts, from a place on, or with `dry` only counts them.
    pub fn removed(
        &self,
        ledgers: u8,
        prefix: String,
        views: Option<f64>,
        dry: bool,
        place: String,
    ) -> Result<JsValue, JsValue> {
        let views = views.map(|views| views as u64);
        let filter = Filter { prefix, views };
        let from = u64::from_str_radix(&place, 16).map_err(|_| to_js(Error::InvalidFilter))?;
        self.inner.after_adoption(None, move |inner| {
            inner.is_settled(ledgers)?;
            inner.taken_over()?;
            let removed =
                inner.change(|tally, rows, now| tally.remove(rows, from, &filter, dry, now))?;
            let next = removed.next.map(|next| format!("{next:x}"));
            let answer: [JsValue; 3] = [
                removed.posts.into(),
                (removed.views as f64).into(),
                next.into(),
            ];
            Ok(answer.into_iter().collect::<Array>().into())
        })
    }

    /// Takes records in.
    pub fn imported(
        &self,
        ledgers: u8,
        bytes: Vec<u8>,
        id: Option<String>,
    ) -> Result<JsValue, JsValue> {
        let import: Result<(Mode, Records), _> = postcard::from_bytes(&bytes);
        let (mode, records) = import.map_err(|_| to_js(Error::Unreadable))?;
        drop(bytes);
        self.inner.after_adoption(None, move |inner| {
            inner.is_settled(ledgers)?;
            inner.taken_over()?;
            let settings = &inner.settings;
            let taken = inner.change(|tally, rows, now| {
                tally.import(rows, records, mode, id.as_deref(), settings, now)
            })?;
            Ok(taken.into())
        })
    }

    /// Refuses where the posts are not shared among so many ledgers, each of which knows it.
    pub fn settled(&self, ledgers: u8) -> Result<JsValue, JsValue> {
        self.inner.after_adoption(None, move |inner| {
            inner.is_settled(ledgers)?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Publishes soon, whether anything has changed or not.
    pub fn wake(&self) -> Result<JsValue, JsValue> {
        self.inner.after_adoption(None, move |inner| {
            inner
                .change(|tally, _, now| Ok(tally.publish_again(now)))
                .map(Into::into)
        })
    }

    /// Since when publishing has failed.
    pub fn failing(&self) -> Result<Option<u32>, JsValue> {
        let since = health::failing(&self.inner.books.stored).map_err(to_js)?;
        Ok(since.map(Time::seconds))
    }

    /// The plan, for a ledger that does not know it. Only the lead has it for certain.
    pub fn join(&self) -> Result<JsValue, JsValue> {
        let inner = &self.inner;
        // The alarm is set that begins a change: a new ledger may be asked already.
        let plan = inner.change(|tally, _, _| Ok(tally.plan()));
        let plan = plan.map_err(to_js)?.ok_or(Error::Unavailable);
        let bytes = plan.and_then(|plan| rpc::bytes(&plan)).map_err(to_js)?;
        inner.books.commit_then(bytes.into()).map_err(to_js)
    }

    /// Follows a plan, and hands some posts over by it.
    pub fn advance(&self, plan: Vec<u8>) -> Promise {
        let inner = Rc::clone(&self.inner);
        promised(async move {
            let plan = rpc::read(&plan).map_err(to_js)?;
            inner.follow(plan).map_err(to_js)?;
            let done = inner.hand_over().await.map_err(to_js)?;
            Ok(done.into())
        })
    }

    /// Takes posts in that another ledger hands over.
    pub fn receive(&self, batch: Vec<u8>) -> Result<JsValue, JsValue> {
        let inner = &self.inner;
        let settings = &inner.settings;
        let received = inner
            .change(|tally, rows, now| tally.receive(rows, &batch, settings, now, random))
            .and_then(|()| inner.books.commit_then(JsValue::UNDEFINED));
        received.map_err(to_js)
    }

    /// Publishes what the lead grants, and tells what the head needs of it.
    pub fn collect(&self, order: Vec<u8>) -> Promise {
        let inner = Rc::clone(&self.inner);
        promised(async move {
            let (plan, grant, published) = rpc::read(&order).map_err(to_js)?;
            inner.follow(plan).map_err(to_js)?;
            let slice = inner.publish_grant(grant, published).await;
            let bytes = slice.and_then(|slice| slice.write()).map_err(to_js)?;
            Ok(Uint8Array::from(bytes.as_slice()).into())
        })
    }

    /// Publishes what has changed. It never fails, because a failing alarm is given up after a while.
    pub fn alarm(&self) -> Promise {
        let inner = Rc::clone(&self.inner);
        promised(async move {
            #[cfg(feature = "fault")]
            crate::edge::fault::pass("alarm");
            if let Err(error) = inner.publish().await {
                worker::console_error!("ledger: the alarm failed: {error}");
                inner.note(true);
                let later = Date::now() + f64::from(inner.settings.publish) * 1000.0;
                inner.books.stored.set_alarm(later);
            }
            Ok(JsValue::UNDEFINED)
        })
    }
}

/// How many entries may fail before the rest is left to the next publication: one that Workers KV
/// does not take must not keep back the others.
const MOST_FAILURES: u32 = 3;
/// From how many bytes on the text of an export goes on in the next call.
const EXPORT_BYTES: usize = 256 << 10;

/// A ping as the Worker sends it.
struct Sent {
    post: PostId,
    id: Option<PingId>,
    address: Option<String>,
    agent: Option<String>,
    /// Why it does not count, where it does not.
    reason: Option<Reason>,
}

/// How many values [`Sent::read`] takes.
const SENT_FIELDS: usize = 5;

impl Sent {
    /// Reads the values of one of several pings.
    fn read(fields: &[JsValue]) -> Result<Self, Error> {
        let [post, id, address, agent, reason] = fields else {
            return Err(Error::InvalidPost);
        };
        let reason = reason.as_f64().map(|number| number as u8);
        let reason = reason.map(|number| Reason::from_number(number).ok_or(Error::NotACount));
        Ok(Self {
            post: PostId::parse(post.as_string().ok_or(Error::InvalidPost)?)?,
            id: id.as_string().map(PingId::parse).transpose()?,
            address: address.as_string(),
            agent: agent.as_string(),
            reason: reason.transpose()?,
        })
    }

    fn visitor(&self) -> Option<(&str, &str)> {
        let address = self.address.as_deref()?;
        Some((address, self.agent.as_deref().unwrap_or_default()))
    }

    /// What stands in the place of the user agent where there is no address.
    fn network(&self) -> Option<u32> {
        let agent = self.agent.as_ref().filter(|_| self.address.is_none());
        agent?.parse().ok()
    }

    /// Whether the network is only told where it is needed.
    fn hides_network(&self) -> bool {
        self.address.is_none() && self.agent.as_deref() == Some("")
    }
}

/// What a call does, as one type.
type Work = Box<dyn FnOnce(&Inner) -> Result<JsValue, Error>>;

/// What a call has to wait for before it can be answered.
enum Before {
    Nothing,
    /// This ledger does not know of the others.
    Plan,
    /// The post is on its way to another ledger.
    Handover,
    /// Something in Workers KV.
    Want(Want),
}

/// How long a call waits for a post that is on its way, in milliseconds, and how often it looks.
const PATIENCE: u32 = 3000;
const LOOK: u32 = 10;

pub(super) struct Inner {
    pub(super) books: Rc<Commits<Books>>,
    pub(super) settings: Rc<Settings>,
    views: Namespace,
    pub(super) env: Env,
    /// Whether this ledger is handing posts over, and whether it is writing to Workers KV.
    pub(super) is_handing_over: Cell<bool>,
    pub(super) is_publishing: Cell<bool>,
}

impl Inner {
    /// Does `work`, and promises what it answers, or tells which ledger owns `post`. While the takeover goes
    /// on, only after what Workers KV has of `post`, or without one a part of all, was taken over, or that
    /// was tried.
    fn after_adoption(
        self: &Rc<Self>,
        post: Option<PostId>,
        work: impl FnOnce(&Self) -> Result<JsValue, Error> + 'static,
    ) -> Result<JsValue, JsValue> {
        let work: Work = Box::new(work);
        let before = self.before(post.as_ref()).map_err(to_js)?;
        if let Before::Nothing = before {
            return self.answer(post.as_ref(), work).map_err(to_js);
        }
        let inner = Rc::clone(self);
        let answer = promised(async move {
            inner.wait(before, post.as_ref()).await.map_err(to_js)?;
            let answer = inner.answer(post.as_ref(), work).map_err(to_js)?;
            match answer.dyn_into::<Promise>() {
                Ok(promise) => JsFuture::from(promise).await,
                Err(answer) => Ok(answer),
            }
        });
        Ok(answer.into())
    }

    /// Waits for all that has to be before a call can be answered.
    async fn wait(&self, before: Before, post: Option<&PostId>) -> Result<(), Error> {
        let mut next = before;
        let mut waited = 0;
        loop {
            match next {
                Before::Nothing => return Ok(()),
                Before::Plan => self.ask_for_plan().await?,
                Before::Handover if waited >= PATIENCE => return Err(Error::Moving),
                Before::Handover => {
                    let _ = JsFuture::from(sleep(LOOK)).await;
                    waited += LOOK;
                }
                Before::Want(want) => {
                    // Whether it works or not: a view is counted either way.
                    let is_last = matches!(want, Want::Entry(_) | Want::List(_));
                    if self.take_over(want).await.is_err() || is_last {
                        return Ok(());
                    }
                }
            }
            next = self.before(post)?;
        }
    }

    /// What a call has to wait for.
    fn before(&self, post: Option<&PostId>) -> Result<Before, Error> {
        let whose = self.books.stored.with(|tally, _| {
            let is_known = tally.plan().is_some();
            Ok(match post {
                _ if !is_known => Whose::Unknown,
                Some(post) => tally.whose(post),
                None => Whose::Here,
            })
        })?;
        Ok(match whose {
            Whose::Unknown => Before::Plan,
            Whose::OnItsWay => Before::Handover,
            Whose::There(_) => Before::Nothing,
            Whose::Here => self.want(post)?.map_or(Before::Nothing, Before::Want),
        })
    }

    /// The answer to a call about a post that another ledger owns: its name.
    fn elsewhere(&self, post: &PostId) -> Result<Option<JsValue>, Error> {
        self.books.stored.with(|tally, _| match tally.whose(post) {
            Whose::Here => Ok(None),
            Whose::There(ledger) => Ok(Some(ledger.to_string().into())),
            Whose::OnItsWay | Whose::Unknown => Err(Error::Moving),
        })
    }

    /// What [`Ledger::pings`] answers for a ping; an error where storage failed, and with it all that was
    /// not written yet.
    fn take_in_together(&self, fields: &[JsValue]) -> Result<JsValue, Error> {
        let ready = Sent::read(fields).and_then(|ping| {
            if !matches!(self.before(Some(&ping.post))?, Before::Nothing) {
                return Ok(Err(JsValue::UNDEFINED));
            }
            if let Some(elsewhere) = self.elsewhere(&ping.post)? {
                return Ok(Err(elsewhere));
            }
            self.is_readable(&ping.post)?;
            Ok(Ok(ping))
        });
        match ready {
            Ok(Err(answer)) => Ok(answer),
            Ok(Ok(ping)) => match self.take_in(&ping) {
                Err(error) if !is_of_storage(error) => Ok(to_js(error)),
                answer => answer,
            },
            Err(error) => Ok(to_js(error)),
        }
    }

    /// Counts a ping, or notes why it does not count.
    fn take_in(&self, sent: &Sent) -> Result<JsValue, Error> {
        if let Some(reason) = sent.reason {
            return self.skip(reason, 1, Some(&sent.post));
        }
        let ping = Ping {
            post: &sent.post,
            id: sent.id.as_ref().map(PingId::as_str),
            visitor: sent.visitor(),
            network: sent.network(),
        };
        let settings = &self.settings;
        let told = self.attempt(|tally, rows, now| {
            if sent.hides_network() && tally.wants_network(rows, &sent.post, settings)? {
                return Ok(None);
            }
            let outcome = tally.ping(rows, ping, settings, now, random)?;
            Ok(Some((outcome, tally.check(ping, settings, now))))
        })?;
        let (outcome, check) = match told {
            None => return Ok(JsValue::FALSE),
            Some((Outcome::Unknown, _)) => return Ok(JsValue::TRUE),
            Some(counted) => counted,
        };
        self.arm()?;
        let number = outcome.number().into();
        Ok(match check {
            None => number,
            Some(page) => Array::of2(&number, &page.into()).into(),
        })
    }

    /// Takes in what a page says of a post, and logs where the site cannot be read any more.
    fn judge(&self, post: &PostId, address: &str, verdict: Verdict) -> Result<bool, Error> {
        let settings = &self.settings;
        let outage = |tally: &mut Tally, _: &_| Ok(tally.outage());
        let before = self.books.stored.with(outage)?;
        let known = self
            .attempt(|tally, rows, now| tally.judged(rows, post, address, verdict, settings, now));
        let after = self.books.stored.with(outage)?;
        let has_changed = self.books.stored.with(|tally, _| Ok(tally.is_unsaved()))?;
        // A page that proves nothing is remembered in memory only.
        if has_changed || known == Ok(true) || before.is_some() || after.is_some() {
            self.arm()?;
        }
        if let (None, Some(outage)) = (before, after) {
            worker::console_error!("ledger: the site cannot be read: {}", outage.why);
        }
        known
    }

    /// Notes pings that do not count; the views of `post`.
    fn skip(&self, reason: Reason, pings: u32, post: Option<&PostId>) -> Result<JsValue, Error> {
        let views = self.change(|tally, rows, _| {
            tally.skip(reason, pings);
            post.map_or(Ok(0), |post| tally.views(rows, post))
        })?;
        Ok((views as f64).into())
    }

    /// Whether the rows of a post can be read. Asked before its change, because a change that fails takes
    /// along all that was not written yet.
    fn is_readable(&self, post: &PostId) -> Result<(), Error> {
        self.books
            .stored
            .with(|tally, rows| tally.views(rows, post).map(drop))
    }

    /// What has to be read from Workers KV before a call can be answered. Where Workers KV fails, the
    /// next alarm tries again.
    fn want(&self, post: Option<&PostId>) -> Result<Option<Want>, Error> {
        self.books
            .stored
            .with(|tally, rows| match tally.has_failed() {
                true => Ok(None),
                false => tally.want(rows, post),
            })
    }

    /// Reads something from Workers KV, and takes it over.
    async fn take_over(&self, want: Want) -> Result<(), Error> {
        let taken = self.take(want).await;
        self.books.stored.with(|tally, _| {
            tally.tried(taken.is_ok());
            if let (true, Some(adopted)) = (taken.is_ok(), tally.adopted()) {
                let facts = [
                    ("ledger", tally.number().into()),
                    ("posts", adopted.posts.into()),
                    ("left", adopted.left.into()),
                ];
                log::event("taken_over", &facts);
            }
            Ok(())
        })?;
        taken
    }

    /// Notes whether publishing works, for a monitor.
    fn note(&self, has_failed: bool) {
        // Where storage fails, that is logged.
        let _ = health::note(&self.books.stored, has_failed, now());
    }

    async fn take(&self, want: Want) -> Result<(), Error> {
        match want {
            Want::Head => match self.views.bytes(HEAD).await?.map(Published::read) {
                Some(Ok(head)) => {
                    worker::console_log!("ledger: restoring what was published");
                    self.change(|tally, rows, now| tally.found_head(rows, &head, now))
                }
                Some(Err(_)) => {
                    worker::console_error!("ledger: {HEAD} cannot be read, and is left alone");
                    self.change(|tally, _, now| {
                        tally.found_foreign_head(now);
                        Ok(())
                    })
                }
                None => self.change(|tally, _, _| {
                    tally.found_no_head();
                    Ok(())
                }),
            },
            Want::Part(key) => {
                let found = match self
                    .views
                    .bytes(&key)
                    .await?
                    .map(|bytes| Part::read(bytes, 0))
                {
                    Some(Ok(part)) => FoundPart::Part(part),
                    Some(Err(_)) => FoundPart::Unreadable,
                    None => FoundPart::Nothing,
                };
                if !matches!(found, FoundPart::Part(_)) {
                    worker::console_error!("ledger: {key} is missing or cannot be read");
                }
                self.change(|tally, rows, now| tally.found_part(rows, &key, &found, now))
            }
            Want::Entry(post) => {
                let found = self.views.entry(&post).await?;
                self.change(|tally, rows, now| tally.found_entry(rows, &post, found, now))
            }
            Want::List(cursor) => {
                let owns = |post: &PostId| {
                    let whose = self.books.stored.with(|tally, _| Ok(tally.whose(post)));
                    whose.is_ok_and(|whose| whose == Whose::Here)
                };
                let section = kv::section(&self.views, cursor.clone(), owns).await?;
                self.change(|tally, rows, now| tally.found_section(rows, &cursor, section, now))
            }
        }
    }

    /// Refuses what needs every post while not all are taken over.
    fn taken_over(&self) -> Result<(), Error> {
        let is_over = self
            .books
            .stored
            .with(|tally, _| Ok(tally.is_taken_over()))?;
        is_over.then_some(()).ok_or(Error::Adopting)
    }

    fn answer(&self, post: Option<&PostId>, work: Work) -> Result<JsValue, Error> {
        if let Some(post) = post
            && let Some(elsewhere) = self.elsewhere(post)?
        {
            return Ok(elsewhere);
        }
        let answer = work(self)?;
        self.written_then(answer)
    }

    /// Has what has changed written before `answer` is told; where nothing has, nothing is written.
    fn written_then(&self, answer: JsValue) -> Result<JsValue, Error> {
        match self.books.stored.has_changed.get() {
            true => self.books.commit_then(answer),
            false => Ok(answer),
        }
    }

    /// Refuses what is asked of all posts where they are not shared among so many ledgers.
    fn is_settled(&self, ledgers: u8) -> Result<(), Error> {
        let is_settled = |tally: &mut Tally, _: &_| Ok(tally.is_settled(ledgers));
        let is_settled = self.books.stored.with(is_settled)?;
        is_settled.then_some(()).ok_or(Error::Moving)
    }

    /// The number of this ledger.
    fn number(&self) -> Result<u8, Error> {
        self.books.stored.with(|tally, _| Ok(tally.number()))
    }

    /// Works on the books. Where storage fails, they are read anew, because the work may be half done.
    pub(super) fn attempt<T>(
        &self,
        work: impl FnOnce(&mut Tally, &Books, Time) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let now = now();
        let done = self.books.stored.with(|tally, rows| work(tally, rows, now));
        done.inspect_err(|error| self.failed(*error))
    }

    #[inline(never)]
    fn failed(&self, error: Error) {
        if is_of_storage(error) {
            self.books.fail(error);
        }
    }

    /// Changes the books, and sets the alarm that follows from it. To be committed before it is told.
    pub(super) fn change<T>(
        &self,
        work: impl FnOnce(&mut Tally, &Books, Time) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let done = self.attempt(work)?;
        self.arm()?;
        Ok(done)
    }

    #[inline(never)]
    fn arm(&self) -> Result<(), Error> {
        self.books.stored.has_changed.set(true);
        let alarm = self.attempt(|tally, _, now| Ok(tally.arm(now, &self.settings)))?;
        if let Some(at) = alarm {
            self.books.stored.set_alarm(at.millis());
        }
        Ok(())
    }

    /// Waits until all changes are on their way to the disk.
    pub(super) async fn committed(&self) -> Result<(), Error> {
        if let Some(write) = self.books.commit()? {
            JsFuture::from(write).await.map_err(unavailable)?;
        }
        Ok(())
    }

    async fn publish(&self) -> Result<(), Error> {
        self.attempt(|tally, _, _| {
            tally.alarm_came();
            Ok(())
        })?;
        let want = self.attempt(|tally, rows, _| tally.want(rows, None))?;
        if let Some(want) = want {
            let taken = self.take_over(want).await;
            self.note(taken.is_err());
            if let Err(error) = taken {
                // The next alarm tries again.
                worker::console_error!("ledger: Workers KV is not taken over: {error}");
            }
        }
        let began = Date::now();
        let settings = &self.settings;
        if self.see_to_change().await? {
            return self.committed().await;
        }
        let begun = self.attempt(|tally, rows, now| tally.begin(rows, now, settings))?;
        // What is published is on the disk, and so is what it costs; and what no longer matters is gone.
        self.committed().await?;
        let Some(publication) = begun else {
            self.give_notice().await;
            self.change(|_, _, _| Ok(()))?;
            return self.committed().await;
        };
        let is_lead = self.number()? == LEAD;
        // A ledger that does not lead only removes its own keys by itself.
        let is_owner = match is_lead {
            true => self.is_owner().await,
            false => Ok(true),
        };
        let outcomes = match is_owner {
            Ok(true) => {
                if is_lead {
                    self.collect_all().await?;
                }
                self.write_all(publication).await?
            }
            Ok(false) => {
                self.note(true);
                self.change(|tally, _, now| {
                    tally.refuse(now);
                    Ok(())
                })?;
                return self.committed().await;
            }
            // What was logged when it failed.
            Err(_) => Outcomes {
                has_failed: true,
                ..Outcomes::default()
            },
        };
        let (writes, has_failed) = (outcomes.writes, outcomes.has_failed);
        self.change(|tally, rows, now| tally.end(rows, outcomes, now, settings))?;
        self.committed().await?;
        if is_lead {
            self.note(has_failed);
            self.tell_of_publication(writes, has_failed, (Date::now() - began) as u64)?;
        }
        Ok(())
    }

    /// Logs a publication.
    fn tell_of_publication(&self, writes: u32, has_failed: bool, took: u64) -> Result<(), Error> {
        let facts = self.books.stored.with(|tally, _| {
            let (views, posts, skipped) = tally.totals();
            Ok([
                ("views", views),
                ("posts", posts),
                ("not_counted", skipped),
                ("writes", writes.into()),
                ("ms", took),
            ])
        })?;
        match has_failed {
            true => log::event("publication_failed", &facts),
            false => {
                log::event("published", &facts);
                let numbers = facts.map(|(_, number)| number as f64).to_vec();
                log::point(&self.env, "published", numbers);
            }
        }
        Ok(())
    }

    /// Whether this deployment is the one that publishes in the namespace. It becomes it where there is
    /// none, or the one that it was restored from.
    pub(super) async fn is_owner(&self) -> Result<bool, Error> {
        let (own, before) = self.books.stored.with(|tally, _| Ok(tally.deployment()))?;
        let name = |key: Key| {
            key.iter().fold(String::new(), |mut name, byte| {
                // Writing to a String does not fail.
                let _ = write!(name, "{byte:02x}");
                name
            })
        };
        let owner = self.views.text(OWNER).await?.as_string();
        match owner {
            Some(owner) if owner == name(own) => Ok(true),
            Some(owner) if !before.into_iter().any(|key| name(key) == owner) => {
                worker::console_error!(
                    "ledger: nothing is published, because another deployment ({owner}) publishes in this namespace; remove {OWNER} to take its place"
                );
                let since = now().seconds().to_string();
                self.views.write_text(REFUSED, &since).await?;
                Ok(false)
            }
            None if self.has_unreadable_head().await? => {
                worker::console_error!(
                    "ledger: nothing is published over {HEAD}, which cannot be read; remove it to go on"
                );
                Ok(false)
            }
            _ => self.views.write_text(OWNER, &name(own)).await.map(|_| true),
        }
    }

    /// Whether there is a head of another version, or something else in its place.
    async fn has_unreadable_head(&self) -> Result<bool, Error> {
        let head = self.views.bytes(HEAD).await?;
        Ok(head.is_some_and(|head| Published::read(head).is_err()))
    }

    /// Writes what is to be published: parts, then the head that tells of them, then entries.
    pub(super) async fn write_all(&self, publication: Publication) -> Result<Outcomes, Error> {
        let settings = &self.settings;
        let mut outcomes = Outcomes::default();
        while let Some(write) =
            self.attempt(|tally, rows, now| tally.next_write(rows, now, settings))?
        {
            outcomes.writes += 1;
            if self.views.write(&write.key, &write.bytes).await.is_err() {
                outcomes.has_failed = true;
                return Ok(outcomes);
            }
            self.change(|tally, _, _| {
                tally.written(write.what, write.at);
                Ok(())
            })?;
        }
        self.write_entries(publication.entries, &mut outcomes).await;
        for key in publication.retired {
            outcomes.writes += 1;
            if self.views.remove(&key).await.is_ok() {
                outcomes.retired.push(key);
            }
        }
        Ok(outcomes)
    }

    /// Writes entries until [`MOST_FAILURES`] have failed.
    async fn write_entries(&self, entries: Vec<StaleEntry>, outcomes: &mut Outcomes) {
        let mut failures = 0;
        for entry in entries {
            if failures == MOST_FAILURES {
                return;
            }
            let written = self.write_entry(&entry, outcomes).await;
            failures += u32::from(written.is_err());
            outcomes.entries.push((entry.post, written.ok()));
        }
    }

    /// Writes the entry of a post, unless it is another program's; what it is now.
    async fn write_entry(
        &self,
        stale: &StaleEntry,
        outcomes: &mut Outcomes,
    ) -> Result<Entry, Error> {
        let action = match stale.is_unknown() {
            true => stale.action(self.views.entry(&stale.post).await?),
            false => stale.known_action(),
        };
        let key = stale.post.as_str();
        match action {
            Action::Keep(entry) => Ok(entry),
            Action::Write(views) => {
                outcomes.writes += 1;
                self.views.write_text(key, &views.to_string()).await?;
                Ok(Entry::Count(views))
            }
            Action::Remove => {
                outcomes.writes += 1;
                self.views.remove(key).await?;
                Ok(Entry::None)
            }
        }
    }
}

/// The books in memory, and the rows they are stored in.
pub(super) struct Books {
    kv: SyncKv,
    storage: Storage,
    settings: Rc<Settings>,
    /// What the object's name says, where it is known.
    number: Option<u8>,
    /// `None` until storage was read, and again after a write that failed.
    tally: RefCell<Option<Tally>>,
    /// Whether anything has changed that was not written yet.
    has_changed: Cell<bool>,
}

impl Books {
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&mut Tally, &Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        work(&mut *self.open()?, self)
    }

    /// The books, read anew where they are not in memory. Not inlined: half a hundred callers would hold it.
    #[inline(never)]
    fn open(&self) -> Result<RefMut<'_, Tally>, Error> {
        let mut tally = self.tally.borrow_mut();
        if tally.is_none() {
            // Books that there are know their number, or are from before there were several.
            let is_nameless = self.number.is_none() && self.get(&rows::key("state"))?.is_none();
            if is_nameless {
                return Err(Error::Unavailable);
            }
            let number = self.number.unwrap_or(LEAD);
            let books = Tally::load(self, number, &self.settings, now(), random)?;
            *tally = Some(books);
        }
        RefMut::filter_map(tally, Option::as_mut).map_err(|_| Error::Unreadable)
    }

    fn set_alarm(&self, at: f64) {
        // The output gate holds answers until it is set.
        match self.storage.set_alarm(at) {
            Ok(set) => spawn_local(async move {
                if let Err(cause) = JsFuture::from(set).await {
                    unavailable(cause);
                }
            }),
            Err(cause) => {
                unavailable(cause);
            }
        }
    }
}

impl Stored for Books {
    // A row is most of what a view costs: under load dozens share one, some milliseconds later.
    const UNWATCHED: u8 = 8;
    const GATHER: u32 = 4;

    fn write(&self) -> Result<(), Error> {
        let mut saved = Ok(());
        let transaction = self.storage.transaction_sync(&mut || {
            saved = self.with(|tally, rows| tally.save(rows, now(), &self.settings));
            saved.map_err(to_js)
        });
        saved?;
        transaction.map_err(unavailable)?;
        self.has_changed.set(false);
        Ok(())
    }

    fn forget(&self) {
        self.tally.take();
        self.has_changed.set(false);
    }
}

impl Rows for Books {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let value = self.kv.get(&key.into()).map_err(unavailable)?;
        match value.dyn_into::<Uint8Array>() {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(value) if value.is_undefined() => Ok(None),
            Err(_) => Err(Error::Unreadable),
        }
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        let value = Uint8Array::from(value);
        self.kv.put(&key.into(), &value).map_err(unavailable)
    }

    fn delete(&self, key: &str) -> Result<(), Error> {
        let deleted = self.kv.delete(&key.into());
        deleted.map(drop).map_err(unavailable)
    }
}

/// Whether storage failed, so that what is in memory may differ from it.
fn is_of_storage(error: Error) -> bool {
    matches!(error, Error::Unreadable | Error::Unavailable)
}
