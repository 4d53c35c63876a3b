//! Workers KV, in the namespace `VIEWS`: what the ledger publishes and everyone reads. [`crate::published::head`]
//! lists its keys.
//!
//! Every call is abandoned after [`PATIENCE`]. If a page or a ping waits for it, it is abandoned after
//! [`READER_PATIENCE`], before the ping itself is (`src/lanes.js`).

use crate::base::count::parse_views;
use crate::base::error::Error;
use crate::base::id::PostId;
use crate::books::takeover::{Found, Section};
use crate::edge::platform::rpc::Answer;
use crate::published::head::is_own;
use wasm_bindgen::prelude::*;
use worker::js_sys::{Array, ArrayBuffer, JsString, Map, Promise, Uint8Array};
use worker::web_sys::console;

/// How long Workers KV may take for an answer, in milliseconds.
const PATIENCE: u32 = 10_000;
/// How long it may take for a reader, or for what a ping needs.
pub const READER_PATIENCE: u32 = 3_000;
/// The most keys that are read at once.
const MOST_KEYS: usize = 100;
/// How many keys of the list are taken over at a time.
const SECTION: u32 = 500;

impl Namespace {
    /// The bytes of a key, if there are any.
    pub async fn bytes(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        bytes(done_in(READER_PATIENCE, self.get(key, "arrayBuffer")).await?)
    }

    /// The same for a reader, who can do with what is up to half a minute old.
    pub async fn bytes_for_reader(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let options = get_options("arrayBuffer", CACHE_SECONDS);
        bytes(done_in(READER_PATIENCE, self.get_with(key, &options)).await?)
    }

    /// The text of a key; anything else where there is none.
    pub fn text(&self, key: &str) -> Answer {
        done(self.get(key, "text"))
    }

    /// Writes bytes.
    pub fn write(&self, key: &str, bytes: &[u8]) -> Answer {
        let value = Uint8Array::from(bytes);
        done(self.put(key, &value))
    }

    /// Writes a text.
    pub fn write_text(&self, key: &str, text: &str) -> Answer {
        done(self.put(key, &JsString::from(text)))
    }

    /// Removes a key.
    pub fn remove(&self, key: &str) -> Answer {
        done(self.delete(key))
    }

    /// The entry of one post.
    pub async fn entry(&self, post: &PostId) -> Result<Found, Error> {
        let value = done_in(READER_PATIENCE, self.get(post.as_str(), "text")).await?;
        Ok(found(&value))
    }
}

/// How long Workers KV may keep a value near its readers, in seconds; the least that it takes.
const CACHE_SECONDS: u32 = 30;

fn bytes(value: JsValue) -> Result<Option<Vec<u8>>, Error> {
    let buffer = value.dyn_into::<ArrayBuffer>().ok();
    Ok(buffer.map(|buffer| Uint8Array::new(&buffer).to_vec()))
}

/// Reads a section of what other programs left in the namespace, from a cursor of its list on: of the posts
/// that this ledger `owns`.
///
/// A section is small, because an invocation may ask Workers KV a thousand times, and a bulk read
/// forgets the keys that are array indices, such as `142` (`getBulk` in workerd's `kv.c++`): these are
/// read one by one.
pub async fn section(
    views: &Namespace,
    cursor: Option<String>,
    owns: impl Fn(&PostId) -> bool,
) -> Result<Section, Error> {
    let list: List = done(views.list(&list_options(SECTION, cursor)))
        .await?
        .unchecked_into();
    let mut section = Section {
        next: list.cursor().filter(|_| !list.list_complete()),
        ..Section::default()
    };
    let mut posts = Vec::new();
    for key in list.keys().iter() {
        let name = key.unchecked_into::<Key>().name();
        match PostId::parse(name.clone()) {
            Ok(post) if owns(&post) => posts.push(post),
            Ok(_) => {}
            Err(_) => section.left += u32::from(!is_own(&name)),
        }
    }
    let (one_by_one, in_bulk): (Vec<_>, _) = posts.into_iter().partition(is_array_index);
    for posts in in_bulk.chunks(MOST_KEYS) {
        let keys: Array = posts
            .iter()
            .map(|post| JsValue::from(post.as_str()))
            .collect();
        let values: Map = done(views.get_all(&keys)).await?.unchecked_into();
        for post in posts {
            let value = values.get(&post.as_str().into());
            section.entries.push((post.clone(), found(&value)));
        }
    }
    for posts in one_by_one.chunks(MOST_KEYS) {
        let values: Result<Array, _> = posts
            .iter()
            .map(|post| views.get(post.as_str(), "text"))
            .collect();
        let values = values.map(|values| Promise::all(&values));
        let values: Array = done(values).await?.unchecked_into();
        for (post, value) in posts.iter().zip(values.iter()) {
            section.entries.push((post.clone(), found(&value)));
        }
    }
    Ok(section)
}

fn found(value: &JsValue) -> Found {
    match value.as_string() {
        None => Found::Nothing,
        Some(text) => parse_views(&text).map_or(Found::Other, Found::Count),
    }
}

/// Whether a key is an array index to JavaScript.
fn is_array_index(post: &PostId) -> bool {
    let index = post.as_str().parse::<u32>().ok();
    index.is_some_and(|index| index.to_string() == post.as_str())
}

/// Waits for a call of Workers KV. What went wrong is logged.
fn done(call: Result<Promise, JsValue>) -> Answer {
    done_in(PATIENCE, call)
}

fn done_in(patience: u32, call: Result<Promise, JsValue>) -> Answer {
    Answer::to(call.map(|call| within(&call, patience)), |cause| {
        console::error_2(&"Workers KV:".into(), &cause);
        Error::Unpublished
    })
}

#[wasm_bindgen(inline_js = "
export function within(promise, milliseconds) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
export const listOptions = (limit, cursor) => ({ limit, cursor });
export const getOptions = (type, cacheTtl) => ({ type, cacheTtl });
")]
extern "C" {
    /// A promise that is broken where it is not kept in time.
    pub fn within(promise: &Promise, milliseconds: u32) -> Promise;
    #[wasm_bindgen(js_name = listOptions)]
    fn list_options(limit: u32, cursor: Option<String>) -> JsValue;
    #[wasm_bindgen(js_name = getOptions)]
    fn get_options(kind: &str, cache_seconds: u32) -> JsValue;
}

#[wasm_bindgen]
extern "C" {
    /// `env`, with the binding.
    pub type Bindings;
    /// The namespace.
    #[wasm_bindgen(method, getter, js_name = VIEWS)]
    pub fn views(this: &Bindings) -> Namespace;

    /// A namespace of Workers KV.
    #[derive(Clone)]
    pub type Namespace;
    #[wasm_bindgen(method, catch)]
    fn get(this: &Namespace, key: &str, kind: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = get)]
    fn get_with(this: &Namespace, key: &str, options: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = get)]
    fn get_all(this: &Namespace, keys: &Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn put(this: &Namespace, key: &str, value: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn delete(this: &Namespace, key: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn list(this: &Namespace, options: &JsValue) -> Result<Promise, JsValue>;

    type List;
    #[wasm_bindgen(method, getter)]
    fn keys(this: &List) -> Array;
    #[wasm_bindgen(method, getter)]
    fn list_complete(this: &List) -> bool;
    #[wasm_bindgen(method, getter)]
    fn cursor(this: &List) -> Option<String>;

    type Key;
    #[wasm_bindgen(method, getter)]
    fn name(this: &Key) -> String;
}
