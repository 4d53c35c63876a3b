//! The `Ledger` object, the single writer of the posts' views; in ledger/ the Worker's client of it.
//!
//! It stores the rows of [`crate::books::tally`] and publishes by alarm, as [`crate::published::budget`] allows, what
//! [`crate::edge::platform::publish`] writes to Workers KV. Where Workers KV fails, views are counted all the same
//! and the alarm comes again.
//!
//! A new ledger takes over the counts that another program left in Workers KV: a post's when the post
//! is counted first, the others part by part, an alarm each. Where Workers KV fails meanwhile, it
//! counts from 0 and adds them when it can.
//!
//! Over RPC it answers, with an error of a built-in class where it cannot:
//!
//! ```text
//! ping(post, id, address, agent)   Outcome::number
//! skip(reason, pings, post)        the post's views, 0 without a post
//! set(post, views)                 nothing; 0 forgets the post
//! exported(format)                 crate::http::portable
//! imported(bytes)                  nothing; (Mode, [(post, Record)]) in postcard
//! wake()                           nothing; has something published
//! ```

use crate::base::error::Error;
use crate::base::id::{PingId, PostId};
use crate::base::settings::Settings;
use crate::base::time::Time;
use crate::books::seen::Key;
use crate::books::tally::{Ping, Rows, Tally};
use crate::edge::platform::publish::{self, Namespace};
use crate::edge::platform::storage::{
    Commits, Context, Storage, Stored, SyncKv, thrown, unavailable,
};
use crate::http::portable::Format;
use crate::model::mode::Mode;
use crate::model::reason::Reason;
use crate::model::record::Record;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::js_sys::{Date, Object, Promise, Uint8Array};
use worker::wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use worker::{Env, js_sys};

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
        let books = Books {
            kv: storage.kv(),
            storage: storage.clone(),
            tally: RefCell::default(),
        };
        let views = env.unchecked_ref::<publish::Bindings>().views();
        let inner = Inner {
            books: Commits::new(storage, books),
            settings: settings(env),
            views,
        };
        Self {
            inner: Rc::new(inner),
        }
    }

    /// Counts a view, unless it is a repeat; `address` and `agent` are only given where the visitor
    /// may be known by them. An [`Outcome::number`], or a promise of it.
    pub fn ping(
        &self,
        post: String,
        id: Option<String>,
        address: Option<String>,
        agent: Option<String>,
    ) -> Result<JsValue, JsValue> {
        let post = PostId::parse(post).map_err(thrown)?;
        let id = id.map(PingId::parse).transpose().map_err(thrown)?;
        self.inner.after_adoption(Some(post.clone()), move |inner| {
            let visitor = address
                .as_deref()
                .map(|of| (of, agent.as_deref().unwrap_or_default()));
            let ping = Ping {
                post: &post,
                id: id.as_ref().map(PingId::as_str),
                visitor,
            };
            let settings = &inner.settings;
            inner
                .change(|tally, rows, now| tally.ping(rows, ping, settings, now, random))
                .map(|outcome| outcome.number().into())
        })
    }

    /// Notes pings that do not count, by [`Reason::number`]; the views of `post`.
    pub fn skip(&self, reason: u8, pings: u32, post: Option<String>) -> Result<JsValue, JsValue> {
        let reason = Reason::from_number(reason).ok_or_else(|| thrown(Error::NotACount))?;
        let post = post.map(PostId::parse).transpose().map_err(thrown)?;
        self.inner.after_adoption(post.clone(), move |inner| {
            let views = inner.change(|tally, rows, _| {
                tally.skip(reason, pings);
                post.as_ref().map_or(Ok(0), |post| tally.views(rows, post))
            })?;
            Ok((views as f64).into())
        })
    }

    /// Sets a post's views; 0 forgets it.
    pub fn set(&self, post: String, views: f64) -> Result<JsValue, JsValue> {
        let post = PostId::parse(post).map_err(thrown)?;
        self.inner.after_adoption(Some(post.clone()), move |inner| {
            inner.change(|tally, rows, _| tally.set(rows, &post, views as u64))?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Writes every record down.
    pub fn exported(&self, format: String) -> Result<JsValue, JsValue> {
        let format = Format::parse(&format).map_err(thrown)?;
        self.inner.after_adoption(None, move |inner| {
            inner.adopted()?;
            let records = inner.books.stored.with(|tally, rows| tally.export(rows))?;
            Ok(format.write(&records).into())
        })
    }

    /// Takes records in.
    pub fn imported(&self, bytes: Vec<u8>) -> Result<JsValue, JsValue> {
        let import: Result<(Mode, Vec<(PostId, Record)>), _> = postcard::from_bytes(&bytes);
        let (mode, records) = import.map_err(|_| thrown(Error::NotACount))?;
        self.inner.after_adoption(None, move |inner| {
            inner.adopted()?;
            inner.change(|tally, rows, _| tally.import(rows, records, mode))?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Publishes soon, whether anything has changed or not.
    pub fn wake(&self) -> Result<JsValue, JsValue> {
        self.inner.after_adoption(None, move |inner| {
            inner.change(|tally, _, _| {
                tally.publish_again();
                Ok(())
            })?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Publishes what has changed. It never fails, because a failing alarm is given up after a while.
    pub fn alarm(&self) -> Promise {
        let inner = Rc::clone(&self.inner);
        future_to_promise(async move {
            if let Err(error) = inner.publish().await {
                worker::console_error!("ledger: the alarm failed: {error}");
                let later = Date::now() + f64::from(inner.settings.publish) * 1000.0;
                inner.books.stored.set_alarm(later);
            }
            Ok(JsValue::UNDEFINED)
        })
    }
}

/// What a call does, as one type.
type Work = Box<dyn FnOnce(&Inner) -> Result<JsValue, Error>>;

struct Inner {
    books: Rc<Commits<Books>>,
    settings: Settings,
    views: Namespace,
}

impl Inner {
    /// Does `work`, and promises what it answers; while the takeover goes on, only after the entry of
    /// `post`, or without one a part of all, was taken over, or that was tried.
    fn after_adoption(
        self: &Rc<Self>,
        post: Option<PostId>,
        work: impl FnOnce(&Self) -> Result<JsValue, Error> + 'static,
    ) -> Result<JsValue, JsValue> {
        let work: Work = Box::new(work);
        let is_over = self.books.stored.with(|tally, rows| match &post {
            // Where Workers KV fails, the next alarm tries again.
            _ if tally.takeover_failed => Ok(true),
            Some(post) => Ok(!tally.is_unadopted(rows, post)?),
            None => Ok(tally.takeover().is_none()),
        });
        if is_over.map_err(thrown)? {
            return self.answer(work).map_err(thrown);
        }
        let inner = Rc::clone(self);
        let answer = future_to_promise(async move {
            // Whether it worked or not: a view is counted either way.
            let _ = match post {
                Some(post) => inner.adopt_one(post).await,
                None => inner.adopt_part().await,
            };
            let answer = inner.answer(work).map_err(thrown)?;
            match answer.dyn_into::<Promise>() {
                Ok(promise) => JsFuture::from(promise).await,
                Err(answer) => Ok(answer),
            }
        });
        Ok(answer.into())
    }

    /// Takes over the entry of a post.
    async fn adopt_one(&self, post: PostId) -> Result<(), Error> {
        let entry = self.tried(publish::entry(&self.views, &post).await)?;
        match entry {
            Some(count) => self.change(|tally, rows, _| tally.adopt(rows, &[(post, count)])),
            None => Ok(()),
        }
    }

    /// Takes over the next part of what is in Workers KV, if there is one.
    async fn adopt_part(&self) -> Result<(), Error> {
        let Some(from) = self.books.stored.with(|tally, _| Ok(tally.takeover()))? else {
            return Ok(());
        };
        let part = self.tried(publish::part(&self.views, from.clone()).await)?;
        self.change(|tally, rows, _| tally.adopt_part(rows, &from, part))
    }

    /// Notes whether Workers KV let something be taken over.
    fn tried<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        self.books.stored.with(|tally, _| {
            tally.takeover_failed = outcome.is_err();
            Ok(())
        })?;
        outcome
    }

    /// Refuses what needs every post while not all are taken over.
    fn adopted(&self) -> Result<(), Error> {
        let takeover = self.books.stored.with(|tally, _| Ok(tally.takeover()))?;
        takeover.map_or(Ok(()), |_| Err(Error::Adopting))
    }

    fn answer(&self, work: Work) -> Result<JsValue, Error> {
        let answer = work(self)?;
        self.books.commit_then(answer)
    }

    /// Changes the books, and sets the alarm that follows from it. To be committed before it is told.
    fn change<T>(
        &self,
        work: impl FnOnce(&mut Tally, &Books, Time) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let now = now();
        let changed = self.books.stored.with(|tally, rows| {
            let done = work(tally, rows, now)?;
            Ok((done, tally.arm(now, &self.settings)))
        });
        if let Err(error) = changed
            && error != Error::TooManyPosts
        {
            // The change may be half done.
            self.books.fail(error);
        }
        let (done, alarm) = changed?;
        if let Some(at) = alarm {
            self.books.stored.set_alarm(at.millis());
        }
        Ok(done)
    }

    /// Waits until all changes are on their way to the disk.
    async fn committed(&self) -> Result<(), Error> {
        if let Some(write) = self.books.commit()? {
            JsFuture::from(write).await.map_err(unavailable)?;
        }
        Ok(())
    }

    async fn publish(&self) -> Result<(), Error> {
        let stored = &self.books.stored;
        if let Err(error) = self.adopt_part().await {
            // The next alarm tries again.
            worker::console_error!("ledger: Workers KV is not taken over: {error}");
        }
        let settings = &self.settings;
        let begun = stored.with(|tally, rows| tally.begin(rows, now(), settings))?;
        let Some(publication) = begun else {
            self.change(|_, _, _| Ok(()))?;
            return self.committed().await;
        };
        // What is published is on the disk, and so is what it costs.
        self.committed().await?;
        let published = publish::publish(&self.views, publication).await;
        self.change(|tally, rows, now| tally.end(rows, published, now, settings))?;
        self.committed().await
    }
}

/// The books in memory, and the rows they are stored in.
struct Books {
    kv: SyncKv,
    storage: Storage,
    /// `None` until storage was read, and again after a write that failed.
    tally: RefCell<Option<Tally>>,
}

impl Books {
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Tally, &Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut tally = self.tally.borrow_mut();
        let tally = match &mut *tally {
            Some(tally) => tally,
            empty => empty.insert(Tally::load(self, random)?),
        };
        work(tally, self)
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
            saved = self.with(|tally, rows| tally.save(rows, now()));
            saved.map_err(thrown)
        });
        saved?;
        transaction.map_err(unavailable)
    }

    fn forget(&self) {
        self.tally.take();
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

fn now() -> Time {
    Time::from_millis(Date::now())
}

/// 128 random bits.
fn random() -> Key {
    let bytes = Uint8Array::new_with_length(16);
    get_random_values(&bytes);
    let mut key = Key::default();
    bytes.copy_to(&mut key);
    key
}

/// The settings, as `env` has them. One that is not valid is logged.
pub fn settings(env: &Env) -> Settings {
    let var = |name: &str| {
        let value = js_sys::Reflect::get(env, &name.into()).ok()?;
        // As JavaScript writes it.
        let number = || {
            value
                .as_f64()
                .map(|_| String::from(value.unchecked_ref::<Object>().to_js_string()))
        };
        value.as_string().or_else(number)
    };
    Settings::parse(var, |name| {
        worker::console_error!("{name} has a value that it cannot have; the default is used");
    })
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(bytes: &Uint8Array);
}
