//! Settings, and whether a visit counts.

#![allow(clippy::expect_used)]

use proptest::prelude::*;
use tally::base::error::Error;
use tally::base::settings::{CounterWrites, Public, Read, Settings};
use tally::http::visit::{Signals, allowed, is_curl, is_set, network, origin_of};
use tally::model::reason::Reason;

/// Settings from `NAME=value` texts, and the names of those that were refused.
fn parse(vars: &[&str]) -> (Settings, Vec<String>) {
    let var = |name: &str| {
        let mut pairs = vars.iter().filter_map(|var| var.split_once('='));
        pairs
            .find(|pair| pair.0 == name)
            .map(|pair| pair.1.to_owned())
    };
    let mut refused = Vec::new();
    let settings = Settings::parse(var, |name| refused.push(name.to_owned()));
    (settings, refused)
}

fn origins(text: &str) -> Settings {
    let (settings, refused) = parse(&[&format!("ALLOWED_ORIGINS={text}")]);
    assert_eq!(refused, [""; 0]);
    settings
}

fn from(origin: &str) -> Signals {
    Signals {
        origin: Some(origin.to_owned()),
        ..Signals::default()
    }
}

#[test]
fn nothing_has_to_be_set() {
    let (settings, refused) = parse(&[]);
    assert_eq!(settings, Settings::default());
    assert_eq!(refused, [""; 0]);
    assert_eq!(
        settings,
        Settings {
            dedupe: 1800,
            publish: 300,
            writes: 900,
            ledgers: 1,
            new_posts: 500,
            count_bots: false,
            origins: Vec::new(),
            sites: Vec::new(),
            lists: Vec::new(),
            counter_writes: CounterWrites::Anyone,
            public: Public::ALL,
        }
    );
}

#[test]
fn everything_can_be_set() {
    let (settings, refused) = parse(&[
        "DEDUPE_SECONDS=0",
        "PUBLISH_SECONDS= 1 ",
        "NEW_POSTS_PER_HOUR=0",
        "KV_WRITES_PER_DAY=4294967295",
        "LEDGERS=64",
        "BOTS=count",
        "ALLOWED_ORIGINS=https://A.example/, http://b.example:8080\nnull",
        "LISTS=/posts/, /de/\n/posts/ Shop",
        "COUNTER_WRITES=off",
        "PUBLIC=badge, top\nhistory,stats views",
    ]);
    assert_eq!(refused, [""; 0]);
    assert_eq!(
        settings,
        Settings {
            dedupe: 0,
            publish: 1,
            writes: u32::MAX,
            ledgers: 64,
            new_posts: 0,
            count_bots: true,
            origins: ["https://a.example", "http://b.example:8080", "null"]
                .map(str::to_owned)
                .to_vec(),
            sites: Vec::new(),
            lists: ["/posts/", "/de/", "Shop"].map(str::to_owned).to_vec(),
            counter_writes: CounterWrites::Off,
            public: Public::ALL,
        }
    );
    for var in [
        "BOTS=",
        "BOTS=skip",
        "DEDUPE_SECONDS=1800",
        "ALLOWED_ORIGINS= ,\n",
        "COUNTER_WRITES=",
        "COUNTER_WRITES= anyone",
        "PUBLIC=views top history stats badge",
    ] {
        assert_eq!(parse(&[var]), (Settings::default(), vec![]), "{var}");
    }
    assert_eq!(parse(&["DEDUPE_SECONDS=86400"]).0.dedupe, 86_400);
    assert_eq!(parse(&["PUBLISH_SECONDS=86400"]).0.publish, 86_400);
    let lists: String = (0..16).map(|n| format!("{n:0>128},")).collect();
    assert_eq!(parse(&[&format!("LISTS={lists}")]).0.lists.len(), 16);
}

#[test]
fn what_is_not_valid_is_named_and_stays_at_its_default() {
    for var in [
        "DEDUPE_SECONDS=86401",
        "DEDUPE_SECONDS=-1",
        "DEDUPE_SECONDS=",
        "DEDUPE_SECONDS=half an hour",
        "DEDUPE_SECONDS=1.5",
        "PUBLISH_SECONDS=0",
        "PUBLISH_SECONDS=86401",
        "PUBLISH_SECONDS=5m",
        "KV_WRITES_PER_DAY=0",
        "LEDGERS=0",
        "LEDGERS=65",
        "LEDGERS=four",
        "NEW_POSTS_PER_HOUR=-1",
        "NEW_POSTS_PER_HOUR=many",
        "KV_WRITES_PER_DAY=4294967296",
        "KV_WRITES_PER_DAY=1e3",
        "BOTS=yes",
        "BOTS=Count",
        &format!("LISTS={}", "x".repeat(129)),
        &format!(
            "LISTS={}",
            (0..17).map(|n| format!("/{n} ")).collect::<String>()
        ),
    ] {
        let (settings, refused) = parse(&[var]);
        assert_eq!(settings, Settings::default(), "{var}");
        let name = var.split('=').next().expect("a name");
        assert_eq!(refused, [name]);
    }
    let (settings, refused) = parse(&["PUBLISH_SECONDS=x", "BOTS=x", "DEDUPE_SECONDS=60"]);
    assert_eq!(refused, ["PUBLISH_SECONDS", "BOTS"]);
    assert_eq!(settings.dedupe, 60, "the valid ones are taken");
}

#[test]
fn who_may_count_and_read_is_never_more_than_is_set() {
    let (settings, refused) = parse(&["COUNTER_WRITES=owner", "PUBLIC=top,badge"]);
    assert_eq!(refused, [""; 0]);
    assert_eq!(settings.counter_writes, CounterWrites::Owner);
    let all = [
        Read::Views,
        Read::Top,
        Read::History,
        Read::Stats,
        Read::Badge,
    ];
    let public = |settings: &Settings| all.map(|read| settings.public.has(read));
    assert_eq!(public(&settings), [false, true, false, false, true]);
    let (settings, refused) = parse(&["PUBLIC=none, stats", "COUNTER_WRITES=Owner"]);
    assert_eq!(refused, ["COUNTER_WRITES", "PUBLIC"]);
    assert_eq!(public(&settings), [false, false, false, true, false]);
    assert_eq!(settings.counter_writes, CounterWrites::Off);
    for nothing in ["PUBLIC=", "PUBLIC= ,", "PUBLIC=Views"] {
        assert_eq!(public(&parse(&[nothing]).0), [false; 5], "{nothing}");
    }
}

#[test]
fn what_no_page_can_send_is_no_origin() {
    for text in ["blog.example", "https://", "https://blog.example/blog"] {
        let (settings, refused) = parse(&[&format!("ALLOWED_ORIGINS={text}")]);
        assert_eq!(refused, ["ALLOWED_ORIGINS"], "{text}");
        let foreign = Err(Error::ForeignOrigin);
        assert_eq!(from("https://blog.example").admit(&settings), foreign);
    }
}

#[test]
fn pages_of_other_sites_may_not_ping() {
    let settings = origins("https://blog.example, https://www.blog.example");
    for origin in [
        "https://blog.example",
        "https://www.blog.example",
        "HTTPS://Blog.Example",
    ] {
        assert_eq!(from(origin).admit(&settings), Ok(()), "{origin}");
    }
    for origin in [
        "null",
        "",
        "http://blog.example",
        "https://blog.example:8443",
        "https://evil.example",
        "https://blog.example.evil.example",
        "https://notblog.example",
        "blog.example",
    ] {
        let refused = Err(Error::ForeignOrigin);
        assert_eq!(from(origin).admit(&settings), refused, "{origin}");
    }
    let refused = Err(Error::ForeignOrigin);
    assert_eq!(Signals::default().admit(&settings), refused, "no browser");
    assert_eq!(from("null").admit(&origins("null")), refused);
    assert_eq!(from("").admit(&origins("null")), refused);
}

#[test]
fn what_is_no_fetch_of_a_page_may_not_ping_where_not_all_may() {
    let settings = origins("https://blog.example");
    let sites = ["cross-site", "same-site", "same-origin", "none", ""];
    let modes = ["cors", "no-cors", "same-origin", "navigate", "websocket"];
    for site in sites.map(Some).into_iter().chain([None]) {
        for mode in modes.map(Some).into_iter().chain([None]) {
            let signals = Signals {
                fetch: [site, mode].map(|value| value.map(str::to_owned)),
                ..from("https://blog.example")
            };
            let is_fetch = match mode {
                Some("same-origin") => matches!(site, None | Some("same-origin")),
                Some("navigate" | "websocket") => false,
                _ => !matches!(site, Some("none" | "")),
            };
            let verdict = is_fetch.then_some(()).ok_or(Error::ForeignOrigin);
            assert_eq!(signals.admit(&settings), verdict, "{site:?} {mode:?}");
            assert_eq!(signals.admit(&Settings::default()), Ok(()));
        }
    }
}

#[test]
fn without_a_list_every_page_may_ping() {
    let settings = Settings::default();
    for origin in ["https://blog.example", "null", ""] {
        assert_eq!(from(origin).admit(&settings), Ok(()), "{origin}");
        assert!(allowed(origin, &[]));
    }
}

#[test]
fn a_ping_has_no_use_for_a_long_body() {
    let settings = Settings::default();
    let long = |length: &str| Signals {
        length: Some(length.to_owned()),
        ..Signals::default()
    };
    for length in ["0", "1024", "", "x", "-1"] {
        assert_eq!(long(length).admit(&settings), Ok(()), "{length}");
    }
    for length in ["1025", "99999999"] {
        let refused = Err(Error::PingTooLarge);
        assert_eq!(long(length).admit(&settings), refused, "{length}");
    }
}

#[test]
fn pages_that_are_fetched_ahead_do_not_count() {
    let settings = Settings::default();
    for place in 0..3 {
        for (purpose, reason) in [
            ("prefetch", Some(Reason::Prefetch)),
            ("Prefetch", Some(Reason::Prefetch)),
            ("prefetch;prerender", Some(Reason::Prefetch)),
            ("prefetch;anonymous-client-ip", Some(Reason::Prefetch)),
            ("prerender", Some(Reason::Prefetch)),
            ("preview", Some(Reason::Prefetch)),
            ("", None),
            ("navigate", None),
        ] {
            let mut signals = Signals::default();
            signals.purpose[place] = Some(purpose.to_owned());
            assert_eq!(signals.reason(&settings, || false), reason, "{purpose}");
        }
    }
}

#[test]
fn bots_count_only_where_they_are_to() {
    let signals = Signals::default();
    let (count, _) = parse(&["BOTS=count"]);
    let skip = Settings::default();
    assert_eq!(signals.reason(&skip, || true), Some(Reason::Bot));
    assert_eq!(signals.reason(&skip, || false), None);
    assert_eq!(signals.reason(&count, || true), None);
    let mut ahead = Signals::default();
    ahead.purpose[0] = Some("prefetch".to_owned());
    assert_eq!(ahead.reason(&count, || true), Some(Reason::Prefetch));
    let unasked = || unreachable!("the headers tell already");
    assert_eq!(ahead.reason(&skip, unasked), Some(Reason::Prefetch));
}

#[test]
fn reasons_have_stable_numbers_and_words() {
    let words = ["duplicate", "bot", "prefetch", "origin", "flood", "unknown"];
    for (number, word) in (0..).zip(words) {
        let reason = Reason::from_number(number).expect("a reason");
        assert_eq!((reason.number(), reason.name()), (number, word));
    }
    assert_eq!(Reason::from_number(6), None);
}

#[test]
fn the_rate_limit_counts_lines() {
    for (address, line) in [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8::1", "2001:db8:0:0::/64"),
        ("::1", "0:0:0:0::/64"),
        ("", ""),
        ("unknown", "unknown"),
    ] {
        assert_eq!(network(address), line);
    }
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
}

#[test]
fn privacy_is_asked_for_with_a_one() {
    for (header, set) in [
        (None, false),
        (Some("1"), true),
        (Some(" 1 "), true),
        (Some("0"), false),
        (Some(""), false),
        (Some("11"), false),
        (Some("true"), false),
    ] {
        assert_eq!(is_set(header), set, "{header:?}");
    }
}

#[test]
fn curl_is_no_bot() {
    assert!(is_curl("curl/8.5.0"));
    for agent in ["", "curl", "libcurl/8", "Mozilla/5.0 (compatible; curl/8)"] {
        assert!(!is_curl(agent), "{agent}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_setting_or_refused(text in "[0-9]{1,11}|.{0,20}") {
        let names = ["DEDUPE_SECONDS", "PUBLISH_SECONDS", "KV_WRITES_PER_DAY", "NEW_POSTS_PER_HOUR"];
        for name in names {
            let (settings, refused) = parse(&[&format!("{name}={text}")]);
            prop_assert!(settings.dedupe <= 86_400);
            prop_assert!((1..=86_400).contains(&settings.publish));
            prop_assert!(settings.writes > 0);
            if settings != Settings::default() {
                prop_assert_eq!(refused, [""; 0]);
            }
        }
    }

    #[test]
    fn a_line_of_ipv6_is_one_network(segments: [u16; 8], host: [u16; 4]) {
        let address = std::net::Ipv6Addr::from(segments);
        let mut neighbour = segments;
        neighbour[4..].copy_from_slice(&host);
        let neighbour = std::net::Ipv6Addr::from(neighbour);
        let line = network(&address.to_string());
        prop_assert_eq!(&line, &network(&neighbour.to_string()));
        let begin = line.strip_suffix("/64").expect("a network").parse();
        let [a, b, c, d, ..] = segments;
        prop_assert_eq!(begin, Ok(std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)));
    }
}

#[test]
fn the_origin_of_a_referer() {
    for (referer, origin) in [
        ("https://blog.example/a/b?c#d", "https://blog.example"),
        ("https://blog.example", "https://blog.example"),
        ("https://blog.example:8443/", "https://blog.example:8443"),
        ("https://blog.example?x", "https://blog.example"),
        (
            "https://blog.example@evil.example/",
            "https://blog.example@evil.example",
        ),
        (
            "https://evil.example/https://blog.example/",
            "https://evil.example",
        ),
        ("/blog.example", ""),
        ("", ""),
        ("é://é", "é://é"),
    ] {
        assert_eq!(origin_of(referer), origin, "{referer}");
    }
}
