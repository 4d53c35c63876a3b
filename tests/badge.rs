//! The badge.

#![allow(clippy::unwrap_used)]

use tally::base::error::Error;
use tally::base::limits::MAX_LABEL;
use tally::http::badge::{Badge, Color};

fn badge(label: Option<&str>, color: Option<&str>) -> Result<Badge, Error> {
    Badge::parse(label.map(str::to_owned), color.map(str::to_owned))
}

fn svg(label: &str, color: &str, views: u64) -> String {
    badge(Some(label), Some(color)).unwrap().svg(views)
}

/// The numbers of an attribute, in the order that they come in.
fn numbers(svg: &str, attribute: &str) -> Vec<f64> {
    let opening = format!(" {attribute}=\"");
    let parts = svg.split(&opening).skip(1);
    parts
        .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn a_badge_says_views_in_blue_unless_told_otherwise() {
    let default = badge(None, None).unwrap().svg(12);
    assert_eq!(default, svg("views", "blue", 12));
    assert_eq!(default, svg("views", "007ec6", 12));
    assert!(default.contains("<title>views: 12</title>"));
    assert!(default.contains(r##"fill="#007ec6""##));
}

#[test]
fn the_halves_stand_side_by_side_and_hold_their_texts() {
    for (label, views) in [
        ("views", 0),
        ("i", 7),
        ("Wieviele Ansichten", 1_234_567),
        ("読者", u64::MAX),
    ] {
        let svg = svg(label, "green", views);
        let width = numbers(&svg, "width");
        // The whole, its clip, the halves, the gradient.
        assert_eq!(width[0], width[2] + width[3]);
        assert_eq!((width[1], width[4]), (width[0], width[0]));
        let length = numbers(&svg, "textLength");
        assert_eq!((length[0], length[2]), (length[1], length[3]));
        for (half, length) in [(width[2], length[0]), (width[3], length[2])] {
            assert!((10.0..11.0).contains(&(half - length / 10.0)), "{svg}");
        }
        let x = numbers(&svg, "x");
        assert_eq!(x[0], width[2]);
        assert_eq!(
            (x[1], x[3]),
            (width[2] * 5.0, width[2] * 10.0 + width[3] * 5.0)
        );
    }
}

#[test]
fn a_text_is_as_wide_as_its_characters() {
    let length = |label| numbers(&svg(label, "blue", 0), "textLength")[0];
    assert_eq!(length(" "), 39.0);
    assert_eq!(length("~"), 90.0);
    assert_eq!(length("views"), 65.0 + 30.0 + 66.0 + 90.0 + 57.0);
    assert_eq!(length("é"), 70.0);
    assert_eq!(length("読"), 110.0);
}

#[test]
fn numbers_have_commas_between_thousands() {
    for (views, text) in [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (123_456, "123,456"),
        (9_007_199_254_740_991, "9,007,199,254,740,991"),
    ] {
        assert!(
            svg("v", "blue", views).contains(&format!(">{text}</text>")),
            "{text}"
        );
    }
}

#[test]
fn a_badge_without_a_label_is_the_number_alone() {
    let svg = svg("", "blue", 5);
    assert!(svg.contains("<title>5</title>"));
    assert_eq!(numbers(&svg, "width")[2], 0.0);
    assert_eq!(svg.matches("<text").count(), 2);
}

#[test]
fn what_is_said_is_escaped() {
    let svg = svg(r#""><script>alert('1')</script>&amp;"#, "blue", 1);
    assert!(svg.contains("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;"));
    for markup in ["<script", "alert('1')", "\">>"] {
        assert!(!svg.contains(markup), "{markup}");
    }
}

#[test]
fn a_label_is_a_short_text() {
    assert!(badge(Some(&"é".repeat(MAX_LABEL)), None).is_ok());
    let long = "a".repeat(MAX_LABEL + 1);
    for label in [
        &*long,
        "a\nb",
        "\0",
        "\u{7f}",
        "\u{85}",
        "\u{fffe}",
        "a\u{ffff}",
    ] {
        assert_eq!(
            badge(Some(label), None),
            Err(Error::InvalidLabel),
            "{label:?}"
        );
    }
}

#[test]
fn a_color_is_a_name_or_hexadecimal() {
    for (text, same) in [
        ("#4c1", "44cc11"),
        ("4C1", "44CC11"),
        ("brightgreen", "4c1"),
        ("success", "brightgreen"),
        ("critical", "e05d44"),
        ("informational", "blue"),
        ("important", "orange"),
        ("inactive", "lightgrey"),
        ("lightgray", "9f9f9f"),
        ("gray", "grey"),
    ] {
        assert_eq!(
            Color::parse(text).unwrap(),
            Color::parse(same).unwrap(),
            "{text}"
        );
    }
    for text in [
        "", "#", "4c", "4c1a", "4c1a2", "4c1a2b3", "##4c1", "4g1", "Blue", "teal", "url(#x)",
        "red\"/>", "４c1",
    ] {
        assert_eq!(badge(None, Some(text)), Err(Error::InvalidColor), "{text}");
    }
}

#[test]
fn the_number_can_be_read_on_any_color() {
    for (color, ink) in [
        ("blue", "#fff"),
        ("000", "#fff"),
        ("fff", "#333"),
        ("ff0", "#333"),
        ("yellow", "#fff"),
        ("4c1", "#fff"),
    ] {
        let svg = svg("", color, 1);
        assert!(svg.contains(&format!(r#"y="140" fill="{ink}""#)), "{color}");
    }
}
