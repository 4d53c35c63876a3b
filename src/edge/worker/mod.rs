//! Requests about views: pings go to the ledger, reads come from what is published, and owner requests go to the
//! ledger again.

pub mod counter;
mod health;
mod ledger;
mod owner;
mod pings;
mod reads;
mod verification;

use crate::base::settings::Settings;
use crate::edge::platform::header;
use crate::edge::platform::reply::{self, Reply};
use crate::edge::platform::rpc::promised;
use crate::edge::platform::runtime;
use crate::http::route::Views;
use crate::model::owner::Owners;
use ledger::Client;
use std::cell::OnceCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{JsString, Promise};
use worker::web_sys::Request;

thread_local! {
    static SITE: OnceCell<(Rc<Settings>, Rc<Owners>)> = OnceCell::default();
}

/// Answers a request: a response, or a promise of one.
pub fn fetch(
    views: Views,
    request: Request,
    env: Env,
    context: Context,
) -> Result<JsValue, JsValue> {
    let request = Asked::new(request, env, context);
    match views {
        Views::Preflight => request.preflight().map(Into::into),
        Views::Ping(post, id) => request.ping(post, id),
        Views::Image(post, id) => request.image(post, id),
        Views::ImageHead => Ok(pings::as_image(&reply::pinged("", Some("*"))?.into())),
        Views::Owner(owner) => Ok(promise(request.owner(owner))),
        Views::Health => Ok(promise(request.health())),
        read => request.read(read),
    }
}

fn promise(answer: impl Future<Output = Reply> + 'static) -> JsValue {
    promised(async move { answer.await.map(Into::into) }).into()
}

/// The settings, and the owners of posts that follow from them.
fn site(env: &Env) -> (Rc<Settings>, Rc<Owners>) {
    let read = || {
        let settings = runtime::settings(env);
        let owners = Owners::among(settings.ledgers);
        (Rc::new(settings), Rc::new(owners))
    };
    SITE.with(|site| site.get_or_init(read).clone())
}

/// A request with all that it came with.
struct Asked {
    request: Request,
    headers: header::RequestHeaders,
    settings: Rc<Settings>,
    owners: Rc<Owners>,
    env: Env,
    context: Context,
}

impl Asked {
    fn new(request: Request, env: Env, context: Context) -> Self {
        let (settings, owners) = site(&env);
        Self {
            headers: header::of(&request),
            request,
            settings,
            owners,
            env,
            context,
        }
    }

    fn ledgers(&self) -> Client {
        Client::new(&self.env, &self.owners)
    }

    fn header(&self, name: header::Name) -> Option<String> {
        self.value(name).map(String::from)
    }

    fn value(&self, name: header::Name) -> Option<JsString> {
        header::value(&self.headers, name)
    }
}

#[wasm_bindgen]
extern "C" {
    /// `ctx` of a request.
    pub type Context;
    #[wasm_bindgen(method, js_name = waitUntil)]
    fn wait_until(this: &Context, promise: &Promise);
}
