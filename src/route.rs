//! Method, path and query of a request, parsed into what is to be done.

use crate::count::Amount;
use crate::error::Error;
use crate::id::CounterName;
use std::borrow::Cow;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Route {
    /// How to call a counter; asked by naming none.
    Usage,
    /// Do something with one counter.
    Counter(CounterName, Action),
}

/// What can be done with a counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Answer without the count and without asking the counter.
    Head,
    /// Tell the count.
    Read,
    /// Add an amount.
    Increment(Amount),
    /// Subtract an amount.
    Decrement(Amount),
}

impl Route {
    /// Parses a request to the Worker. `url` is absolute.
    ///
    /// The first `name` and the first `amount` of the query count, read as `URLSearchParams`
    /// reads them. A request that names no counter is a question, whatever its path.
    pub fn parse(method: &str, url: &str) -> Result<Self, Error> {
        let method = Method::parse(method)?;
        let target = Target::of(url);
        match target.first("name").filter(|name| !name.is_empty()) {
            None => Ok(Route::Usage),
            Some(name) => {
                let action = Action::of(method, &target)?;
                Ok(Route::Counter(CounterName::parse(name)?, action))
            }
        }
    }
}

impl Action {
    /// Parses a request to one counter's object, which needs no name. `url` is absolute.
    pub fn parse(method: &str, url: &str) -> Result<Self, Error> {
        Self::of(Method::parse(method)?, &Target::of(url))
    }

    fn of(method: Method, target: &Target) -> Result<Self, Error> {
        let action = match &*target.path {
            "/" => Action::Read,
            "/increment" => Action::Increment(target.amount()?),
            "/decrement" => Action::Decrement(target.amount()?),
            _ => return Err(Error::NotFound),
        };
        Ok(match method {
            Method::Get => action,
            Method::Head => Action::Head,
        })
    }
}

/// The methods of [`crate::error::ALLOW`]. `POST` is answered like `GET`.
#[derive(Clone, Copy)]
enum Method {
    Get,
    Head,
}

impl Method {
    fn parse(method: &str) -> Result<Self, Error> {
        match method {
            "GET" | "POST" => Ok(Method::Get),
            "HEAD" => Ok(Method::Head),
            _ => Err(Error::MethodNotAllowed),
        }
    }
}

/// The part of a URL behind the host.
struct Target<'a> {
    path: Cow<'a, str>,
    query: &'a str,
}

impl<'a> Target<'a> {
    fn of(url: &'a str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let rest = rest.split('#').next().unwrap_or_default();
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = before.find(['/', '\\']).map_or("/", |i| &before[i..]);
        Self {
            path: normalize(path),
            query,
        }
    }

    fn first(&self, key: &str) -> Option<Cow<'a, str>> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(k, _)| k == key)
            .map(|(_, value)| value)
    }

    fn amount(&self) -> Result<Amount, Error> {
        self.first("amount")
            .map_or(Ok(Amount::ONE), |text| Amount::parse(&text))
    }
}

/// Resolves `.` and `..` and turns `\` into `/`, as the `URL` class does
/// (<https://url.spec.whatwg.org/#path-state>).
fn normalize(path: &str) -> Cow<'_, str> {
    if !path.contains(['\\', '.']) && !path.contains("%2") {
        return Cow::Borrowed(path);
    }
    let mut segments: Vec<&str> = Vec::new();
    let mut open = false;
    for segment in path[1..].split(['/', '\\']) {
        open = true;
        match dots(segment) {
            Some(1) => {}
            Some(_) => {
                segments.pop();
            }
            None => {
                segments.push(segment);
                open = false;
            }
        }
    }
    if open {
        segments.push("");
    }
    Cow::Owned(format!("/{}", segments.join("/")))
}

/// How many dots a segment is, plain or percent-encoded; `None` where it is not one or two.
fn dots(segment: &str) -> Option<usize> {
    match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
        "." => Some(1),
        ".." => Some(2),
        _ => None,
    }
}
