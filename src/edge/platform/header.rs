//! The headers of a request.
//!
//! Their names are kept as JavaScript strings, because making one for every request costs more than looking up the
//! header.

use std::thread::LocalKey;
use wasm_bindgen::prelude::*;
use worker::js_sys::JsString;
use worker::web_sys::{Headers, Request};

/// The name of a header.
pub type Name = &'static LocalKey<JsString>;

thread_local! {
    pub static ACCEPT: JsString = "Accept".into();
    pub static AUTHORIZATION: JsString = "Authorization".into();
    pub static CONNECTING_IP: JsString = "CF-Connecting-IP".into();
    pub static CONTENT_LENGTH: JsString = "Content-Length".into();
    pub static DNT: JsString = "DNT".into();
    pub static IF_NONE_MATCH: JsString = "If-None-Match".into();
    pub static ORIGIN: JsString = "Origin".into();
    pub static PURPOSE: JsString = "Purpose".into();
    pub static REFERER: JsString = "Referer".into();
    pub static SEC_FETCH_MODE: JsString = "Sec-Fetch-Mode".into();
    pub static SEC_FETCH_SITE: JsString = "Sec-Fetch-Site".into();
    pub static SEC_GPC: JsString = "Sec-GPC".into();
    pub static SEC_PURPOSE: JsString = "Sec-Purpose".into();
    pub static USER_AGENT: JsString = "User-Agent".into();
    pub static X_MOZ: JsString = "X-Moz".into();
}

/// The headers of a request.
pub fn of(request: &Request) -> RequestHeaders {
    request.headers().unchecked_into()
}

/// The value of a header.
pub fn value(headers: &RequestHeaders, name: Name) -> Option<JsString> {
    name.with(|name| headers.get(name))
}

#[wasm_bindgen]
extern "C" {
    /// The headers, which are looked up by names that JavaScript has.
    #[wasm_bindgen(extends = Headers, js_name = Headers)]
    pub type RequestHeaders;
    #[wasm_bindgen(method, js_class = "Headers")]
    fn get(this: &RequestHeaders, name: &JsString) -> Option<JsString>;
}
