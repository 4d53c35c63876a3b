//! Whatever comes in, over HTTP, in an import or from storage, is taken or refused: nothing panics, no answer is a
//! fault of the server, and no row grows past its bound.
//!
//! `FUZZ=100` tries a hundred times as many; `npm run fuzz` does, and prints the seed (`PROPTEST_RNG_SEED`) that
//! tries the same once more.

#![allow(clippy::expect_used)]

mod site;

use proptest::prelude::*;
use site::{START, Site, Store, at, post};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use tally::base::id::PostId;
use tally::base::settings::Settings;
use tally::base::site::Site as WebSite;
use tally::books::health::failing;
use tally::books::tally::{Ping, Tally};
use tally::http::portable::{Format, count_body};
use tally::http::route::{Action, Route, Views};
use tally::http::visit::{Signals, is_set, network};
use tally::model::record::Record;
use tally::published::slice::Slice;
use tally::verify::address::{address, lengthen};
use tally::verify::page::{MAX_ADDRESS_BYTES, Page};
use tally::verify::verdict::{NotReal, Verdict, Why};

fn cases(cases: u32) -> ProptestConfig {
    let times = std::env::var("FUZZ")
        .ok()
        .and_then(|times| times.parse().ok());
    ProptestConfig {
        cases: cases.saturating_mul(times.unwrap_or(1)),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Text of pieces that mean something, and of any characters.
fn text(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(pieces).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[0-9]{1,20}",
        1 => "[ -~]{0,6}",
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

const TARGET: &[&str] = &[
    "/",
    "//",
    "\\",
    ".",
    "..",
    "%2e",
    "%2F",
    "%",
    "%00",
    "%C3%A9",
    "%FF",
    "?",
    "&",
    "=",
    "#",
    ":",
    "+",
    "views",
    "/views/",
    "/views",
    "/top",
    "/history",
    "/stats",
    "/health",
    "/badge/",
    ".svg",
    "/export",
    "/import",
    "/increment",
    "/decrement",
    "name=",
    "amount=",
    "post=",
    "id=",
    "limit=",
    "period=",
    "day",
    "days=",
    "prefix=",
    "label=",
    "color=",
    "format=",
    "csv",
    "mode=",
    "dry=1",
    "-1",
    "9007199254740992",
    "https://tally.example",
    "a",
    "142",
];

const HEADER: &[&str] = &[
    "https://",
    "http://",
    "blog.example",
    "null",
    "prefetch",
    "prerender",
    ";",
    ",",
    ":",
    "::",
    "192.0.2.1",
    "2001:db8",
    "/",
    "1",
    "0",
    " ",
    "-",
    "cors",
    "no-cors",
    "cross-site",
    "none",
];

const FILE: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "1e9",
    "-0",
    "\n",
    "\r\n",
    "post",
    "views",
    "hours",
    "days",
    "\"posts\":",
    "\"post\":\"a\"",
    "\"views\":1",
    "2026-11-20T10",
    "2026-11-20",
    ":5",
    "post,views,hours,days",
    "a,1,,",
    "'=1",
    "\"\"",
    "\u{feff}",
    "142",
    "'",
];

const PAGE: &[&str] = &[
    "/",
    "/a/",
    "a",
    "142",
    "https://blog.example",
    "https://www.blog.example/folder/",
    "https://else.example/",
    "views.js",
    "/views.js",
    "index.html",
    "..",
    "%2e",
    "%C3%A9",
    "é",
    "?",
    "#",
    "*",
    " ",
    "&",
    "&amp;",
    "&#0;",
    "&#x202e;",
    "&eacute;",
    "\n",
    "true",
    "false",
    "noindex",
    "A title of a post that goes on and on, as titles do where somebody wants to be found for every word that there is in it",
];

proptest! {
    #![proptest_config(cases(5000))]

    #[test]
    fn requests(method in text(&["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"]), target in text(TARGET)) {
        let url = format!("https://tally.example/{target}");
        for method in ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", &method] {
            for url in [&url, &target] {
                match Route::parse(method, url) {
                    Ok(Route::Views(Views::Badge(_, badge))) => prop_assert!(badge.svg(1).len() < 4096),
                    Ok(_) => {}
                    Err(error) => prop_assert!((400..500).contains(&error.status()), "{error}"),
                }
                if let Err(error) = Action::parse(method, url) {
                    prop_assert!((400..500).contains(&error.status()), "{error}");
                }
            }
        }
    }

    #[test]
    fn headers(origin in text(HEADER), purpose in text(HEADER), mode in text(HEADER), length in text(HEADER)) {
        let settings = Settings { origins: vec!["https://blog.example".to_owned()], ..Settings::default() };
        let signals = Signals {
            origin: Some(origin.clone()),
            fetch: [Some(purpose.clone()), Some(mode)],
            purpose: [Some(purpose.clone()), None, None],
            length: Some(length),
        };
        let verdict = signals.admit(&settings);
        prop_assert!(verdict.is_err() || origin.eq_ignore_ascii_case("https://blog.example"));
        let _ = signals.reason(&settings, || false);
        let _ = (is_set(Some(&purpose)), network(&origin));
    }

    #[test]
    fn imports(file in text(FILE)) {
        for format in ["json", "ndjson", "csv"].map(Format::parse).into_iter().flatten().chain([Format::of(&file)]) {
            if let Err(error) = format.read(&file, at(START)) {
                prop_assert!((400..500).contains(&error.status()), "{error}");
            }
        }
        if let Err(error) = count_body(&file) {
            prop_assert_eq!(error.status(), 400);
        }
    }

    #[test]
    fn pages(texts in prop::collection::vec(text(PAGE), 6), post in text(PAGE), at in text(PAGE), has_hash: bool) {
        let sites: Vec<_> = ["https://blog.example", "https://www.blog.example/folder"].iter().filter_map(|site| WebSite::parse(site)).collect();
        let Ok(post) = PostId::parse(post) else { return Ok(()) };
        let address = address(&sites, &post, Some(&at), None);
        if let Some(address) = &address {
            prop_assert!(sites.iter().any(|site| address.starts_with(site.origin())), "{address}");
        }
        let resolve = |text: &str, base: &str| Some(match text.contains("://") {
            true => text.to_owned(),
            false => format!("{base}{text}"),
        });
        let own = address.unwrap_or_else(|| "https://blog.example/a/".to_owned());
        let fields = [own.as_str(), "200", "false", "false", "text/html"].map(str::to_owned);
        let (head, post_of_tag) = texts.split_at(5);
        let tag = ["/views.js", &post_of_tag[0], "", "", if has_hash { "true" } else { "false" }, "false"].map(str::to_owned);
        let page = Page::read(fields.into_iter().chain(head.to_vec()).chain(tag)).expect("all fields");
        if let Verdict::Real { title, path } = page.judge(&sites, &post, &resolve) {
            prop_assert!(title.len() <= 200 && path.len() <= MAX_ADDRESS_BYTES, "{title} {path}");
            prop_assert!(!title.contains(|c: char| c.is_control()), "{title:?}");
            prop_assert!(path.is_empty() || lengthen(&sites, &path).is_some(), "{path}");
        }
    }

    #[test]
    fn slices(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Slice::read(&bytes);
    }
}

const DOWN: Verdict = Verdict::Unreachable(Why::Timeout);

fn real() -> Verdict {
    Verdict::Real {
        title: "Title".to_owned(),
        path: "/path/".to_owned(),
    }
}

/// The rows of a ledger with posts of two pages, some of them verified and some waiting, marks, lists and a journal.
static ROWS: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let mut site = Site::new(vec![]);
    site.settings.lists = vec!["1".to_owned()];
    let records = (0..600).map(|n| {
        let mut record = Record::default();
        (0..24).for_each(|hour| record.view(at(START - hour * 3600)));
        (post(format!("{n}{:x>200}", "")), record)
    });
    site.import(records.collect());
    site.save();
    site.settle(600);
    for n in 0..40 {
        site.ping(n, Some(&format!("id {n}")), Some("192.0.2.1"));
        site.save();
    }
    site.settings.sites = WebSite::parse("https://blog.example").into_iter().collect();
    for (n, verdict) in (0..20).flat_map(|n| [(n, real()), (100 + n, DOWN)]) {
        let (post, address) = (post(format!("/{n}")), format!("https://blog.example/{n}"));
        let (tally, settings, now) = (&mut site.tally, &site.settings, at(site.now));
        let judged = tally.judged(&site.store, &post, &address, verdict, settings, now);
        assert_eq!(judged, Ok(true));
        site.save();
    }
    site.store.rows.take()
});

/// Bytes that are replaced, taken out and put in, in a row.
fn damage() -> impl Strategy<Value = (prop::sample::Index, prop::sample::Index, usize, Vec<u8>)> {
    let byte = prop_oneof![
        Just(0),
        Just(1),
        Just(0x7f),
        Just(0x80),
        Just(0xff),
        any::<u8>()
    ];
    let bytes = prop::collection::vec(byte, 0..6);
    (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0..6_usize,
        bytes,
    )
}

/// All that a ledger is asked, over rows that may be anything.
fn live(store: &Store, sites: &[WebSite]) -> Result<(), tally::base::error::Error> {
    let settings = Settings {
        lists: vec!["1".to_owned()],
        sites: sites.to_vec(),
        ..Settings::default()
    };
    let mut key = 0;
    let mut random = move || {
        key += 1;
        [key; 16]
    };
    failing(store)?;
    let mut tally = Tally::load(store, 0, &settings, at(START), &mut random)?;
    for step in 0..3 {
        let now = at(START + 400 * step);
        for id in ["0", "new", &format!("7{:x>200}", "")] {
            let post = post(id);
            let ping = Ping {
                post: &post,
                id: Some("an id"),
                visitor: Some(("192.0.2.1", "Firefox")),
                network: None,
            };
            tally.ping(store, ping, &settings, now, random)?;
            tally.views(store, &post)?;
        }
        for id in ["/1", "/101", "0", "/new"] {
            let (post, address) = (post(id), format!("https://blog.example/{step}"));
            let ping = Ping {
                post: &post,
                id: None,
                visitor: None,
                network: Some(step),
            };
            tally.ping(store, ping, &settings, now, random)?;
            tally.check(ping, &settings, now);
            if sites.is_empty() {
                continue;
            }
            tally.claim(store, &post, &address, Some(step), &settings, now)?;
            for verdict in [DOWN, Verdict::NotReal(NotReal::NoTag), real()] {
                tally.judged(store, &post, &address, verdict, &settings, now)?;
            }
        }
        tally.arm(now, &settings);
        if tally.begin(store, now, &settings)?.is_some() {
            let mut writes = 0;
            while let Some(write) = tally.next_write(store, now, &settings)? {
                assert!(
                    write.bytes.len() < 4 << 20,
                    "{} has {} bytes",
                    write.key,
                    write.bytes.len()
                );
                tally.written(write.what, write.at);
                writes += 1;
                assert!(writes < 1000, "a publication without end");
            }
        }
        tally.save(store, now, &settings)?;
    }
    let mut next = Some(0);
    while let Some(from) = next {
        let (_, after) = tally.export(store, from)?;
        assert!(
            after.is_none_or(|after| after > from),
            "an export without end"
        );
        next = after;
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn stored_rows(changes in prop::collection::vec(damage(), 1..4)) {
        let store = Store::default();
        let mut rows = ROWS.clone();
        for (row, place, out, bytes) in changes {
            let row = rows.values_mut().nth(row.index(ROWS.len())).expect("a row");
            let begin = place.index(row.len().max(1)).min(row.len());
            let end = (begin + out).min(row.len());
            row.splice(begin..end, bytes);
        }
        // What cannot be read is an error.
        for sites in [&[][..], &WebSite::parse("https://blog.example").into_iter().collect::<Vec<_>>()] {
            store.rows.replace(rows.clone());
            let _ = live(&store, sites);
        }
    }
}

#[test]
fn rows_without_damage_are_no_error() {
    let store = Store::default();
    for sites in [
        vec![],
        WebSite::parse("https://blog.example").into_iter().collect(),
    ] {
        store.rows.replace(ROWS.clone());
        assert_eq!(live(&store, &sites), Ok(()));
    }
}
