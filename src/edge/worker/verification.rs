//! What site.js asks: which page confirms a post, and what the page says.

use super::{Asked, Context, site};
use crate::base::error::Error;
use crate::base::id::PostId;
use crate::edge::platform::header::{self, CONNECTING_IP, ORIGIN, REFERER};
use crate::edge::platform::ledgers::{Ledgers, ledgers};
use crate::edge::platform::rpc::{self, from_js, to_js};
use crate::edge::platform::runtime::{now, random};
use crate::http::route::{self, Route, Views};
use crate::http::visit::origin_of;
use crate::model::network;
use crate::model::reason::Reason;
use crate::verify::address::address;
use crate::verify::memory::{Memory, UNREAL_HERE};
use crate::verify::page::Page;
use crate::verify::verdict::{NotReal, Verdict};
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{Array, JsString, Promise, Reflect, Uint8Array};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::Request;

thread_local! {
    /// What the site does not have, as far as this isolate has found out.
    static NOT_REAL: RefCell<Memory> = RefCell::new(Memory::new(random()));
}

/// The post of a ping, the address of the page that is to prove it, if there is one, and the visitor's network.
#[wasm_bindgen]
pub fn page_of(request: &Request, env: &Env) -> Result<Array, JsValue> {
    let url = request.url();
    let Ok(Route::Views(Views::Ping(post, _) | Views::Image(post, _))) =
        Route::parse(&request.method(), &url)
    else {
        return Err(to_js(Error::InvalidPost));
    };
    let (settings, _) = site(env);
    let headers = header::of(request);
    let value = |name| header::value(&headers, name).map(String::from);
    let origin = value(&ORIGIN).or_else(|| value(&REFERER).map(|page| origin_of(&page)));
    let network = value(&CONNECTING_IP).map(|address| network::hash(&address));
    let at = route::page_of_ping(&url);
    let address = address(&settings.sites, &post, at.as_deref(), origin.as_deref());
    let post = post.as_str().into();
    Ok(Array::of3(&post, &address.into(), &network.into()))
}

/// The front page of the site that an address is within, if there is one. A page may redirect to such an address.
#[wasm_bindgen]
pub fn front_of(address: &str, env: &Env) -> Option<String> {
    let (settings, _) = site(env);
    let mut sites = settings.sites.iter();
    let site = sites.find(|site| site.path_of(address).is_some())?;
    Some(site.url())
}

/// What a page says of a post: a [`Verdict`] in postcard.
#[wasm_bindgen]
pub fn judge(post: String, page: Vec<JsValue>, env: &Env) -> Result<Uint8Array, JsValue> {
    let post = PostId::parse(post).map_err(to_js)?;
    // A `Vec<String>` takes more code.
    let texts = page.iter().map(|text| text.as_string().unwrap_or_default());
    let page = Page::read(texts).ok_or(Error::Unreadable).map_err(to_js)?;
    let (settings, _) = site(env);
    rpc::bytes(&page.judge(&settings.sites, &post, &resolve)).map_err(to_js)
}

/// Notes that the site does not have a post at an address, empty for none, and that a ping was not counted
/// for it.
#[wasm_bindgen]
pub fn note_unreal(post: &str, address: &str, request: Request, env: Env, context: Context) {
    NOT_REAL.with_borrow_mut(|memory| memory.remember(post, address, now(), UNREAL_HERE));
    Asked::new(request, env, context).refused(Reason::Unknown);
}

impl Asked {
    /// Whether the site does not have a post, as far as is known here.
    pub(super) fn is_unreal(&self, post: &PostId, origin: Option<&str>) -> bool {
        if NOT_REAL.with_borrow(Memory::is_empty) {
            return false;
        }
        let at = route::page_of_ping(&self.request.url());
        let address = address(&self.settings.sites, post, at.as_deref(), origin);
        let address = address.unwrap_or_default();
        NOT_REAL.with_borrow(|memory| memory.has(post.as_str(), &address, now(), UNREAL_HERE))
    }

    /// Reads the page of a post for the owner: at the path `at`, where it is known to be, or where its name
    /// says.
    pub(super) async fn verify(&self, post: &PostId, at: Option<&str>) -> Result<Verdict, Error> {
        let sites = &self.settings.sites;
        let known = match at {
            None => self.ledgers().address(post).await?,
            Some(_) => None,
        };
        let Some(address) = known.or_else(|| address(sites, post, at, None)) else {
            return Ok(Verdict::NotReal(NotReal::NoAddress));
        };
        let owner = JsString::from(self.owners.of_post(post).to_string());
        let post = JsString::from(post.as_str());
        let told = look(
            &ledgers(&self.env),
            &owner,
            &post,
            &address.into(),
            &self.env,
        );
        let told = JsFuture::from(told).await.map_err(from_js)?;
        NOT_REAL.with_borrow_mut(Memory::clear);
        let verdict = Reflect::get(&told, &"verdict".into()).map_err(from_js)?;
        rpc::read(&Uint8Array::new(&verdict).to_vec())
    }
}

// wasm-bindgen writes this path as it is into `build/tally.js`.
#[wasm_bindgen(raw_module = "../src/site.js")]
extern "C" {
    /// Reads a page, and tells the ledger.
    #[wasm_bindgen(js_namespace = site, js_name = look)]
    fn look(
        ledgers: &Ledgers,
        name: &JsString,
        post: &JsString,
        address: &JsString,
        env: &Env,
    ) -> Promise;
    /// Makes an absolute address of a text and the address that it is relative to.
    #[wasm_bindgen(js_namespace = site, js_name = resolve)]
    fn resolve(text: &str, base: &str) -> Option<String>;
}
