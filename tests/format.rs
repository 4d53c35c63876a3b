//! Bodies, and which kind of them is asked for.

#![allow(clippy::expect_used)]

use proptest::prelude::*;
use tally::base::count::Count;
use tally::base::error::Error;
use tally::http::format::Format;

#[test]
fn json_is_given_to_those_who_name_it() {
    for accept in [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json, text/plain, */*",
        "text/plain;q=0.5, application/json; q=0.9",
        "text/html, application/json;q=0.001",
    ] {
        assert_eq!(Format::of_accept(accept), Format::Json, "{accept}");
    }
    for accept in [
        "",
        "*/*",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/json;q=0",
        "application/json;q=0.000",
        "application/json;q=x",
        "application/json;q=0.5, text/plain",
        "application/jsonp",
        "application/*",
    ] {
        assert_eq!(Format::of_accept(accept), Format::Text, "{accept}");
    }
}

#[test]
fn bodies() {
    let count = Count::from_number(-3.0).expect("a count");
    assert_eq!(
        Format::Text.count("A", count),
        "Durable Object 'A' count: -3"
    );
    assert_eq!(
        Format::Json.count("\"\\\n", count),
        r#"{"name":"\"\\\n","count":-3}"#
    );
    assert_eq!(Format::Text.error(Error::NotFound), "Not found");
    assert_eq!(
        Format::Json.error(Error::InvalidAmount),
        r#"{"error":{"code":"invalid_amount","message":"An amount is an integer from -9007199254740991 to 9007199254740991"}}"#
    );
}

proptest! {
    #[test]
    fn any_accept_header_is_read(accept in ".{0,80}") {
        Format::of_accept(&accept);
        Format::of_accept(&format!("application/json;q={accept}"));
    }
}
