//! Responses, and what a request says about the one it wants.
//!
//! Only what was published may be cached, for a minute at most. Any other count is true only at the moment of the
//! answer.

use crate::base::count::Count;
use crate::base::error::Error;
use crate::base::time::Time;
use crate::edge::platform::header;
use crate::http::format::{self, Format};
use crate::http::portable;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use wasm_bindgen::prelude::*;
use worker::js_sys::{Date, JsString};
use worker::web_sys::{Headers, Request, Response, ResponseInit};

/// A response, or what the runtime threw instead of making it.
pub type Reply = Result<Response, JsValue>;

const TYPE: &str = "Content-Type";
const JSON: &str = "application/json";
const READERS: &str = "Access-Control-Allow-Origin";
const NO_STORE: (&str, &str) = ("Cache-Control", "no-store");
/// What only the owner may read, is in no cache.
const PRIVATE: (&str, &str) = (NO_STORE.0, "private, no-store");
/// What a browser may make of an answer that is opened by itself: a text or a picture that loads, runs and
/// frames nothing, in no frame, and is nothing other than its type says.
const HARMLESS: [(&str, &str); 3] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
];
/// Whether a page may read an answer depends on its origin.
const VARY: (&str, &str) = ("Vary", "Origin");

thread_local! {
    /// The response without a body that nearly every other one is made from: to copy its headers
    /// costs a third of what setting them costs.
    static TEXT: Reply = respond(
        200,
        &JsValue::NULL,
        &[NO_STORE, (TYPE, Format::Text.content_type())],
    );
    /// The same for pings that any page may read, so that nothing varies.
    static PINGED: Reply = respond(
        200,
        &JsValue::NULL,
        &[NO_STORE, (TYPE, JSON), (READERS, "*")],
    );
    static USAGE: JsString = format::USAGE.into();
}

#[wasm_bindgen]
extern "C" {
    /// `new Response(body, template)`: a response serves as the options like those it was made of.
    #[wasm_bindgen(extends = Response, js_name = Response)]
    type Made;
    #[wasm_bindgen(constructor, catch, js_class = "Response")]
    fn new(body: &JsValue, template: &Response) -> Result<Made, JsValue>;
}

/// The format that a request asks for.
pub fn format(request: &Request) -> Format {
    header::value(&header::of(request), &header::ACCEPT).map_or(Format::Text, |accept| {
        Format::of_accept(&String::from(&accept))
    })
}

/// How to call a counter.
pub fn usage() -> Reply {
    USAGE.with(|usage| ok(Format::Text, usage))
}

/// A counter's headers without its count.
pub fn head(format: Format) -> Reply {
    ok(format, &JsValue::NULL)
}

/// A counter's count.
pub fn count(format: Format, name: &str, count: Count) -> Reply {
    ok(format, &format.count(name, count).into())
}

/// A count and nothing else, as an object answers its own Worker.
pub fn bare(count: Count) -> Reply {
    ok(Format::Text, &count.to_string().into())
}

/// A refusal by a counter.
pub fn error(format: Format, error: Error) -> Reply {
    let mut headers = vec![NO_STORE, (TYPE, format.content_type())];
    headers.extend(because(error));
    respond(error.status(), &format.error(error).into(), &headers)
}

/// A refusal about posts' views, which the pages of `readers` may read.
pub fn refusal(error: Error, readers: Option<&str>) -> Reply {
    refusal_in_words(error, error.to_string(), readers)
}

/// A refusal with a sentence of its own.
pub fn refusal_in_words(error: Error, words: String, readers: Option<&str>) -> Reply {
    let mut headers = vec![NO_STORE, (TYPE, JSON), VARY];
    headers.extend(because(error));
    let next_hour = Time::from_millis(Date::now()).rest_of_hour().to_string();
    if error == Error::TooManyNewPosts {
        headers.push(("Retry-After", &next_hour));
    }
    headers.extend(readers.map(|readers| (READERS, readers)));
    let body = Format::Json.error_in_words(error, words);
    respond(error.status(), &body.into(), &headers)
}

/// The header that a refusal comes with.
fn because(error: Error) -> Option<(&'static str, &'static str)> {
    match error {
        Error::MethodNotAllowed(allow) => Some(("Allow", allow.methods())),
        Error::CountingOff => Some(("Allow", "HEAD")),
        Error::Unauthorized => Some(("WWW-Authenticate", "Bearer")),
        // The period of the rate limit in `wrangler.toml`.
        Error::TooManyPings | Error::TooManyAtOnce | Error::Adopting | Error::Moving => {
            Some(("Retry-After", "60"))
        }
        _ => None,
    }
}

/// The answer to a ping, which the pages of `readers` may read.
pub fn pinged(body: &str, readers: Option<&str>) -> Reply {
    let body = body.into();
    if readers == Some("*") {
        return PINGED.with(|pinged| with_body(&body, pinged.as_ref().map_err(JsValue::clone)?));
    }
    let mut headers = vec![NO_STORE, (TYPE, JSON), VARY];
    headers.extend(readers.map(|readers| (READERS, readers)));
    respond(200, &body, &headers)
}

/// What the pages of `readers` may send.
pub fn preflight(readers: Option<&str>) -> Reply {
    let mut headers = vec![
        VARY,
        ("Access-Control-Allow-Methods", "GET, HEAD, POST"),
        ("Access-Control-Allow-Headers", "*"),
        ("Access-Control-Max-Age", "86400"),
    ];
    headers.extend(readers.map(|readers| (READERS, readers)));
    respond(204, &JsValue::NULL, &headers)
}

/// An answer from what is published, which can be given more than once.
pub struct Published {
    etag: String,
    body: JsString,
    /// The response without its body, and the one for those who have it.
    found: Response,
    unchanged: Response,
}

impl Published {
    /// An answer in JSON, which may be kept for `max_age` seconds.
    pub fn json(body: &str, max_age: u32) -> Result<Self, JsValue> {
        Self::new(body, max_age, &[(TYPE, JSON)])
    }

    /// A picture, which may be kept for `max_age` seconds. Opened by itself it is a document, and what is
    /// in it may do nothing.
    pub fn svg(body: &str, max_age: u32) -> Result<Self, JsValue> {
        let headers = [
            (TYPE, "image/svg+xml; charset=utf-8"),
            ("Cross-Origin-Resource-Policy", "cross-origin"),
        ];
        Self::new(body, max_age, &headers)
    }

    /// Everybody may read it, and keep it for `max_age` seconds; for a day where nothing newer can be
    /// had. `headers` are those of the body.
    fn new(body: &str, max_age: u32, headers: &[(&str, &str)]) -> Result<Self, JsValue> {
        let mut hasher = SipHasher13::new();
        hasher.write(body.as_bytes());
        let etag = format!("\"{:016x}\"", hasher.finish());
        let caching = format!("public, max-age={max_age}, stale-if-error=86400");
        let caching = [
            (READERS, "*"),
            ("Cache-Control", &*caching),
            ("ETag", &etag),
        ];
        Ok(Self {
            found: respond(200, &JsValue::NULL, &[headers, &caching].concat())?,
            unchanged: respond(304, &JsValue::NULL, &caching)?,
            body: body.into(),
            etag,
        })
    }

    /// The response to the owner, of what not everybody may read.
    pub fn private(&self) -> Reply {
        let reply = with_body(&self.body, &self.found)?;
        let headers = reply.headers();
        headers.delete(READERS)?;
        headers.delete("ETag")?;
        headers.set(PRIVATE.0, PRIVATE.1)?;
        Ok(reply)
    }

    /// The response to a request with this `If-None-Match`.
    pub fn reply(&self, known: Option<&str>) -> Reply {
        let weak = |tag: &str| tag.trim().trim_start_matches("W/") == self.etag;
        match known {
            Some(known) if known.trim() == "*" || known.split(',').any(weak) => {
                with_body(&JsValue::NULL, &self.unchanged)
            }
            _ => with_body(&self.body, &self.found),
        }
    }
}

/// An answer for the owner.
pub fn private(body: &str) -> Reply {
    respond(200, &body.into(), &[PRIVATE, (TYPE, JSON)])
}

/// The answer to a monitor.
pub fn health(status: u16, body: &str) -> Reply {
    respond(status, &body.into(), &[NO_STORE, (TYPE, JSON)])
}

/// All records, as a file.
pub fn export(format: portable::Format, body: &JsValue) -> Reply {
    let file = format!("attachment; filename=\"tally.{}\"", format.name());
    let headers = [
        PRIVATE,
        (TYPE, format.content_type()),
        ("Content-Disposition", &file),
    ];
    respond(200, body, &headers)
}

fn ok(format: Format, body: &JsValue) -> Reply {
    match format {
        Format::Text => TEXT.with(|text| with_body(body, text.as_ref().map_err(JsValue::clone)?)),
        Format::Json => respond(200, body, &[NO_STORE, (TYPE, JSON)]),
    }
}

fn respond(status: u16, body: &JsValue, headers: &[(&str, &str)]) -> Reply {
    let list = Headers::new()?;
    for (name, value) in HARMLESS.iter().chain(headers) {
        list.set(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers_headers(&list);
    Made::new(body, init.unchecked_ref()).map(JsCast::unchecked_into)
}

fn with_body(body: &JsValue, template: &Response) -> Reply {
    Made::new(body, template).map(JsCast::unchecked_into)
}
