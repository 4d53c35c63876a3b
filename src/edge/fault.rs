//! Ways to break the instance, for `tests/fault.test.mjs`. `/fault?in=WAY` does it in the Worker, and with
//! `&name=A` in the object of that counter. The answer is 0 if the instance survives.
//!
//! ```text
//! call      while it is called
//! future    in the future that it returns
//! task      in a task of its own, after the answer
//! closure   in a closure that JavaScript calls, after the answer
//! storage   in a transaction, with JavaScript between the panic and the call
//! overflow  by endless recursion, which is not a panic
//! start     while it is called, and again as the next instance starts
//! answer    where a counter's next answer is made
//! alarm     in the ledger's next alarm
//! ```

use crate::edge::object::counter::Counter;
use crate::edge::platform::rpc::promised;
use crate::edge::platform::storage::{Storage, sleep};
use crate::http::format::Format;
use std::borrow::Cow;
use std::cell::RefCell;
use std::hint::black_box;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{JsString, Promise};
use worker::wasm_bindgen_futures::{JsFuture, spawn_local};

thread_local! {
    /// The place to panic at, for those that are passed later.
    static PLACE: RefCell<String> = RefCell::default();
}

/// Answers a request that asks for a fault; `answer` promises what the call of an object comes to.
pub fn asked(
    url: &str,
    env: &Env,
    answer: impl Fn(&Promise, &JsString, Format) -> Promise,
) -> Option<JsValue> {
    let query = url.split_once("/fault?")?.1;
    let value = |name| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find_map(|(key, value): (_, Cow<str>)| (key == name).then(|| value.into_owned()))
    };
    let way = value("in").unwrap_or_default();
    let Some(name) = value("name") else {
        return Some(fail(&way, None));
    };
    let name = JsString::from(name);
    let counters = env.unchecked_ref::<Bindings>().counters();
    let call = counters.get_by_name(&name).fault(&way);
    Some(answer(&call, &name, Format::Json).into())
}

#[wasm_bindgen]
impl Counter {
    /// Fails as asked.
    pub fn fault(&self, way: &str, storage: &Storage) -> JsValue {
        fail(way, Some(storage))
    }
}

/// What happens as an instance starts.
pub fn start() {
    if fails_at_start(false) {
        die();
    }
}

/// What happens at a place that is passed.
pub fn pass(place: &str) {
    if PLACE.with_borrow(|chosen| chosen == place) {
        die();
    }
}

fn fail(way: &str, storage: Option<&Storage>) -> JsValue {
    let later: fn() = || die();
    match (way, storage) {
        ("future", _) => return promised(dies_later()).into(),
        ("task", _) => spawn_local(async move { later() }),
        ("closure", _) => queue_microtask(&Closure::once_into_js(later)),
        ("storage", Some(storage)) => drop(storage.transaction_sync(&mut || die())),
        ("overflow", _) => drop(black_box(descend(1))),
        ("start", _) => {
            fails_at_start(true);
        }
        ("answer" | "alarm", _) => PLACE.set(way.to_owned()),
        _ => {}
    }
    match way {
        "task" | "closure" | "answer" | "alarm" if storage.is_some() => 0.into(),
        "task" | "closure" | "answer" | "alarm" => answer("0"),
        _ => die(),
    }
}

async fn dies_later() -> Result<JsValue, JsValue> {
    JsFuture::from(sleep(5)).await?;
    die()
}

#[expect(clippy::panic)]
fn die() -> ! {
    panic!("a fault was asked for");
}

/// Takes more of the stack than there is.
#[expect(unconditional_recursion)]
fn descend(depth: u64) -> u64 {
    let ballast = black_box([depth; 512]);
    descend(depth + 1) + ballast[depth as usize % 512]
}

#[wasm_bindgen(inline_js = "
let failing = false;
export function failsAtStart(next) {
  const fails = failing;
  failing = next;
  return fails;
}
export const answer = (body) => new Response(body);
")]
extern "C" {
    /// Whether this start is to fail, and from now on whether the next is.
    #[wasm_bindgen(js_name = failsAtStart)]
    fn fails_at_start(next: bool) -> bool;
    fn answer(body: &str) -> JsValue;
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = queueMicrotask)]
    fn queue_microtask(work: &JsValue);

    type Bindings;
    #[wasm_bindgen(method, getter, js_name = COUNTERS)]
    fn counters(this: &Bindings) -> Namespace;

    type Namespace;
    #[wasm_bindgen(method, js_name = getByName)]
    fn get_by_name(this: &Namespace, name: &JsString) -> Stub;

    type Stub;
    #[wasm_bindgen(method)]
    fn fault(this: &Stub, way: &str) -> Promise;
}
