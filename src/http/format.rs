//! The bodies of counters' answers, in text or JSON, and which of the two a client wants.

use crate::base::count::Count;
use crate::base::error::Error;
use serde::Serialize;

/// The answer to a request that names no counter.
pub const USAGE: &str = "Select a Durable Object to contact by using \
    the `name` URL query string parameter, for example, ?name=A";

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line of text, as the JavaScript counter example answers.
    Text,
    /// A JSON object.
    Json,
}

impl Format {
    /// Reads an `Accept` header (RFC 9110, 12.5.1): JSON where it is named and wanted no less
    /// than text.
    pub fn of_accept(accept: &str) -> Self {
        let (mut json, mut text) = (0, 0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            match parts.next().unwrap_or_default() {
                name if name.eq_ignore_ascii_case("application/json") => json = weight(parts),
                name if name.eq_ignore_ascii_case("text/plain") => text = weight(parts),
                _ => {}
            }
        }
        if json > 0 && json >= text {
            Format::Json
        } else {
            Format::Text
        }
    }

    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain;charset=UTF-8",
            Format::Json => "application/json",
        }
    }

    /// The body that tells a counter's count.
    pub fn count(self, name: &str, count: Count) -> String {
        match self {
            Format::Text => format!("Durable Object '{name}' count: {count}"),
            Format::Json => json(&CountBody { name, count }),
        }
    }

    /// The body that tells what was wrong.
    pub fn error(self, error: Error) -> String {
        self.error_in_words(error, error.to_string())
    }

    /// The same with a sentence of its own.
    pub fn error_in_words(self, error: Error, message: String) -> String {
        let code = error.code();
        match self {
            Format::Text => message,
            Format::Json => json(&ErrorBody {
                error: ErrorDetail { code, message },
            }),
        }
    }
}

#[derive(Serialize)]
struct CountBody<'a> {
    name: &'a str,
    count: Count,
}

#[derive(Serialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Serialize)]
struct ErrorDetail {
    code: &'static str,
    message: String,
}

/// The `q` of a media range in thousandths: 1000 where there is none, 0 where it is malformed.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> u16 {
    let Some(q) = parameters.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")))
    else {
        return 1000;
    };
    match q.split_once('.').unwrap_or((q, "")) {
        ("1", _) => 1000,
        ("0", digits) => format!("{digits:0<3.3}").parse().unwrap_or(0),
        _ => 0,
    }
}

/// The types above have text keys and finite numbers, which always serialize.
fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}
