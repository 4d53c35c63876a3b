//! Requests for posts' views: from method and target to what is to be done.

#![allow(clippy::expect_used)]

use proptest::prelude::*;
use tally::base::error::{Allow, Error};
use tally::base::id::{PingId, PostId};
use tally::base::limits::{MAX_ID_BYTES, MAX_POST_BYTES};
use tally::http::badge::Badge;
use tally::http::portable::Format;
use tally::http::route::{Import, Owner, Route, Views, is_of_views};
use tally::model::filter::Filter;
use tally::model::mode::Mode;
use tally::model::record::Period;

fn ask(method: &str, target: &str) -> Result<Route, Error> {
    Route::parse(method, &format!("https://tally.example{target}"))
}

fn get(target: &str) -> Result<Route, Error> {
    ask("GET", target)
}

fn post(id: &str) -> PostId {
    PostId::parse(id.to_owned()).expect("a post")
}

fn one(id: &str) -> Result<Route, Error> {
    Ok(Route::Views(Views::Post(post(id))))
}

fn ping(id: &str, ping: Option<&str>) -> Result<Route, Error> {
    let ping = ping.map(|id| PingId::parse(id.to_owned()).expect("an id"));
    Ok(Route::Views(Views::Ping(post(id), ping)))
}

fn top(period: Period, limit: u32) -> Result<Route, Error> {
    Ok(Route::Views(Views::Top {
        period,
        limit,
        prefix: String::new(),
    }))
}

fn history(id: Option<&str>, days: u32) -> Result<Route, Error> {
    Ok(Route::Views(Views::History(id.map(post), days)))
}

fn owner(what: Result<Owner, Error>) -> Result<Route, Error> {
    Ok(Route::Views(Views::Owner(what)))
}

#[test]
fn a_post_is_all_behind_views() {
    for (path, id) in [
        ("142", "142"),
        ("blog/2026/hello", "blog/2026/hello"),
        ("blog/a%2Fb", "blog/a/b"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ("%e2%82%ac", "€"),
        ("€", "€"),
        ("%F0%9F%A6%80", "🦀"),
        ("a%25b", "a%b"),
        ("x:", "x:"),
        ("142/", "142/"),
        ("/142", "/142"),
        ("%2e%2e%2f", "../"),
        ("142?post=7", "142"),
        ("142#top", "142"),
        ("a/../142", "142"),
        ("__proto__", "__proto__"),
    ] {
        let target = format!("/views/{path}");
        assert_eq!(get(&target), one(id), "{target}");
        assert_eq!(ask("HEAD", &target), one(id), "{target}");
        assert_eq!(ask("POST", &target), ping(id, None), "{target}");
    }
}

#[test]
fn an_image_names_its_post_as_a_page_does() {
    let image = |id: &str| Ok(Route::Views(Views::Image(post(id), None)));
    let longest = "é".repeat(MAX_POST_BYTES / 2);
    for (path, id) in [
        ("142", "142"),
        ("cat.gif", "cat.gif"),
        ("cat%2Egif", "cat.gif"),
        ("/hello/", "/hello"),
        ("%2F2026%2Fhello%2F", "/2026/hello"),
        ("%2F2026%2Fhello%2Findex.html", "/2026/hello"),
        ("%2Fcaf%25C3%25A9%2F", "/café"),
        ("%2Fcaf%C3%A9", "/café"),
        ("%2Fcaf%25E9", "/caf%E9"),
        ("%2Fa%2F..%2Fb%5Cc", "/b/c"),
        ("%2F", "/"),
        ("%2Findex.html", "/"),
        ("%2Fx%3Ftoken=secret", "/x"),
        ("%2Fx%23token=secret", "/x"),
        ("https%3A%2F%2Fblog.example%2Fhello%2F%3Fx", "/hello"),
        ("https://blog.example/hello/", "/hello"),
        ("https://blog.example", "/"),
        ("http://blog.example%3Fx", "/"),
        ("//blog.example/hello", "/hello"),
        ("ftp://blog.example/", "ftp://blog.example/"),
        ("a/", "a/"),
        (&longest, &longest),
    ] {
        let target = format!("/views/{path}.gif");
        assert_eq!(get(&target), image(id), "{target}");
        let head = Ok(Route::Views(Views::ImageHead));
        assert_eq!(ask("HEAD", &target), head, "{target}");
    }
    let id = PingId::parse("7".to_owned()).expect("an id");
    let counted = Ok(Route::Views(Views::Image(post("142"), Some(id))));
    assert_eq!(get("/views/142.gif?id=7"), counted);
    for (path, error) in [
        ("", Error::InvalidPost),
        (":x", Error::InvalidPost),
        ("%2F%250A", Error::InvalidPost),
        ("%zz", Error::InvalidEncoding),
        (&*format!("{longest}x"), Error::InvalidPost),
    ] {
        let target = format!("/views/{path}.gif");
        assert_eq!(get(&target), Err(error), "{target}");
    }
    // Any other method means the post of that name, and so does a longer path.
    assert_eq!(ask("POST", "/views/cat.gif"), ping("cat.gif", None));
    for path in ["/views/cat.gif/", "/views/cat.GIF", "/views/cat.gifs"] {
        assert_eq!(get(path), one(&path["/views/".len()..]), "{path}");
    }
}

#[test]
fn what_is_no_post_is_refused() {
    let long = format!("/views/{}", "x".repeat(MAX_POST_BYTES + 1));
    let wide = format!("/views/{}x", "%C3%A9".repeat(MAX_POST_BYTES / 2));
    for (target, error) in [
        ("/views/", Error::InvalidPost),
        ("/views/:x", Error::InvalidPost),
        ("/views/%3Ax", Error::InvalidPost),
        ("/views/:snapshot", Error::InvalidPost),
        ("/views/%00", Error::InvalidPost),
        ("/views/a%0Ab", Error::InvalidPost),
        ("/views/%7F", Error::InvalidPost),
        ("/views/%C2%85", Error::InvalidPost),
        ("/views/.", Error::InvalidPost),
        (&long, Error::InvalidPost),
        (&wide, Error::InvalidPost),
        ("/views/%E0%A4%A", Error::InvalidEncoding),
        ("/views/%", Error::InvalidEncoding),
        ("/views/%4", Error::InvalidEncoding),
        ("/views/%zz", Error::InvalidEncoding),
        ("/views/%+1", Error::InvalidEncoding),
        ("/views/%FF", Error::InvalidEncoding),
        ("/views/%C3", Error::InvalidEncoding),
        ("/views/%ED%A0%80", Error::InvalidEncoding),
    ] {
        assert_eq!(get(target), Err(error), "{target}");
        assert_eq!(ask("POST", target), Err(error), "{target}");
        assert_eq!(ask("PUT", target), owner(Err(error)), "{target}");
        assert_eq!(ask("DELETE", target), owner(Err(error)), "{target}");
    }
}

#[test]
fn the_longest_posts() {
    for id in ["x".repeat(MAX_POST_BYTES), "é".repeat(MAX_POST_BYTES / 2)] {
        assert_eq!(get(&format!("/views/{id}")), one(&id));
    }
}

#[test]
fn a_ping_may_have_an_id() {
    let longest = "x".repeat(MAX_ID_BYTES);
    for (query, id) in [
        ("id=a", "a"),
        ("id=a&id=b", "a"),
        ("x=y&id=a%26b", "a&b"),
        ("id=a+b", "a b"),
        ("id=a=b", "a=b"),
        (&format!("id={longest}"), &longest),
    ] {
        let target = format!("/views/142?{query}");
        assert_eq!(ask("POST", &target), ping("142", Some(id)), "{query}");
    }
    for (query, error) in [
        ("id=", Error::InvalidId),
        ("id", Error::InvalidId),
        (&format!("id={longest}x"), Error::InvalidId),
        ("id=%", Error::InvalidEncoding),
        ("id=%FF", Error::InvalidEncoding),
    ] {
        let target = format!("/views/142?{query}");
        assert_eq!(ask("POST", &target), Err(error), "{query}");
        assert_eq!(get(&target), one("142"), "a read has no id");
    }
    assert_eq!(ask("POST", "/views/142?ID=a&uid=b"), ping("142", None));
}

#[test]
fn several_posts_come_in_their_order() {
    let posts = |ids: &[&str]| {
        let posts = ids.iter().map(|id| post(id)).collect();
        Ok(Route::Views(Views::Posts(posts)))
    };
    assert_eq!(get("/views?post=142"), posts(&["142"]));
    let target = "/views?post=b&x=1&post=a&post=b";
    assert_eq!(get(target), posts(&["b", "a", "b"]));
    assert_eq!(get("/views?post=a+b&post=a%2Bb"), posts(&["a b", "a+b"]));
    let many = |n: usize| format!("/views?{}", vec!["post=1"; n].join("&"));
    assert_eq!(get(&many(100)), posts(&["1"; 100]));
    for (target, error) in [
        ("/views", Error::MissingPost),
        ("/views?", Error::MissingPost),
        ("/views?posts=1", Error::MissingPost),
        ("/views?post=", Error::InvalidPost),
        ("/views?post", Error::InvalidPost),
        ("/views?post=1&post=:x", Error::InvalidPost),
        ("/views?post=%00", Error::InvalidPost),
        ("/views?post=%E0%A4%A", Error::InvalidEncoding),
        (&many(101), Error::TooManyInRequest),
    ] {
        assert_eq!(get(target), Err(error), "{target}");
    }
}

#[test]
fn top_lists() {
    assert_eq!(get("/top"), top(Period::All, 10));
    assert_eq!(get("/top?limit=1"), top(Period::All, 1));
    assert_eq!(get("/top?limit=100&period=day"), top(Period::Day, 100));
    assert_eq!(
        get("/top?period=week&limit=5&limit=0"),
        top(Period::Week, 5)
    );
    assert_eq!(get("/top?period=month"), top(Period::Month, 10));
    assert_eq!(get("/top?period=all"), top(Period::All, 10));
    for limit in [
        "",
        "-1",
        "0",
        "101",
        "1.0",
        "1e1",
        "x",
        "%201",
        "4294967297",
    ] {
        let target = format!("/top?limit={limit}");
        assert_eq!(get(&target), Err(Error::InvalidLimit), "{target}");
    }
    for period in ["", "year", "Day", "day%20"] {
        let target = format!("/top?period={period}");
        assert_eq!(get(&target), Err(Error::InvalidPeriod), "{target}");
    }
    assert_eq!(get("/top?limit=%F"), Err(Error::InvalidEncoding));
}

#[test]
fn histories() {
    assert_eq!(get("/history"), history(None, 30));
    assert_eq!(get("/history?post=142"), history(Some("142"), 30));
    assert_eq!(get("/history?post=142&days=1"), history(Some("142"), 1));
    assert_eq!(get("/history?days=30"), history(None, 30));
    for (target, error) in [
        ("/history?days=31", Error::InvalidDays),
        ("/history?days=0", Error::InvalidDays),
        ("/history?days=-1", Error::InvalidDays),
        ("/history?days=", Error::InvalidDays),
        ("/history?post=", Error::InvalidPost),
        ("/history?post=1&post=2", Error::TooManyInRequest),
        ("/history?post=%", Error::InvalidEncoding),
    ] {
        assert_eq!(get(target), Err(error), "{target}");
    }
}

#[test]
fn stats() {
    assert_eq!(get("/stats?x"), Ok(Route::Views(Views::Stats)));
    assert_eq!(ask("HEAD", "/stats"), get("/stats"));
    assert_eq!(get("/health"), Ok(Route::Views(Views::Health)));
}

#[test]
fn a_top_list_may_be_of_a_prefix() {
    for (query, prefix) in [
        ("", ""),
        ("?prefix=", ""),
        ("?prefix=/posts/", "/posts/"),
        ("?prefix=%2Fde+a", "/de a"),
    ] {
        let asked = Views::Top {
            period: Period::All,
            limit: 10,
            prefix: prefix.to_owned(),
        };
        assert_eq!(
            get(&format!("/top{query}")),
            Ok(Route::Views(asked)),
            "{query}"
        );
    }
    assert_eq!(get("/top?prefix=%FF"), Err(Error::InvalidEncoding));
}

#[test]
fn owners_have_more_to_ask() {
    let set = owner(Ok(Owner::Set(post("a/b"))));
    assert_eq!(ask("PUT", "/views/a%2Fb"), set);
    let delete = owner(Ok(Owner::Delete(post("142"))));
    assert_eq!(ask("DELETE", "/views/142"), delete);
    for (query, format) in [
        ("", Format::Json),
        ("?format=json", Format::Json),
        ("?format=ndjson", Format::Ndjson),
        ("?format=csv", Format::Csv),
    ] {
        let export = owner(Ok(Owner::Export(format)));
        assert_eq!(get(&format!("/export{query}")), export, "{query}");
    }
    for (query, mode, format) in [
        ("", Mode::Max, None),
        ("?mode=max", Mode::Max, None),
        ("?mode=add&format=csv", Mode::Add, Some(Format::Csv)),
        (
            "?format=ndjson&mode=replace",
            Mode::Replace,
            Some(Format::Ndjson),
        ),
    ] {
        let import = Import {
            mode,
            format,
            id: None,
            dry: false,
        };
        let import = owner(Ok(Owner::Import(import)));
        assert_eq!(ask("POST", &format!("/import{query}")), import, "{query}");
    }
    let import = Import {
        mode: Mode::Add,
        format: None,
        id: Some(PingId::parse("a b".to_owned()).expect("an id")),
        dry: true,
    };
    let import = owner(Ok(Owner::Import(import)));
    assert_eq!(ask("POST", "/import?id=a+b&dry=1&mode=add"), import);
}

/// The token is asked for first, so that these are no answers yet.
/// `at=` comes last, and the script sends the path as the page's address has it.
#[test]
fn the_page_of_a_ping_may_hold_anything() {
    for (query, id) in [
        ("at=/a&id=5", None),
        ("at=/a&at=/b&id=5", None),
        ("id=7&at=/a&id=5", Some("7")),
        ("id=7&at=/a&id=%zz", Some("7")),
        ("id=7", Some("7")),
    ] {
        let parsed = id.map(|id| PingId::parse(id.to_owned()).expect("an id"));
        let image = Views::Image(post("142"), parsed);
        assert_eq!(ask("POST", &format!("/views/142?{query}")), ping("142", id));
        assert_eq!(
            get(&format!("/views/142.gif?{query}")),
            Ok(Route::Views(image))
        );
    }
    for (query, at) in [
        ("post=142&at=/caf%C3%A9/&post=1", Some("/caf%C3%A9/&post=1")),
        ("post=142&at=%2Fcaf%25C3%25A9%26", Some("/caf%C3%A9&")),
        ("post=142&at=/a+b", Some("/a+b")),
        ("post=142", None),
    ] {
        let verify = Owner::Verify(post("142"), at.map(str::to_owned));
        assert_eq!(
            ask("POST", &format!("/verify?{query}")),
            owner(Ok(verify)),
            "{query}"
        );
    }
    let missing = owner(Err(Error::MissingPost));
    assert_eq!(ask("POST", "/verify?at=/a&post=142"), missing);
}

#[test]
fn what_is_wrong_for_an_owner_is_told_later() {
    for (method, target, error) in [
        ("GET", "/export?format=xml", Error::InvalidFormat),
        ("GET", "/export?format=", Error::InvalidFormat),
        ("GET", "/export?format=%", Error::InvalidEncoding),
        ("POST", "/import?format=JSON", Error::InvalidFormat),
        ("POST", "/import?mode=", Error::InvalidMode),
        ("POST", "/import?mode=sum", Error::InvalidMode),
        ("POST", "/import?mode=%FF", Error::InvalidEncoding),
        ("PUT", "/views/", Error::InvalidPost),
        ("DELETE", "/views/%zz", Error::InvalidEncoding),
    ] {
        assert_eq!(ask(method, target), owner(Err(error)), "{method} {target}");
    }
}

#[test]
fn many_posts_are_deleted_by_a_filter() {
    let remove = |prefix: &str, views, dry, from: Option<&str>| {
        let prefix = prefix.to_owned();
        owner(Ok(Owner::Remove {
            filter: Filter { prefix, views },
            dry,
            from: from.map(str::to_owned),
        }))
    };
    for (query, expected) in [
        ("prefix=/wp-", remove("/wp-", None, false, None)),
        (
            "prefix=%2Fwp-&views=1&dry=1",
            remove("/wp-", Some(1), true, None),
        ),
        ("views=9&prefix=&dry=0", remove("", Some(9), false, None)),
        (
            "prefix=a+b&from=3:5f",
            remove("a b", None, false, Some("3:5f")),
        ),
    ] {
        assert_eq!(
            ask("DELETE", &format!("/views?{query}")),
            expected,
            "{query}"
        );
    }
    let long = format!("prefix={}", "x".repeat(513));
    for (query, error) in [
        ("", Error::InvalidFilter),
        ("prefix=", Error::InvalidFilter),
        ("prefix=&dry=1", Error::InvalidFilter),
        ("dry=1", Error::InvalidFilter),
        ("views=0", Error::InvalidFilter),
        ("views=", Error::InvalidFilter),
        ("views=-1", Error::InvalidFilter),
        ("views=one", Error::InvalidFilter),
        ("views=1e3", Error::InvalidFilter),
        ("views=9007199254740992", Error::InvalidFilter),
        ("prefix=/a&views=x", Error::InvalidFilter),
        ("prefix=/a&dry=yes", Error::InvalidFilter),
        ("prefix=/a&dry=", Error::InvalidFilter),
        ("prefix=/a&dry", Error::InvalidFilter),
        // What was not meant so must not delete more than was meant.
        ("prefx=/a&views=1", Error::InvalidFilter),
        ("post=142", Error::InvalidFilter),
        ("prefix=/a&prefix=/b", Error::InvalidFilter),
        ("views=1&views=2", Error::InvalidFilter),
        ("views=1&Prefix=/a", Error::InvalidFilter),
        ("prefix=%zz&views=1", Error::InvalidEncoding),
        ("prefix=%00", Error::InvalidPost),
        ("prefix=:head", Error::InvalidPost),
        (&long, Error::InvalidPost),
    ] {
        let asked = ask("DELETE", &format!("/views?{query}"));
        assert_eq!(asked, owner(Err(error)), "{query}");
    }
}

#[test]
fn other_methods_are_told_which_there_are() {
    let (reads, all) = (Allow::Read, Allow::Post);
    assert_eq!(reads.methods(), "GET, HEAD, OPTIONS");
    assert_eq!(all.methods(), "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    assert_eq!(Allow::Posts.methods(), "GET, HEAD, DELETE, OPTIONS");
    assert_eq!(Allow::Write.methods(), "POST, OPTIONS");
    for (methods, path, allow) in [
        (["POST", "PUT", "PATCH"], "/views", Allow::Posts),
        (["POST", "PUT", "PATCH"], "/top", reads),
        (["POST", "PUT", "get"], "/history", reads),
        (["POST", "DELETE", ""], "/stats", reads),
        (["POST", "PUT", "DELETE"], "/export", reads),
        (["POST", "PUT", "DELETE"], "/badge/142.svg", reads),
        (["GET", "HEAD", "PUT"], "/import", Allow::Write),
        (["PATCH", "TRACE", "get"], "/views/142", all),
    ] {
        for method in methods {
            let refused = Err(Error::MethodNotAllowed(allow));
            assert_eq!(ask(method, path), refused, "{method} {path}");
        }
        let preflight = Ok(Route::Views(Views::Preflight));
        assert_eq!(ask("OPTIONS", path), preflight, "{path}");
    }
}

#[test]
fn a_badge_is_of_the_post_before_svg() {
    let badge = |label: Option<&str>, color: Option<&str>| {
        Badge::parse(label.map(str::to_owned), color.map(str::to_owned)).expect("a badge")
    };
    for (target, id, drawn) in [
        ("/badge/142.svg", "142", badge(None, None)),
        ("/badge//blog/a.svg", "/blog/a", badge(None, None)),
        (
            "/badge/%2Fblog%2Fa.svg.svg",
            "/blog/a.svg",
            badge(None, None),
        ),
        ("/badge/a.svg?label=", "a", badge(Some(""), None)),
        (
            "/badge/a.svg?color=%234c1&label=a+b%26c&label=d",
            "a",
            badge(Some("a b&c"), Some("4c1")),
        ),
    ] {
        let asked = Ok(Route::Views(Views::Badge(post(id), drawn)));
        assert_eq!(get(target), asked, "{target}");
        assert_eq!(ask("HEAD", target), asked, "{target}");
    }
    for (target, error) in [
        ("/badge/", Error::NotFound),
        ("/badge/142", Error::NotFound),
        ("/badge/142.SVG", Error::NotFound),
        ("/badge/.svg", Error::InvalidPost),
        ("/badge/:a.svg", Error::InvalidPost),
        ("/badge/%zz.svg", Error::InvalidEncoding),
        ("/badge/a.svg?label=%zz", Error::InvalidEncoding),
        ("/badge/a.svg?label=%00", Error::InvalidLabel),
        ("/badge/a.svg?color=", Error::InvalidColor),
    ] {
        assert_eq!(get(target), Err(error), "{target}");
    }
}

#[test]
fn counters_keep_their_paths() {
    for target in [
        "/?name=views",
        "/increment?name=a",
        "/view?name=a",
        "/badge?name=a",
        "/viewsx?name=a",
        "/Views/1?name=a",
        "/views/..?name=a",
        "/top/?name=a",
        "/%76iews?name=a",
        "/x?/views/1",
        "/x#/views/1",
    ] {
        let route = ask("GET", target);
        assert!(!matches!(route, Ok(Route::Views(_))), "{target}: {route:?}");
        assert!(!is_of_views(&format!("http://h{target}")), "{target}");
    }
    for target in ["/views", "/views/", "/views/1", "\\views\\1", "/x/../top"] {
        assert!(is_of_views(&format!("http://h{target}")), "{target}");
    }
}

/// An id in percent-encoding, every byte of it.
fn encoded(id: &str) -> String {
    id.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

proptest! {
    #[test]
    fn any_post_arrives(id in "[^:\\pC][^\\pC]{0,60}") {
        let encoded = encoded(&id);
        // A URL resolves dots however they are encoded.
        if !matches!(&*id, "." | "..") {
            prop_assert_eq!(get(&format!("/views/{encoded}")), one(&id));
            prop_assert_eq!(ask("POST", &format!("/views/{encoded}")), ping(&id, None));
        }
        let target = format!("/history?post={encoded}&days=3");
        prop_assert_eq!(get(&target), history(Some(&id), 3));
    }

    #[test]
    fn any_text_is_answered(
        method in "GET|HEAD|POST|PUT|DELETE|OPTIONS|.{0,5}",
        path in "views/|badge/|views|top|history|stats|export|import|",
        tail in "(%[0-9a-fA-F]{0,2}|[?&=/:.+]|post|limit|days|.){0,40}",
    ) {
        let url = format!("http://h/{path}{tail}");
        let route = Route::parse(&method, &url);
        prop_assert_eq!(&route, &Route::parse(&method, &url));
        if matches!(route, Ok(Route::Views(_))) {
            prop_assert!(is_of_views(&url));
        }
        let _ = Route::parse(&method, &tail);
        is_of_views(&tail);
    }

    #[test]
    fn numbers_outside_their_range_are_refused(number: i64) {
        let limit = get(&format!("/top?limit={number}"));
        let days = get(&format!("/history?days={number}"));
        prop_assert_eq!(limit.is_ok(), (1..=100).contains(&number));
        prop_assert_eq!(days.is_ok(), (1..=30).contains(&number));
    }
}
