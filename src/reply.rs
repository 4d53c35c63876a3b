//! Responses, and what a request says about the one it wants. None may be cached: a count is true
//! only when it is given.

use crate::count::Count;
use crate::error::{ALLOW, Error};
use crate::format::{Format, USAGE};
use crate::id::CounterName;
use wasm_bindgen::JsValue;
use worker::web_sys::{Headers, Request, Response, ResponseInit};

/// A response, or what the runtime threw instead of making it.
pub type Reply = Result<Response, JsValue>;

thread_local! {
    /// What nearly every answer has besides its body, made once.
    static TEXT: Result<ResponseInit, JsValue> = init(200, Format::Text, &[]);
}

/// The format that a request asks for.
pub fn format(request: &Request) -> Format {
    match request.headers().get("Accept") {
        Ok(Some(accept)) => Format::of_accept(&accept),
        _ => Format::Text,
    }
}

/// How to call a counter.
pub fn usage() -> Reply {
    ok(Format::Text, Some(USAGE))
}

/// A counter's headers without its count.
pub fn head(format: Format) -> Reply {
    ok(format, None)
}

/// A counter's count.
pub fn count(format: Format, name: &CounterName, count: Count) -> Reply {
    ok(format, Some(&format.count(name, count)))
}

/// A count and nothing else, as an object answers its own Worker.
pub fn bare(count: Count) -> Reply {
    ok(Format::Text, Some(&count.to_string()))
}

/// A refusal.
pub fn error(format: Format, error: Error) -> Reply {
    let extra: &[_] = match error {
        Error::MethodNotAllowed => &[("Allow", ALLOW)],
        _ => &[],
    };
    let init = init(error.status(), format, extra)?;
    Response::new_with_opt_str_and_init(Some(&format.error(error)), &init)
}

fn ok(format: Format, body: Option<&str>) -> Reply {
    match format {
        Format::Text => TEXT.with(|init| {
            Response::new_with_opt_str_and_init(body, init.as_ref().map_err(JsValue::clone)?)
        }),
        Format::Json => Response::new_with_opt_str_and_init(body, &init(200, format, &[])?),
    }
}

fn init(status: u16, format: Format, extra: &[(&str, &str)]) -> Result<ResponseInit, JsValue> {
    let headers = Headers::new()?;
    headers.set("Cache-Control", "no-store")?;
    headers.set("Content-Type", format.content_type())?;
    headers.set("Vary", "Accept")?;
    for (name, value) in extra {
        headers.set(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers_headers(&headers);
    Ok(init)
}
