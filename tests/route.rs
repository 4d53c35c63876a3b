//! From method, path and query to what is to be done.

#![allow(clippy::expect_used)]

use proptest::prelude::*;
use tally::base::count::Amount;
use tally::base::error::{Allow, Error};
use tally::base::id::CounterName;
use tally::base::limits::MAX_NAME_BYTES;
use tally::http::route::{Action, Route};

fn get(target: &str) -> Result<Route, Error> {
    Route::parse("GET", &format!("http://localhost:8787{target}"))
}

fn counter(name: &str, action: Action) -> Result<Route, Error> {
    let name = CounterName::parse(name.into()).expect("a short name");
    Ok(Route::Counter(name, action))
}

#[test]
fn paths() {
    let one = Amount::ONE;
    assert_eq!(get("/?name=A"), counter("A", Action::Read));
    assert_eq!(
        get("/increment?name=A"),
        counter("A", Action::Increment(one))
    );
    assert_eq!(
        get("/decrement?name=A"),
        counter("A", Action::Decrement(one))
    );
    for path in [
        "/increment/",
        "//increment",
        "/Increment",
        "/increments",
        "/%69ncrement",
        "/favicon.ico",
    ] {
        assert_eq!(
            get(&format!("{path}?name=A")),
            Err(Error::NotFound),
            "{path}"
        );
    }
}

#[test]
fn paths_with_dots_and_backslashes_are_resolved() {
    let increment = counter("A", Action::Increment(Amount::ONE));
    for path in [
        "/./increment",
        "/a/../increment",
        "/../increment",
        "\\increment",
        "/%2E/increment",
        "/a/%2e./increment",
    ] {
        assert_eq!(get(&format!("{path}?name=A")), increment, "{path}");
    }
    for path in ["/increment/..", "/.", "/increment/%2e%2E", "/a/b/../.."] {
        assert_eq!(
            get(&format!("{path}?name=A")),
            counter("A", Action::Read),
            "{path}"
        );
    }
    for path in ["/increment/.", "/...", "/.increment", "/increment."] {
        assert_eq!(
            get(&format!("{path}?name=A")),
            Err(Error::NotFound),
            "{path}"
        );
    }
}

#[test]
fn without_a_name_it_is_a_question() {
    for target in [
        "/",
        "",
        "/increment",
        "/nowhere",
        "/?name=",
        "/?name",
        "/?name=&name=A",
        "/?Name=A",
        "/?",
        "/#?name=A",
    ] {
        assert_eq!(get(target), Ok(Route::Usage), "{target}");
    }
}

#[test]
fn names_are_read_as_urlsearchparams_reads_them() {
    for (query, name) in [
        ("name=A&name=B", "A"),
        ("a=1&name=A", "A"),
        ("%6eame=A", "A"),
        ("name=a+b%20c%2B", "a b c+"),
        ("name=%C3%A9%F0%9F%A6%80", "é🦀"),
        ("name=é", "é"),
        ("name=%FF%zz%4", "\u{fffd}%zz%4"),
        ("name=a=b", "a=b"),
        ("name=A#name=B", "A"),
        ("name=%00", "\0"),
        ("name=..", ".."),
    ] {
        assert_eq!(
            get(&format!("/?{query}")),
            counter(name, Action::Read),
            "{query}"
        );
    }
}

#[test]
fn names_have_at_most_1024_bytes() {
    let longest = "é".repeat(MAX_NAME_BYTES / 2);
    assert_eq!(
        get(&format!("/?name={longest}")),
        counter(&longest, Action::Read)
    );
    assert_eq!(get(&format!("/?name={longest}x")), Err(Error::NameTooLong));
    assert_eq!(
        get(&format!("/nowhere?name={longest}x")),
        Err(Error::NotFound)
    );
}

#[test]
fn amounts() {
    let of = |amount| counter("A", Action::Increment(amount));
    let five = Amount::parse("5").expect("an integer");
    assert_eq!(get("/increment?name=A&amount=5&amount=6"), of(five));
    assert_eq!(get("/increment?amount=-5&name=A"), of(-five));
    for amount in [
        "",
        "x",
        "1.0",
        "1e3",
        "+5",
        "%205",
        "0x10",
        "9007199254740992",
        "-9007199254740992",
        "1%00",
    ] {
        let target = format!("/increment?name=A&amount={amount}");
        assert_eq!(get(&target), Err(Error::InvalidAmount), "{target}");
    }
    assert_eq!(
        get("/?name=A&amount=x"),
        counter("A", Action::Read),
        "a read takes no amount"
    );
    assert_eq!(
        get("/increment?amount=x"),
        Ok(Route::Usage),
        "the name comes first"
    );
}

#[test]
fn methods() {
    assert_eq!(Allow::Counter.methods(), "GET, HEAD, POST");
    let url = "http://localhost/increment?name=A";
    assert_eq!(Route::parse("POST", url), get("/increment?name=A"));
    assert_eq!(Route::parse("HEAD", url), counter("A", Action::Head));
    assert_eq!(
        Route::parse("HEAD", "http://localhost/x?name=A"),
        Err(Error::NotFound)
    );
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "get", ""] {
        assert_eq!(
            Route::parse(method, url),
            Err(Error::MethodNotAllowed(Allow::Counter)),
            "{method}"
        );
    }
}

#[test]
fn an_object_needs_no_name() {
    let url = "https://object/increment?amount=2";
    let two = Amount::parse("2").expect("an integer");
    assert_eq!(Action::parse("GET", url), Ok(Action::Increment(two)));
    assert_eq!(
        Action::parse("GET", "https://object/x"),
        Err(Error::NotFound)
    );
    assert_eq!(
        Action::parse("PUT", url),
        Err(Error::MethodNotAllowed(Allow::Counter))
    );
}

proptest! {
    #[test]
    fn any_name_arrives(name in "\\PC{1,64}") {
        let query: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        prop_assert_eq!(get(&format!("/?name={query}")), counter(&name, Action::Read));
    }

    #[test]
    fn any_text_is_answered(method in "GET|HEAD|PUT|.{0,5}", url in any::<String>(), tail in ".{0,40}") {
        let _ = Route::parse(&method, &url);
        let _ = Route::parse(&method, &format!("http://h/{tail}"));
        let _ = Route::parse(&method, &format!("http://h/increment?name={tail}&amount={url}"));
    }
}
