//! A Durable Object's storage, and the group commit over it.
//!
//! An answer leaves the object only after the write that it depends on, see [`crate::batch::commit`].

use crate::base::error::Error;
use crate::batch::commit::{GroupCommit, Step};
use crate::edge::platform::rpc::{to_js, unavailable};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::js_sys::{JsString, Promise};
use worker::wasm_bindgen_futures::{JsFuture, spawn_local};

/// What an object keeps in memory and in storage.
pub trait Stored {
    /// What [`GroupCommit::new`] takes.
    const UNWATCHED: u8;
    /// How long those who wait for the next write wait for others to join them, in milliseconds.
    const GATHER: u32;
    /// Writes all that has changed.
    fn write(&self) -> Result<(), Error>;
    /// Forgets what is in memory, because storage may differ from it.
    fn forget(&self);
}

/// The changes of an object on their way to storage. The methods share it with the task that watches
/// the writes.
pub struct Commits<S> {
    /// What is written.
    pub stored: S,
    storage: Storage,
    commit: RefCell<GroupCommit>,
    /// The write that is waited for, while any change waits.
    group: RefCell<Option<Group>>,
}

impl<S: Stored + 'static> Commits<S> {
    /// Over an object's storage.
    pub fn new(storage: Storage, stored: S) -> Rc<Self> {
        Rc::new(Self {
            stored,
            storage,
            commit: RefCell::new(GroupCommit::new(S::UNWATCHED)),
            group: RefCell::default(),
        })
    }

    /// Has a change written: the write to wait for before it is told, if any.
    pub fn commit(self: &Rc<Self>) -> Result<Option<Promise>, Error> {
        let step = self.commit.borrow_mut().add();
        match step {
            Step::Wait => {
                let mut group = self.group.borrow_mut();
                let group = group.get_or_insert_with(new_group);
                return Ok(Some(group.promise()));
            }
            Step::Write => self.write()?,
            Step::WriteAndWatch => {
                self.write()?;
                spawn_local(Rc::clone(self).watch());
            }
        }
        Ok(None)
    }

    /// Has a change written, and promises `value` when it may be told; at once where it may.
    pub fn commit_then(self: &Rc<Self>, value: JsValue) -> Result<JsValue, Error> {
        Ok(match self.commit()? {
            None => value,
            Some(write) => after(&write, &value).into(),
        })
    }

    /// Rejects all waiting changes when the in-memory state is invalid.
    pub fn fail(&self, error: Error) {
        self.settle(Err(self.failed(error)));
    }

    /// Writes for those who wait, each time the write before has arrived, until nobody waits.
    async fn watch(self: Rc<Self>) {
        loop {
            let arrived = JsFuture::from(self.storage.sync()).await;
            if S::GATHER > 0 && self.commit.borrow().is_awaited() {
                let _ = JsFuture::from(sleep(S::GATHER)).await;
            }
            let written = match arrived {
                Ok(_) if !self.commit.borrow_mut().written() => return,
                Ok(_) => self.write(),
                Err(cause) => Err(self.failed(unavailable(cause))),
            };
            self.settle(written);
            if written.is_err() {
                return;
            }
        }
    }

    /// Lets those who wait answer.
    fn settle(&self, written: Result<(), Error>) {
        if let Some(group) = self.group.take() {
            match written {
                Ok(()) => group.resolve(),
                Err(error) => group.reject(&to_js(error)),
            }
        }
    }

    fn write(&self) -> Result<(), Error> {
        self.stored.write().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: Error) -> Error {
        self.stored.forget();
        self.commit.replace(GroupCommit::new(S::UNWATCHED));
        error
    }
}

impl Context {
    /// The number that is the object's name. An alarm may not tell it.
    pub fn number(&self) -> Option<u8> {
        self.id().name()?.parse().ok()
    }
}

/// Promises `value` once `promise` is kept. A Rust future costs several times as much.
#[wasm_bindgen(inline_js = "
export const after = (promise, value) => promise.then(() => value);
export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
")]
extern "C" {
    fn after(promise: &Promise, value: &JsValue) -> Promise;
    /// A promise that is kept so much later.
    pub fn sleep(milliseconds: u32) -> Promise;
}

#[wasm_bindgen]
extern "C" {
    /// `ctx` of an object.
    pub type Context;
    /// Its storage.
    #[wasm_bindgen(method, getter)]
    pub fn storage(this: &Context) -> Storage;
    #[wasm_bindgen(method, getter)]
    fn id(this: &Context) -> ObjectId;

    /// `ctx.id`.
    type ObjectId;
    /// The name that the object was asked for by.
    #[wasm_bindgen(method, getter)]
    fn name(this: &ObjectId) -> Option<String>;

    /// `ctx.storage`.
    #[derive(Clone)]
    pub type Storage;
    /// The table of the asynchronous `get` and `put`, without their promises.
    #[wasm_bindgen(method, getter)]
    pub fn kv(this: &Storage) -> SyncKv;
    /// Resolves when all that was written before has arrived.
    #[wasm_bindgen(method)]
    fn sync(this: &Storage) -> Promise;
    /// Sets the alarm, in milliseconds since the Unix epoch.
    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    pub fn set_alarm(this: &Storage, at: f64) -> Result<Promise, JsValue>;
    /// Does all that `work` writes, or nothing where it throws.
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    pub fn transaction_sync(
        this: &Storage,
        work: &mut dyn FnMut() -> Result<(), JsValue>,
    ) -> Result<(), JsValue>;

    /// `ctx.storage.kv`.
    pub type SyncKv;
    /// The value of a key, or `undefined`.
    #[wasm_bindgen(method, catch)]
    pub fn get(this: &SyncKv, key: &JsString) -> Result<JsValue, JsValue>;
    /// Writes a value.
    #[wasm_bindgen(method, catch)]
    pub fn put(this: &SyncKv, key: &JsString, value: &JsValue) -> Result<(), JsValue>;
    /// Removes a value.
    #[wasm_bindgen(method, catch)]
    pub fn delete(this: &SyncKv, key: &JsString) -> Result<JsValue, JsValue>;

    /// A write that changes wait for: what `Promise.withResolvers()` returns.
    type Group;
    #[wasm_bindgen(js_namespace = Promise, js_name = withResolvers)]
    fn new_group() -> Group;
    #[wasm_bindgen(method, getter)]
    fn promise(this: &Group) -> Promise;
    #[wasm_bindgen(method)]
    fn resolve(this: &Group);
    #[wasm_bindgen(method)]
    fn reject(this: &Group, reason: &JsValue);
}
