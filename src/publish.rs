//! Workers KV, in the namespace `VIEWS`: what the ledger publishes and everybody reads.
//!
//! ```text
//! :snapshot   crate::snapshot, everything that readers ask for
//! 142         3, a post's views in digits, as the usual tutorial stores them
//! ```
//!
//! Every call is given up after [`PATIENCE`].

use crate::error::Error;
use crate::id::PostId;
use crate::portable::count;
use crate::snapshot::{KEY, Snapshot};
use crate::tally::{Publication, Published};
use wasm_bindgen::prelude::*;
use worker::js_sys::{Array, ArrayBuffer, JsString, Map, Promise, Uint8Array};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::console;

/// How long Workers KV may take for an answer, in milliseconds.
const PATIENCE: u32 = 10_000;
/// How many entries may fail before the rest is left to the next publication: one that Workers KV
/// does not take must not keep back the others.
const MOST_FAILURES: u32 = 3;
/// The most keys in one bulk read.
const MOST_KEYS: usize = 100;

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
    let value = done(views.get(KEY, "arrayBuffer")).await?;
    match value.dyn_into::<ArrayBuffer>() {
        Ok(bytes) => Snapshot::read(Uint8Array::new(&bytes).to_vec()).map(Some),
        Err(_) => Ok(None),
    }
}

/// What other programs left in the namespace.
#[derive(Default)]
pub struct Found {
    /// The entries that are named like posts, with the counts of those that are counts.
    pub entries: Vec<(PostId, Option<u64>)>,
    /// How many are not named like posts.
    pub left: u32,
}

/// Reads all that other programs left in the namespace.
pub async fn found(views: &Namespace) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut cursor = None;
    loop {
        let page: Page = done(views.list(&list_options(cursor)))
            .await?
            .unchecked_into();
        let mut posts = Vec::new();
        for key in page.keys().iter() {
            let name = key.unchecked_into::<Key>().name();
            match PostId::parse(name) {
                Ok(post) => posts.push(post),
                Err(_) => found.left += 1,
            }
        }
        for posts in posts.chunks(MOST_KEYS) {
            let names: Array = posts
                .iter()
                .map(|post| JsValue::from(post.as_str()))
                .collect();
            let values: Map = done(views.get_all(&names)).await?.unchecked_into();
            let entry = |post: &PostId| {
                let value = values.get(&post.as_str().into()).as_string();
                (post.clone(), value.and_then(|value| count(&value).ok()))
            };
            found.entries.extend(posts.iter().map(entry));
        }
        if page.list_complete() {
            return Ok(found);
        }
        cursor = page.cursor();
    }
}

/// Waits for a call of Workers KV. What went wrong is logged.
async fn done(call: Result<Promise, JsValue>) -> Result<JsValue, Error> {
    let outcome = match call {
        Ok(call) => JsFuture::from(within(&call, PATIENCE)).await,
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
export const listOptions = (cursor) => ({ cursor });
")]
extern "C" {
    /// A promise that is broken where it is not kept in time.
    pub fn within(promise: &Promise, milliseconds: u32) -> Promise;
    #[wasm_bindgen(js_name = listOptions)]
    fn list_options(cursor: Option<String>) -> JsValue;
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

    type Page;
    #[wasm_bindgen(method, getter)]
    fn keys(this: &Page) -> Array;
    #[wasm_bindgen(method, getter)]
    fn list_complete(this: &Page) -> bool;
    #[wasm_bindgen(method, getter)]
    fn cursor(this: &Page) -> Option<String>;

    type Key;
    #[wasm_bindgen(method, getter)]
    fn name(this: &Key) -> String;
}
