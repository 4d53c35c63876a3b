//! Workers KV, in the namespace `VIEWS`: what the ledger publishes and everybody reads.
//!
//! ```text
//! :snapshot   crate::published::snapshot, everything that readers ask for
//! 142         3, a post's views in digits, as the usual tutorial stores them
//! ```
//!
//! Every call is given up after [`PATIENCE`], and a reader's, for whom a page waits, after
//! [`READER_PATIENCE`].

use crate::base::count::parse_views;
use crate::base::error::Error;
use crate::base::id::PostId;
use crate::books::tally::{Part, Publication, Published};
use crate::published::snapshot::{KEY, Snapshot};
use wasm_bindgen::prelude::*;
use worker::js_sys::{Array, ArrayBuffer, JsString, Map, Promise, Uint8Array};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::console;

/// How long Workers KV may take for an answer, in milliseconds.
const PATIENCE: u32 = 10_000;
const READER_PATIENCE: u32 = 3_000;
/// How many entries may fail before the rest is left to the next publication: one that Workers KV
/// does not take must not keep back the others.
const MOST_FAILURES: u32 = 3;
/// The most keys that are read at once.
const MOST_KEYS: usize = 100;
/// How many keys of the list are taken over at a time.
const PART: u32 = 500;

/// Writes the snapshot, then the posts' entries until [`MOST_FAILURES`] have failed.
pub async fn publish(views: &Namespace, publication: Publication) -> Published {
    let mut published = Published {
        snapshot: true,
        entries: Vec::new(),
        complete: false,
        writes: 0,
    };
    if let Some(snapshot) = publication.snapshot {
        let value = Uint8Array::from(snapshot.as_slice());
        published.writes += 1;
        published.snapshot = done(views.put(KEY, &value)).await.is_ok();
    }
    if !published.snapshot {
        return published;
    }
    let mut failures = 0;
    for (post, count) in publication.entries {
        let write = match count {
            0 => views.delete(post.as_str()),
            _ => views.put(post.as_str(), &JsString::from(count.to_string())),
        };
        published.writes += 1;
        match done(write).await {
            Ok(_) => published.entries.push((post, count)),
            Err(_) => failures += 1,
        }
        if failures == MOST_FAILURES {
            return published;
        }
    }
    published.complete = failures == 0 && !publication.more;
    published
}

/// The published snapshot, or `None` where nothing was ever published.
pub async fn read(views: &Namespace) -> Result<Option<Snapshot>, Error> {
    let value = done_in(READER_PATIENCE, views.get(KEY, "arrayBuffer")).await?;
    match value.dyn_into::<ArrayBuffer>() {
        Ok(bytes) => Snapshot::read(Uint8Array::new(&bytes).to_vec()).map(Some),
        Err(_) => Ok(None),
    }
}

/// Reads a part of what other programs left in the namespace, from a cursor of its list on.
///
/// A part is small, because an invocation may ask Workers KV a thousand times, and a bulk read forgets
/// the keys that are array indices, such as `142` (`getBulk` in workerd's `kv.c++`): these are read
/// one by one.
pub async fn part(views: &Namespace, cursor: Option<String>) -> Result<Part, Error> {
    let list: List = done(views.list(&list_options(PART, cursor)))
        .await?
        .unchecked_into();
    let mut part = Part {
        next: list.cursor().filter(|_| !list.list_complete()),
        ..Part::default()
    };
    let mut posts = Vec::new();
    for key in list.keys().iter() {
        let name = key.unchecked_into::<Key>().name();
        match PostId::parse(name.clone()) {
            Ok(post) => posts.push(post),
            Err(_) => part.left += u32::from(name != KEY),
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
            part.entries.push((post.clone(), count_of(&value)));
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
            part.entries.push((post.clone(), count_of(&value)));
        }
    }
    Ok(part)
}

/// Reads the entry of one post: `None` where there is none, and in it `None` where it is no count.
pub async fn entry(views: &Namespace, post: &PostId) -> Result<Option<Option<u64>>, Error> {
    let value = done(views.get(post.as_str(), "text")).await?;
    Ok((!value.is_null()).then(|| count_of(&value)))
}

fn count_of(value: &JsValue) -> Option<u64> {
    value.as_string().and_then(|value| parse_views(&value).ok())
}

/// Whether a key is an array index to JavaScript.
fn is_array_index(post: &PostId) -> bool {
    let index = post.as_str().parse::<u32>().ok();
    index.is_some_and(|index| index.to_string() == post.as_str())
}

/// Waits for a call of Workers KV. What went wrong is logged.
async fn done(call: Result<Promise, JsValue>) -> Result<JsValue, Error> {
    done_in(PATIENCE, call).await
}

async fn done_in(patience: u32, call: Result<Promise, JsValue>) -> Result<JsValue, Error> {
    let outcome = match call {
        Ok(call) => JsFuture::from(within(&call, patience)).await,
        Err(cause) => Err(cause),
    };
    outcome.map_err(|cause| {
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
")]
extern "C" {
    /// A promise that is broken where it is not kept in time.
    fn within(promise: &Promise, milliseconds: u32) -> Promise;
    #[wasm_bindgen(js_name = listOptions)]
    fn list_options(limit: u32, cursor: Option<String>) -> JsValue;
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
