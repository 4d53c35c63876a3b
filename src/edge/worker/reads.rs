//! Reads: what everybody may know comes from the published snapshot, and never from the ledger.

use super::Asked;
use super::ledger::Client;
use super::promise;
use crate::base::error::Error;
use crate::base::time::Time;
use crate::edge::platform::publish;
use crate::edge::platform::reply::{self, Reply};
use crate::http::answer;
use crate::http::route::Views;
use crate::published::snapshot::Snapshot;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::js_sys::Date;
use worker::wasm_bindgen_futures::future_to_promise;

thread_local! {
    /// The snapshot as it was last read.
    static READ: RefCell<Option<Rc<Read>>> = RefCell::default();
}

impl Asked {
    pub(super) fn read(self, views: Views) -> Result<JsValue, JsValue> {
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
        let answer = read.answer(views, now, self.max_age(read))?;
        answer.reply(known.as_deref())
    }

    /// The snapshot in memory, where it is new enough.
    fn fresh(&self) -> Option<Rc<Read>> {
        // A tenth of the time between two publications.
        let most = (f64::from(self.settings.publish) * 100.0).min(30_000.0);
        let young = |read: &&Rc<Read>| (0.0..most).contains(&(Date::now() - read.at.get()));
        READ.with_borrow(|read| read.as_ref().filter(young).cloned())
    }

    /// Reads the snapshot; where that fails, the last one serves.
    async fn read_again(&self) -> Result<Rc<Read>, Error> {
        let views = self.env.unchecked_ref::<publish::Bindings>().views();
        let snapshot = match publish::read(&views).await {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) => self.begin(),
            Err(error) => return last().ok_or(error),
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

    /// How long a reader may keep an answer, in seconds; not at all while nothing was published.
    fn max_age(&self, read: &Read) -> u32 {
        match read.snapshot.summary.published == Time::default() {
            true => 0,
            false => self.settings.publish.min(60),
        }
    }
}

/// The last snapshot, where a newer one cannot be read. It serves those who come next without asking
/// again, as a new one would.
fn last() -> Option<Rc<Read>> {
    let last = READ.with_borrow(Option::clone)?;
    last.at.set(Date::now());
    Some(last)
}

/// A snapshot, when it was read, and the answer that was made of it last.
struct Read {
    snapshot: Snapshot,
    at: Cell<f64>,
    last: RefCell<Option<(Views, Time, Rc<reply::Published>)>>,
}

impl Read {
    fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            at: Cell::new(Date::now()),
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
        let answer = Rc::new(match views {
            Views::Badge(post, badge) => {
                let svg = badge.svg(self.snapshot.views(post));
                reply::Published::svg(&svg, max_age)?
            }
            _ => reply::Published::json(&self.json(views, now), max_age)?,
        });
        self.last
            .replace(Some((views.clone(), now, Rc::clone(&answer))));
        Ok(answer)
    }

    fn json(&self, views: &Views, now: Time) -> String {
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
