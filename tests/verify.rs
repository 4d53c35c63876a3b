//! Which page proves a post, and when it does.

#![allow(clippy::expect_used, clippy::panic)]

use tally::base::error::Error;
use tally::base::id::PostId;
use tally::base::settings::Settings;
use tally::base::site::Site;
use tally::base::time::Time;
use tally::http::visit::allowed;
use tally::verify::address::{address, lengthen, shorten};
use tally::verify::memory::{Memory, UNREAL};
use tally::verify::pace::{NEW_POSTS, Pace};
use tally::verify::page::{Page, Script};
use tally::verify::verdict::{NotReal, Verdict, Why};

const BLOG: &str = "https://blog.example";

fn sites(text: &str) -> Vec<Site> {
    let texts = text.split(' ');
    texts
        .map(|text| Site::parse(text).expect("a site"))
        .collect()
}

fn post(id: &str) -> PostId {
    PostId::parse(id.to_owned()).expect("an id")
}

/// As the `URL` class does, for the addresses of these tests.
fn resolve(text: &str, base: &str) -> Option<String> {
    let at = base.find("://").expect("absolute") + 3;
    let origin = &base[..base[at..].find('/').map_or(base.len(), |slash| at + slash)];
    let whole = match text {
        _ if text.contains("://") => text.to_owned(),
        _ if text.starts_with("//") => format!("https:{text}"),
        _ if text.starts_with('/') => format!("{origin}{text}"),
        _ => format!("{}/{text}", &base[..base.rfind('/').expect("a path")]),
    };
    let rest = whole.split_once("://").expect("absolute").1;
    Some(match rest.contains('/') {
        true => whole,
        false => format!("{whole}/"),
    })
}

fn judge(page: &Page, id: &str) -> Verdict {
    page.judge(&sites(BLOG), &post(id), &resolve)
}

fn tag() -> Script {
    Script {
        src: "https://tally.you.workers.dev/views.js".to_owned(),
        ..Script::default()
    }
}

fn page(path: &str) -> Page {
    Page {
        address: format!("{BLOG}{path}"),
        status: 200,
        content_type: "text/html; charset=utf-8".to_owned(),
        title: "Hello".to_owned(),
        scripts: vec![tag()],
        ..Page::default()
    }
}

fn real(title: &str, path: &str) -> Verdict {
    Verdict::Real {
        title: title.to_owned(),
        path: path.to_owned(),
    }
}

const OTHER: Verdict = Verdict::NotReal(NotReal::OtherPost);

#[test]
fn too_many_searches_are_told_as_too_many_posts() {
    let told = format!("TOO_MANY = {:?};", Error::TooManyAtOnce.to_string());
    assert!(include_str!("../src/site.js").contains(&told), "{told}");
}

#[test]
fn a_site_is_an_origin_with_a_path() {
    for text in [
        "https://Blog.Example",
        "https://blog.example/",
        "https://blog.example:443",
    ] {
        assert_eq!(Site::parse(text).expect("a site").origin(), BLOG);
    }
    assert!(Site::parse("http://127.0.0.1:8080/blog/").is_some());
    for text in [
        "",
        "blog.example",
        "ftp://blog.example",
        "https://",
        "https://you:me@blog.example",
        "https://blog.example/?a",
        "https://blog.example/#a",
        "https://blog.example//a",
        "https://blog.example/../a",
        "https://blog example",
        "https://bücher.example",
        "javascript://a",
    ] {
        assert_eq!(Site::parse(text), None, "{text}");
    }
    assert_eq!(
        Site::parse(&format!("https://{}.example", "x".repeat(300))),
        None
    );
}

#[test]
fn site_url_is_a_list_and_its_pages_may_count() {
    let settings = |text: &str| {
        let mut refused = Vec::new();
        let var = |name: &str| (name == "SITE_URL").then(|| text.to_owned());
        let settings = Settings::parse(var, |name| refused.push(name.to_owned()));
        (settings, refused)
    };
    let (two, refused) = settings("https://blog.example, https://you.example/notes/");
    assert_eq!(
        two.sites,
        sites("https://blog.example https://you.example/notes")
    );
    assert_eq!(two.origins, ["https://blog.example", "https://you.example"]);
    assert!(refused.is_empty());
    // What is wrong opens nothing.
    let (one, refused) = settings("nonsense, https://blog.example");
    assert_eq!(one.sites, sites(BLOG));
    assert_eq!(one.origins, [BLOG]);
    assert_eq!(refused, ["SITE_URL"]);
    let (none, refused) = settings("blog.example");
    assert!(none.sites.is_empty() && none.opens().is_none());
    for origin in ["", "null", "blog.example", BLOG] {
        assert!(!allowed(origin, &none.origins), "{origin}");
    }
    assert_eq!(refused, ["SITE_URL"]);
    let (most, refused) = settings(&"https://a.example ".repeat(17));
    assert_eq!((most.sites.len(), &*refused[0]), (16, "SITE_URL"));
    assert_eq!(settings("").0, Settings::default());
}

#[test]
fn the_page_to_read_is_on_the_site() {
    let blog = sites(BLOG);
    let of = |id: &str, at: Option<&str>| address(&blog, &post(id), at, Some(BLOG));
    let found = |path: &str| Some(format!("{BLOG}{path}"));
    assert_eq!(of("/2026/hello", None), found("/2026/hello"));
    assert_eq!(of("/", None), found("/"));
    assert_eq!(of("/é ?#%2f", None), found("/%C3%A9%20%3F%23%252f"));
    assert_eq!(of("142", Some("/2026/hello/")), found("/2026/hello/"));
    assert_eq!(
        of("142", Some("/caf%C3%A9/@you/a%20b")),
        found("/caf%C3%A9/@you/a%20b")
    );
    assert_eq!(of("142", None), None);
    for at in [
        "",
        "evil",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "@evil.example",
        ".evil.example",
        ":80/",
        "http://evil.example/",
        "http:",
        "javascript:alert(1)",
        "/?a",
        "/#a",
        "/a b",
        "/é",
        "/../a",
        "/a/%2E%2e/b",
        "/.",
        "/%2e",
        "/a\n",
        "/\t/evil",
        "/\0",
        "/a//b",
        "/a//",
        "/a%2fb",
        "/a%2F..%2Fb",
        "/a%5cb",
        "/a%5C",
        "/%00",
    ] {
        assert_eq!(of("142", Some(at)), None, "{at:?}");
    }
    for id in [
        "//evil.example",
        "/a/../b",
        "/./a",
        "/a/..",
        "/a\\b",
        "/a//b",
    ] {
        assert_eq!(of(id, None), None, "{id}");
    }
    let long = |length: usize| format!("/{}", "a".repeat(length));
    assert!(of("142", Some(&long(1535))).is_some());
    assert_eq!(of("142", Some(&long(1536))), None);
}

#[test]
fn of_several_sites_it_is_on_that_of_the_page() {
    let all = sites("https://blog.example https://you.example/notes https://you.example/photos");
    let of = |at: &str, origin: Option<&str>| address(&all, &post("142"), Some(at), origin);
    let you = Some("https://You.example");
    assert_eq!(
        of("/a", Some(BLOG)).as_deref(),
        Some("https://blog.example/a")
    );
    assert_eq!(
        of("/notes/a", you).as_deref(),
        Some("https://you.example/notes/a")
    );
    assert_eq!(
        of("/photos", you).as_deref(),
        Some("https://you.example/photos")
    );
    // On none of that origin, so on the first that may have it.
    assert_eq!(
        of("/notesabc", you).as_deref(),
        Some("https://blog.example/notesabc")
    );
    assert_eq!(of("/a", None).as_deref(), Some("https://blog.example/a"));
    let folder = sites("https://you.example/notes");
    assert_eq!(address(&folder, &post("142"), Some("/admin"), you), None);
    assert_eq!(address(&[], &post("142"), Some("/a"), you), None);
}

#[test]
fn a_page_names_a_post_as_its_script_does() {
    assert_eq!(
        judge(&page("/2026/hello/"), "/2026/hello"),
        real("Hello", "/2026/hello/")
    );
    assert_eq!(
        judge(&page("/2026/hello"), "/2026/hello"),
        real("Hello", "/2026/hello")
    );
    assert_eq!(
        judge(&page("/a/index.html?x#y"), "/a"),
        real("Hello", "/a/index.html")
    );
    assert_eq!(judge(&page("/"), "/"), real("Hello", "/"));
    assert_eq!(
        judge(&page("/index.html"), "/"),
        real("Hello", "/index.html")
    );
    assert_eq!(
        judge(&page("/myindex.html"), "/myindex.html"),
        real("Hello", "/myindex.html")
    );
    assert_eq!(
        judge(&page("/caf%C3%A9"), "/café"),
        real("Hello", "/caf%C3%A9")
    );
    assert_eq!(
        judge(&page("/caf%E9/"), "/caf%E9"),
        real("Hello", "/caf%E9/")
    );
    assert_eq!(judge(&page("/2026/hello/"), "/2026/other"), OTHER);
    assert_eq!(judge(&page("/2026/hello/"), "142"), OTHER);
    let with = |change: &dyn Fn(&mut Page)| {
        let mut page = page("/2026/hello/");
        change(&mut page);
        page
    };
    let of_post = |text: &str| with(&|page| page.scripts[0].post = text.to_owned());
    let here = real("Hello", "/2026/hello/");
    assert_eq!(judge(&of_post("142"), "142"), here);
    assert_eq!(judge(&of_post("142"), "143"), OTHER);
    assert_eq!(judge(&of_post("142"), "/2026/hello"), OTHER);
    assert_eq!(judge(&of_post(""), "/2026/hello"), here);
    assert_eq!(judge(&of_post("/caf%C3%A9/?a"), "/café"), here);
    assert_eq!(judge(&of_post("https://else.example/a/"), "/a"), here);
    assert_eq!(judge(&of_post("a &amp; b"), "a & b"), here);
    let prefixed = with(&|page| page.scripts[0].prefix = "fr".to_owned());
    assert_eq!(judge(&prefixed, "fr/2026/hello"), here);
    assert_eq!(judge(&prefixed, "/2026/hello"), OTHER);
    let hash = with(&|page| page.scripts[0].has_hash = true);
    assert_eq!(judge(&hash, "/any/thing"), here);
    assert_eq!(judge(&hash, "142"), OTHER);
    let canonical = |link: &str| with(&|page| page.canonical = link.to_owned());
    assert_eq!(
        judge(&canonical("/2026/hi/"), "/2026/hi"),
        real("Hello", "/2026/hi/")
    );
    assert_eq!(judge(&canonical("/2026/hi/"), "/2026/hello"), OTHER);
    assert_eq!(
        judge(&canonical("https://www.blog.example/hi"), "/hi"),
        here
    );
    // One of another host names nothing, and is not kept either.
    assert_eq!(
        judge(&canonical("https://else.example/hi"), "/2026/hello"),
        here
    );
    assert_eq!(judge(&canonical("https://else.example/hi"), "/hi"), OTHER);
    assert_eq!(
        judge(&canonical("javascript://blog.example/hi"), "/hi"),
        here
    );
    let based = with(&|page| {
        page.base = "https://blog.example/base/".to_owned();
        page.canonical = "hi".to_owned();
    });
    assert_eq!(judge(&based, "/base/hi"), real("Hello", "/base/hi"));
    // A tag that does not count names nothing.
    let skips = with(&|page| page.scripts[0].skips = true);
    assert_eq!(judge(&skips, "/2026/hello"), OTHER);
    for (only, names) in [
        ("/2026/*", true),
        ("/about /2026/hello", true),
        ("*hello", true),
        ("/*6/*l*o", true),
        ("*", true),
        ("/2026/*  ", true),
        ("/2026/", false),
        ("/2026/hello/", false),
        ("/posts/* /about", false),
        ("/2026/hello*hello", false),
        ("/20.6/hello", false),
        (" ", false),
    ] {
        let only_some = with(&|page| {
            page.scripts[0].only = only.to_owned();
            page.scripts[0].prefix = "fr".to_owned();
        });
        let said = judge(&only_some, "fr/2026/hello");
        assert_eq!(said == here, names, "{only:?}");
    }
    let hash = with(&|page| {
        page.scripts[0].has_hash = true;
        page.scripts[0].only = "/any/*".to_owned();
    });
    assert_eq!(judge(&hash, "/any/thing"), here);
    assert_eq!(judge(&hash, "/other"), OTHER);
    let many = "a*".repeat(500_000);
    let worst = with(&|page| {
        page.scripts = vec![
            Script {
                only: many.clone(),
                ..tag()
            };
            20
        ]
    });
    assert_eq!(judge(&worst, "/2026/hello"), OTHER);
    // Of several tags any may be the one that counts.
    let two = with(&|page| {
        let first = Script {
            post: "142".to_owned(),
            ..tag()
        };
        page.scripts.insert(0, first);
    });
    assert_eq!(judge(&two, "142"), here);
    assert_eq!(judge(&two, "/2026/hello"), here);
}

#[test]
fn what_does_not_prove_a_post() {
    let with = |change: &dyn Fn(&mut Page)| {
        let mut page = page("/a");
        change(&mut page);
        judge(&page, "/a")
    };
    let not = Verdict::NotReal;
    assert_eq!(with(&|_| {}), real("Hello", "/a"));
    assert_eq!(with(&|page| page.scripts.clear()), not(NotReal::NoTag));
    for src in [
        "/views.min.js",
        "/views.js.rest.js",
        "/a?/views.js",
        "/a#/views.js",
        "data:/",
    ] {
        assert_eq!(
            with(&|page| page.scripts[0].src = src.to_owned()),
            not(NotReal::NoTag),
            "{src}"
        );
    }
    for src in [
        "/views.js?2",
        "https:&#x2F;&#x2F;t.example&#x2f;views.js",
        "/wp-content/views.js#a",
    ] {
        assert_eq!(
            with(&|page| page.scripts[0].src = src.to_owned()),
            real("Hello", "/a"),
            "{src}"
        );
    }
    assert_eq!(
        with(&|page| page.content_type = "text/plain".to_owned()),
        not(NotReal::NotHtml)
    );
    assert_eq!(
        with(&|page| page.content_type.clear()),
        not(NotReal::NotHtml)
    );
    for robots in ["noindex", "follow, NoIndex", "none,", "noindex&#44;follow"] {
        assert_eq!(
            with(&|page| page.robots = robots.to_owned()),
            not(NotReal::NoIndex),
            "{robots}"
        );
    }
    assert_eq!(
        with(&|page| page.robots = "index, follow, max-image-preview:none,".to_owned()),
        real("Hello", "/a")
    );
    for status in [404, 410, 400, 204, 206] {
        assert_eq!(
            with(&|page| page.status = status),
            not(NotReal::Status(status))
        );
    }
    assert_eq!(with(&|page| page.status = 302), not(NotReal::Redirected));
    assert_eq!(
        with(&|page| page.address = "https://else.example/a".to_owned()),
        not(NotReal::Redirected)
    );
    assert_eq!(
        with(&|page| page.address = "https://blog.example.evil/a".to_owned()),
        not(NotReal::Redirected)
    );
    assert_eq!(
        with(&|page| page.address = "https://blog.example:8443/a".to_owned()),
        not(NotReal::Redirected)
    );
    for status in [401, 403, 429, 500, 503, 599] {
        assert_eq!(
            with(&|page| page.status = status),
            Verdict::Unreachable(Why::Status(status))
        );
    }
    assert_eq!(
        with(&|page| page.status = 0),
        Verdict::Unreachable(Why::Network)
    );
    let late = with(&|page| (page.status, page.is_late) = (0, true));
    assert_eq!(late, Verdict::Unreachable(Why::Timeout));
    let alone = with(&|page| (page.status, page.is_site_up) = (403, true));
    assert_eq!(alone, not(NotReal::Unreadable(Why::Status(403))));
}

#[test]
fn a_title_is_one_line_of_text() {
    let of = |og: Option<&str>, title: Option<&str>| {
        let page = Page {
            og_title: og.unwrap_or_default().to_owned(),
            title: title.unwrap_or_default().to_owned(),
            ..page("/a")
        };
        let title = match judge(&page, "/a") {
            Verdict::Real { title, .. } => Some(title),
            _ => None,
        };
        title.expect("a real page")
    };
    assert_eq!(of(Some("Hi"), Some("Hi – Blog")), "Hi");
    assert_eq!(of(Some(" \n"), Some("Hello")), "Hello");
    assert_eq!(of(None, None), "");
    let title = |text: &str| of(None, Some(text));
    assert_eq!(title(" a\n\t b \u{a0}c "), "a b c");
    assert_eq!(
        title("Tom &amp; Jerry&#8217;s &eacute;&szlig;&Uuml;&ndash;&#x1F980; &lt;b&gt;"),
        "Tom & Jerry’s éßÜ–🦀 <b>"
    );
    assert_eq!(
        title("&amp;lt; &nope; &; & &# &#x; &#99999999; &#0; &amp"),
        "&lt; &nope; &; & &# &#x; \u{fffd} \u{fffd} &amp"
    );
    assert_eq!(
        title("a\u{0}b\u{1b}[31m\u{202e}c\u{2066}\u{7f}"),
        "a b [31mc"
    );
    assert_eq!(title("a &#10; b&#x202e;&#0009;"), "a b");
    assert_eq!(title(&"x".repeat(1000)), "x".repeat(200));
    assert_eq!(title(&"é".repeat(1000)), "é".repeat(100));
    assert_eq!(title(&"🦀 ".repeat(1000)).len(), 199);
    assert_eq!(title(&format!("{}é", "x".repeat(199))), "x".repeat(199));
    assert_eq!(title(&"&".repeat(100_000)), "&".repeat(200));
}

#[test]
fn an_address_is_kept_with_the_site() {
    let two = sites("https://blog.example https://you.example/notes");
    for (whole, kept) in [
        ("https://blog.example/a/?b#c", "/a/"),
        ("https://you.example/notes/a", "https://you.example/notes/a"),
    ] {
        assert_eq!(shorten(&two, whole).as_deref(), Some(kept));
        let whole = whole.split('?').next();
        assert_eq!(lengthen(&two, kept).as_deref(), whole);
    }
    for whole in [
        "https://you.example/a",
        "https://blog.example",
        "https://blog.example@evil/",
        "http://blog.example/a",
        "https://blog.example/a//b",
        "https://blog.example/a%2Fb?c",
    ] {
        assert_eq!(shorten(&two, whole), None, "{whole}");
    }
    assert_eq!(lengthen(&two[..1], "https://you.example/notes/a"), None);
    assert_eq!(lengthen(&[], "/a"), None);
    let mut long = page("/a");
    long.canonical = format!("{BLOG}/{}", "x".repeat(512));
    let id = format!("/{}", "x".repeat(511));
    assert_eq!(judge(&long, &id), OTHER);
    long.scripts[0].post = "142".to_owned();
    assert_eq!(judge(&long, "142"), real("Hello", ""));
}

#[test]
fn what_is_not_real_is_remembered_for_a_while_and_in_bounds() {
    let mut memory = Memory::new([7; 16]);
    let at = |seconds: u32| Time::from_seconds(1_000_000 + seconds);
    assert!(memory.is_empty());
    memory.remember("142", "/a", at(0), UNREAL);
    assert!(memory.has("142", "/a", at(UNREAL - 1), UNREAL));
    assert!(!memory.has("142", "/a", at(UNREAL), UNREAL));
    // The clock was set back.
    assert!(!memory.has("142", "/a", Time::from_seconds(999_999), UNREAL));
    // Whoever names a wrong page keeps nobody else from naming the right one.
    assert!(!memory.has("142", "/b", at(0), UNREAL));
    assert!(!memory.has("142/", "a", at(0), UNREAL));
    memory.clear();
    assert!(!memory.has("142", "/a", at(0), UNREAL));
    for n in 0..100_000 {
        memory.remember(&n.to_string(), "", at(0), UNREAL);
    }
    let remembered = (0..100_000).filter(|n| memory.has(&n.to_string(), "", at(0), UNREAL));
    assert!((2048..=4096).contains(&remembered.count()));
    assert!(memory.has("99999", "", at(0), UNREAL));
}

#[test]
fn new_posts_have_a_pace() {
    let at = |seconds: u32| Time::from_seconds(1_000_000 + seconds);
    let mut pace = Pace::default();
    let (mut taken, mut second) = (0, 0);
    while second < 3600 {
        match pace.wait(NEW_POSTS, 1, at(second)) {
            0 => {
                pace.add(at(second));
                taken += 1;
            }
            wait => second += wait,
        }
        assert!(taken <= NEW_POSTS.minute * (second / 60 + 1));
    }
    assert_eq!(taken, NEW_POSTS.hour);
    assert_eq!(pace.wait(NEW_POSTS, 1, at(3600)), 0);
    // Ledgers share it.
    let mut pace = Pace::default();
    for _ in 0..15 {
        assert_eq!(pace.wait(NEW_POSTS, 4, at(0)), 0);
        pace.add(at(0));
    }
    assert_eq!(pace.wait(NEW_POSTS, 4, at(20)), 40);
    // A clock that is set back stops nothing.
    assert_eq!(pace.wait(NEW_POSTS, 4, Time::from_seconds(5)), 0);
}
