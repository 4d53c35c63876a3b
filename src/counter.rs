//! The `Counter` object, one per name, and the Worker's client of it.
//!
//! It stores its count under the key `value` as a JavaScript number, as Cloudflare's JavaScript
//! counter example does, so that either continues where the other stopped.
//!
//! Over RPC it answers `increment(amount = 1)`, `decrement(amount = 1)` and `getCounterValue()`
//! with the count. It rejects with a `TypeError` where the amount is not an integer within
//! ±(2^53 − 1), and with a `RangeError` where the count would leave that range; neither changes
//! anything. Over HTTP (`stub.fetch`) `/increment`, `/decrement` and `/` answer the bare count.
//!
//! A call is answered only after the write that holds its increment, see [`crate::commit`].
//! Memory is a cache: an evicted or restarted object reads `value` again.

use crate::commit::{GroupCommit, Step};
use crate::count::{Amount, Count};
use crate::error::Error;
use crate::format::Format;
use crate::reply;
use crate::route::Action;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{self, JsString, Promise, RangeError, TypeError};
use worker::wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use worker::web_sys::{Request, console};

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
    value: Rc<Value>,
}

#[wasm_bindgen]
impl Counter {
    /// The object over its storage.
    #[wasm_bindgen(constructor)]
    pub fn new(context: &Context) -> Self {
        let storage = context.storage();
        Self {
            value: Rc::new(Value {
                kv: storage.kv(),
                storage,
                commit: RefCell::default(),
                group: RefCell::default(),
            }),
        }
    }

    /// The count.
    #[wasm_bindgen(js_name = getCounterValue)]
    pub fn get_counter_value(&self) -> Result<f64, JsValue> {
        Ok(self.value.read().map_err(thrown)?.number())
    }

    /// Adds `amount`, an integer, 1 where it is `undefined`. The new count, or a promise of it.
    pub fn increment(&self, amount: JsValue) -> Result<JsValue, JsValue> {
        self.add(amount_of(&amount)?)
    }

    /// Subtracts `amount`, as [`Counter::increment`] adds it.
    pub fn decrement(&self, amount: JsValue) -> Result<JsValue, JsValue> {
        self.add(-amount_of(&amount)?)
    }

    /// Answers a request to the object itself.
    pub fn fetch(&self, request: Request) -> Promise {
        let value = Rc::clone(&self.value);
        future_to_promise(async move {
            let counted = match Action::parse(&request.method(), &request.url()) {
                Ok(Action::Head) => return reply::head(Format::Text).map(Into::into),
                Ok(action) => value.apply(action).await,
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
        let (count, write) = self.value.add(amount).map_err(thrown)?;
        let count = count.number().into();
        Ok(match write {
            None => count,
            Some(write) => after(&write, &count).into(),
        })
    }
}

/// Reads the argument of an RPC call.
fn amount_of(argument: &JsValue) -> Result<Amount, JsValue> {
    if argument.is_undefined() {
        return Ok(Amount::ONE);
    }
    let number = argument.as_f64().ok_or(Error::InvalidAmount);
    number.and_then(Amount::from_number).map_err(thrown)
}

/// The stored value with its writes. The methods share it with the task that watches them.
struct Value {
    storage: Storage,
    kv: SyncKv,
    /// `None` until storage was read, and again after a write that failed.
    commit: RefCell<Option<GroupCommit>>,
    /// The write that is waited for, while any increment waits.
    group: RefCell<Option<Group>>,
}

impl Value {
    /// Does what `action` says; the count after it.
    async fn apply(self: &Rc<Self>, action: Action) -> Result<Count, Error> {
        let amount = match action {
            Action::Head | Action::Read => return self.read(),
            Action::Increment(amount) => amount,
            Action::Decrement(amount) => -amount,
        };
        let (count, write) = self.add(amount)?;
        if let Some(write) = write {
            JsFuture::from(write).await.map_err(caught)?;
        }
        Ok(count)
    }

    /// The count as it was last written. The output gate holds the answer until it is durable.
    fn read(&self) -> Result<Count, Error> {
        self.commit(|commit| commit.stored())
    }

    /// Adds an amount: the new count, and the write to wait for before telling it, if any.
    fn add(self: &Rc<Self>, amount: Amount) -> Result<(Count, Option<Promise>), Error> {
        let (count, step) = self.commit(|commit| commit.add(amount))??;
        match step {
            Step::Wait => {
                let mut group = self.group.borrow_mut();
                let group = group.get_or_insert_with(new_group);
                return Ok((count, Some(group.promise())));
            }
            Step::Write => self.write(count)?,
            Step::WriteAndWatch => {
                self.write(count)?;
                spawn_local(Rc::clone(self).watch());
            }
        }
        Ok((count, None))
    }

    /// Writes for those who wait, each time the write before has arrived, until nobody waits.
    async fn watch(self: Rc<Self>) {
        loop {
            if let Err(cause) = JsFuture::from(self.storage.sync()).await {
                self.commit.take();
                return self.settle(Err(unavailable(cause)));
            }
            let mut commit = self.commit.borrow_mut();
            let next = commit.as_mut().and_then(GroupCommit::written);
            drop(commit);
            let Some(count) = next else {
                return;
            };
            self.settle(self.write(count));
        }
    }

    /// Lets those who wait answer.
    fn settle(&self, written: Result<(), Error>) {
        if let Some(group) = self.group.take() {
            match written {
                Ok(()) => group.resolve(),
                Err(error) => group.reject(&thrown(error)),
            }
        }
    }

    fn write(&self, count: Count) -> Result<(), Error> {
        KEY.with(|key| self.kv.put(key, count.number()))
            .map_err(|cause| {
                self.commit.take();
                unavailable(cause)
            })
    }

    /// Works on the value in memory, which is read from storage first where it is not there.
    fn commit<T>(&self, work: impl FnOnce(&mut GroupCommit) -> T) -> Result<T, Error> {
        let mut commit = self.commit.borrow_mut();
        let commit = match &mut *commit {
            Some(commit) => commit,
            empty => empty.insert(GroupCommit::new(self.load()?)),
        };
        Ok(work(commit))
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

/// Asks the counter `name` to do what `action` says; a promise of the count after it.
/// [`counted`] reads what it comes to.
///
/// Nothing is asked twice: an increment whose answer was lost may have counted.
pub fn call(env: &Env, name: &JsString, action: Action) -> Result<Promise, Error> {
    let bindings: &Bindings = env.unchecked_ref();
    let object = bindings.counters().get_by_name(name);
    let stub = object.map_err(unavailable)?;
    match action {
        Action::Head | Action::Read => stub.get_counter_value(),
        Action::Increment(amount) => stub.increment(amount.number()),
        Action::Decrement(amount) => stub.decrement(amount.number()),
    }
    .map_err(unavailable)
}

/// Reads what a [`call`] came to: the count, or what it was rejected with.
pub fn counted(outcome: JsValue) -> Result<Count, Error> {
    match outcome.as_f64() {
        Some(count) => Count::from_number(count),
        None => Err(caught(outcome)),
    }
}

/// An error as RPC carries it: of the built-in classes, which alone arrive as they were.
fn thrown(error: Error) -> JsValue {
    let message = error.to_string();
    match error {
        Error::OutOfRange => RangeError::new(&message).into(),
        Error::InvalidAmount | Error::NotACount => TypeError::new(&message).into(),
        _ => js_sys::Error::new(&message).into(),
    }
}

/// The way back of [`thrown`], for calls whose amount is valid.
fn caught(error: JsValue) -> Error {
    if error.is_instance_of::<RangeError>() {
        Error::OutOfRange
    } else if error.is_instance_of::<TypeError>() {
        Error::NotACount
    } else {
        unavailable(error)
    }
}

/// Logs what the platform threw; the client is told that the counter did not answer.
fn unavailable(cause: JsValue) -> Error {
    console::error_2(&"counter:".into(), &cause);
    Error::Unavailable
}

/// Promises `value` once `promise` is kept. A Rust future costs several times as much.
#[wasm_bindgen(inline_js = "export const after = (promise, value) => promise.then(() => value);")]
extern "C" {
    fn after(promise: &Promise, value: &JsValue) -> Promise;
}

#[wasm_bindgen]
extern "C" {
    /// `ctx` of the object.
    pub type Context;
    #[wasm_bindgen(method, getter)]
    fn storage(this: &Context) -> Storage;

    /// `ctx.storage`.
    type Storage;
    #[wasm_bindgen(method, getter)]
    fn kv(this: &Storage) -> SyncKv;
    /// Resolves when all that was written before has arrived.
    #[wasm_bindgen(method)]
    fn sync(this: &Storage) -> Promise;

    /// `ctx.storage.kv`: the table of the asynchronous `get` and `put`, without their promises.
    type SyncKv;
    #[wasm_bindgen(method, catch)]
    fn get(this: &SyncKv, key: &JsString) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn put(this: &SyncKv, key: &JsString, value: f64) -> Result<(), JsValue>;

    /// A write that increments wait for: what `Promise.withResolvers()` returns.
    type Group;
    #[wasm_bindgen(js_namespace = Promise, js_name = withResolvers)]
    fn new_group() -> Group;
    #[wasm_bindgen(method, getter)]
    fn promise(this: &Group) -> Promise;
    #[wasm_bindgen(method)]
    fn resolve(this: &Group);
    #[wasm_bindgen(method)]
    fn reject(this: &Group, reason: &JsValue);

    /// `env`, with the binding of this class.
    type Bindings;
    #[wasm_bindgen(method, getter, js_name = COUNTERS)]
    fn counters(this: &Bindings) -> Namespace;

    /// The binding.
    type Namespace;
    #[wasm_bindgen(method, catch, js_name = getByName)]
    fn get_by_name(this: &Namespace, name: &JsString) -> Result<Stub, JsValue>;

    /// A stub of a [`Counter`].
    type Stub;
    #[wasm_bindgen(method, catch)]
    fn increment(this: &Stub, amount: f64) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn decrement(this: &Stub, amount: f64) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getCounterValue)]
    fn get_counter_value(this: &Stub) -> Result<Promise, JsValue>;
}
