//! Responses, and what a request says about the one it wants.
//!
//! None may be kept by a cache: a count is true only when it is given.

use crate::count::Count;
use crate::error::{ALLOW, Error};
use crate::format::{self, Format};
use wasm_bindgen::prelude::*;
use worker::js_sys::JsString;
use worker::web_sys::{Headers, Request, Response, ResponseInit};

/// A response, or what the runtime threw instead of making it.
pub type Reply = Result<Response, JsValue>;

thread_local! {
    /// The response without a body that nearly every other one is made from: to copy its headers
    /// costs a third of what setting them costs.
    static TEXT: Reply = template(200, Format::Text, &[]);
    static ACCEPT: JsString = "Accept".into();
    static USAGE: JsString = format::USAGE.into();
}

#[wasm_bindgen]
extern "C" {
    /// `new Response(body, template)`: a response serves as the options like those it was made of.
    #[wasm_bindgen(extends = Response, js_name = Response)]
    type Made;
    #[wasm_bindgen(constructor, catch, js_class = "Response")]
    fn new(body: &JsValue, template: &Response) -> Result<Made, JsValue>;

    #[wasm_bindgen(extends = Headers, js_name = Headers)]
    type RequestHeaders;
    #[wasm_bindgen(method, js_class = "Headers")]
    fn get(this: &RequestHeaders, name: &JsString) -> Option<String>;
}

/// The format that a request asks for.
pub fn format(request: &Request) -> Format {
    let headers: RequestHeaders = request.headers().unchecked_into();
    let accept = ACCEPT.with(|name| headers.get(name));
    accept.map_or(Format::Text, |accept| Format::of_accept(&accept))
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

/// A refusal.
pub fn error(format: Format, error: Error) -> Reply {
    let headers: &[_] = match error {
        Error::MethodNotAllowed => &[("Allow", ALLOW)],
        _ => &[],
    };
    let template = template(error.status(), format, headers)?;
    with_body(&format.error(error).into(), &template)
}

fn ok(format: Format, body: &JsValue) -> Reply {
    match format {
        Format::Text => TEXT.with(|text| with_body(body, text.as_ref().map_err(JsValue::clone)?)),
        Format::Json => with_body(body, &template(200, format, &[])?),
    }
}

fn template(status: u16, format: Format, more: &[(&str, &str)]) -> Reply {
    let headers = Headers::new()?;
    headers.set("Cache-Control", "no-store")?;
    headers.set("Content-Type", format.content_type())?;
    for (name, value) in more {
        headers.set(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers_headers(&headers);
    Response::new_with_opt_str_and_init(None, &init)
}

fn with_body(body: &JsValue, template: &Response) -> Reply {
    Made::new(body, template).map(JsCast::unchecked_into)
}
