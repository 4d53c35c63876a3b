//! Counts as files: what is exported is imported, and what cannot be read is told by its line.

#![allow(clippy::expect_used)]

use proptest::prelude::*;
use tally::base::count::parse_views;
use tally::base::error::Error;
use tally::base::id::PostId;
use tally::base::limits::{MAX_COUNT as MAX, MAX_IMPORT_POSTS};
use tally::base::time::{DAY, Time};
use tally::http::portable::{Format, Refused, count_body};
use tally::model::record::Record;

const ALL: [Format; 3] = [Format::Json, Format::Ndjson, Format::Csv];
const START: u32 = 20_000 * DAY;

type Records = Vec<(PostId, Record)>;

fn post(id: &str) -> PostId {
    PostId::parse(id.to_owned()).expect("an id")
}

/// Posts with totals only.
fn totals(posts: &[(&str, u64)]) -> Records {
    let record = |views| {
        let mut record = Record::default();
        record.set(views);
        record
    };
    posts
        .iter()
        .map(|(id, views)| (post(id), record(*views)))
        .collect()
}

fn refused(error: Error, line: u32) -> Result<Records, Refused> {
    Err(Refused { error, line })
}

/// A text as an import without a format takes it.
fn read(text: &str) -> Result<Records, Refused> {
    read_as(Format::of(text), text)
}

fn read_as(format: Format, text: &str) -> Result<Records, Refused> {
    format.read(text, Time::from_seconds(u32::MAX))
}

/// Records as an export has them.
fn write(format: Format, records: &[(PostId, Record)]) -> String {
    let mut text = format.begin().to_owned();
    for (n, record) in records.iter().enumerate() {
        format.write(record, n == 0, &mut text);
    }
    text + format.end()
}

const IDS: [&str; 22] = [
    "142",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "'",
    "'=1",
    "''",
    "\"",
    "\"\"a\",b",
    "a,b",
    ",",
    "a;b\\n",
    " a ",
    "__proto__",
    "posts",
    "post",
    "views",
    "🦀é",
    "\u{2028}",
    "{}",
    "\u{feff}a",
];

#[test]
fn the_formats_are_as_they_are_described() {
    let mut record = Record::default();
    record.view(Time::from_seconds(START + 10 * 3600));
    record.set(3);
    let records = [(post("=1"), record)];
    let line = r#"{"post":"=1","views":3,"hours":{"2024-10-04T10":1},"days":{"2024-10-04":1}}"#;
    assert_eq!(write(Format::Ndjson, &records), format!("{line}\n"));
    assert_eq!(
        write(Format::Json, &records),
        format!("{{\"posts\":[\n{line}\n]}}\n")
    );
    assert_eq!(
        write(Format::Csv, &records),
        "post,views,hours,days\r\n\"'=1\",3,2024-10-04T10:1,2024-10-04:1\r\n"
    );
}

#[test]
fn all_kinds_of_ids_come_back() {
    let posts: Vec<_> = (1..).zip(IDS).map(|(views, id)| (id, views)).collect();
    let records = totals(&posts);
    for format in ALL {
        let text = write(format, &records);
        assert_eq!(Format::of(&text), format);
        assert_eq!(read(&text), Ok(records.clone()), "{text}");
        for one in &records {
            let text = write(format, std::slice::from_ref(one));
            assert_eq!(read(&text), Ok(vec![one.clone()]), "{text}");
        }
    }
}

#[test]
fn no_cell_is_a_formula() {
    let posts: Vec<_> = IDS.map(|id| (id, 1)).to_vec();
    let text = write(Format::Csv, &totals(&posts));
    for line in text.lines().skip(1) {
        let cell = line.strip_prefix('"').expect("a quote");
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{line}");
        let (_, others) = cell.rsplit_once('"').expect("the other quote");
        assert_eq!(others, ",1,,");
    }
}

#[test]
fn nothing_is_written_and_read_too() {
    for format in ALL {
        let text = write(format, &[]);
        assert_eq!(read_as(format, &text), Ok(vec![]), "{text}");
        assert_eq!(read(&text), Ok(vec![]), "{text}");
    }
    for text in ["", "\n", "\r\n\r\n", "{}", "post,views"] {
        assert_eq!(read(text), Ok(vec![]), "{text:?}");
    }
}

#[test]
fn counts_by_post_are_read_as_the_tutorial_stores_them() {
    let records = totals(&[("142", 2), ("143", 8)]);
    for text in [
        r#"{"142":"2","143":8}"#,
        "\n {\n  \"142\": \"2\",\n  \"143\": 8\n}\n",
        "142,2\n143,8\n",
        "142,2\r\n143, 8 ",
        "post,views\n142,2\n143,8",
        "142,2\n\n\n143,8\n\n",
        "\u{feff}post,views\n142,2\n143,8",
        "{\"post\":\"142\",\"views\":2}\n\n{\"post\":\"143\",\"views\":\"8\"}",
        "{\"post\":\"142\",\"views\":2}\r\n{\"post\":\"143\",\"views\":8}\r\n",
        "{\"posts\":[{\"post\":\"142\",\"views\":2},{\"post\":\"143\",\"views\":8}]}",
        "{\"posts\":[{\"post\":\"142\",\"views\":2}],\"143\":8}",
    ] {
        assert_eq!(read(text), Ok(records.clone()), "{text:?}");
    }
}

/// The line is told, whatever the format, and also where another post is named like it before.
#[test]
fn times_in_the_future_are_told_by_their_line() {
    let (latest, late) = (START + 2 * DAY, START + 3 * DAY);
    let mut records = totals(&[
        ("posts", 1),
        ("views", 2),
        ("2", 3),
        ("late", 4),
        ("last", 5),
    ]);
    for (n, at) in [(1, latest), (3, late), (4, late)] {
        records[n].1.view(Time::from_seconds(at));
    }
    for (format, line) in [(Format::Json, 5), (Format::Ndjson, 4), (Format::Csv, 5)] {
        let text = write(format, &records);
        let read = |latest| format.read(&text, Time::from_seconds(latest));
        assert_eq!(read(latest), refused(Error::FutureTime, line), "{text}");
        assert_eq!(read(late), Ok(records.clone()));
    }
    let of_a_day = r#"{"posts":[{"post":"a","views":1,"days":{"2062-01-01":1}}]}"#;
    let told = Format::Json.read(of_a_day, Time::from_seconds(late));
    assert_eq!(told, refused(Error::FutureTime, 1));
}

/// Some editors begin every file with it.
#[test]
fn a_byte_order_mark_is_no_text() {
    let records = totals(&[("142", 2)]);
    for format in ALL {
        let text = format!("\u{feff}{}", write(format, &records));
        assert_eq!(read_as(format, &text), Ok(records.clone()), "{format:?}");
        assert_eq!(read(&text), Ok(records.clone()), "{format:?}");
    }
}

#[test]
fn doubled_posts_come_doubled() {
    let records = totals(&[("a", 1), ("b", 2), ("a", 3)]);
    for format in ALL {
        assert_eq!(read(&write(format, &records)), Ok(records.clone()));
    }
    assert_eq!(read(r#"{"a":1,"b":2,"a":3}"#), Ok(records));
}

#[test]
fn what_is_no_line_is_told_by_its_number() {
    let bad = |line| refused(Error::InvalidImport, line);
    for (line, text) in [
        (1, "142\n"),
        (1, "142,x\n143,1\n"),
        (2, "142,1\n143,x\n"),
        (2, "142,1\n143,9007199254740992\n"),
        (2, "142,1\n143,1,,,\n"),
        (2, "142,1\n:x,1\n"),
        (2, "142,1\n\"\",1\n"),
        (2, "142,1\n143,1,2026-02-30T10:1\n"),
        (2, "142,1\n143,1,,2026-02-28\n"),
        (1, "{\"post\":\"a\"}"),
        (1, "{\"post\":\"a\",\"views\":1,\"other\":1}"),
        (
            2,
            "{\"post\":\"a\",\"views\":1}\n{\"post\":\"b\",\"views\":-1}\n",
        ),
        (3, "{\"post\":\"a\",\"views\":1}\n\n{\"post\":\"b\"}\n"),
        (
            2,
            "{\"post\":\"a\",\"views\":1}\n{\"post\":\":\",\"views\":1}",
        ),
        (
            2,
            "{\"post\":\"a\",\"views\":1}\n{\"post\":\"b\",\"views\":1.5}",
        ),
        (2, "{\"post\":\"a\",\"views\":1}\nb,1"),
        (1, "{"),
        (1, "{\"a\":-1}"),
        (2, "{\"a\":1,\n\"b\":\"x\"}"),
        (2, "{\"a\":1,\n\":b\":1}"),
        (2, "{\"a\":1,\n\"b\":null}"),
        (2, "{\"a\":1,\n\"b\":{}}"),
        (2, "{\"a\":1}\n{\"b\":1}"),
    ] {
        assert_eq!(read(text), bad(line), "{text:?}");
    }
    for post in [
        r#"{"post":":b","views":1}"#,
        r#"{"post":"b","views":"x"}"#,
        r#"{"post":"b","views":1,"hours":{"2026-01-01":1}}"#,
        r#"{"post":"b","views":1,"days":{"2026-01-01":-1}}"#,
        r#"{"post":"b","views":1,"days":[]}"#,
        r#"{"post":"b"}"#,
        r#"{"post":"b","views":1,"x":1}"#,
        "7",
    ] {
        let text = format!("{{\"posts\":[\n{{\"post\":\"a\",\"views\":1}},\n{post},\n{{}}]}}");
        assert_eq!(read_as(Format::Json, &text), bad(3), "{post}");
    }
}

/// However lines end, and with empty lines between them.
#[test]
fn lines_of_csv_are_counted_as_editors_do() {
    for (line, text) in [
        (2, "142,1\r\n143,x\r\n"),
        (3, "post,views\r\n142,1\r\n143,-1\r\n"),
        (4, "142,1\n\n\n143,x\n"),
        (3, "142,1\r\n\r\n143,x\r\n"),
    ] {
        assert_eq!(read(text), refused(Error::InvalidImport, line), "{text:?}");
    }
}

#[test]
fn a_list_is_no_count_and_no_post() {
    assert_eq!(count_body("[1]"), Err(Error::InvalidCount));
    for text in ["{\"a\":1,\n\"b\":[]}", "{\"a\":1,\n\"b\":[7]}"] {
        assert_eq!(read(text), refused(Error::InvalidImport, 2), "{text:?}");
    }
}

#[test]
fn one_format_is_not_another() {
    let records = totals(&[("142", 2)]);
    for (written, read) in [
        (Format::Json, Format::Csv),
        (Format::Ndjson, Format::Csv),
        (Format::Csv, Format::Json),
        (Format::Csv, Format::Ndjson),
        (Format::Json, Format::Ndjson),
    ] {
        let text = write(written, &records);
        assert_eq!(
            read_as(read, &text),
            refused(Error::InvalidImport, 1),
            "{text}"
        );
    }
}

#[test]
fn formats_have_names() {
    for format in ALL {
        assert_eq!(Format::parse(format.name()), Ok(format));
    }
    for name in ["", "JSON", "xml", "csv "] {
        assert_eq!(Format::parse(name), Err(Error::InvalidFormat), "{name}");
    }
}

#[test]
fn counts() {
    let most = MAX as u64;
    for (text, views) in [
        ("0", 0),
        ("142", 142),
        (" 7\n", 7),
        ("007", 7),
        ("9007199254740991", most),
    ] {
        assert_eq!(parse_views(text), Ok(views), "{text}");
        assert_eq!(count_body(text), Ok(views), "{text}");
        assert_eq!(
            count_body(&format!("{{\"views\":\"{}\"}}", text.trim())),
            Ok(views)
        );
    }
    assert_eq!(count_body(r#" {"views": 5} "#), Ok(5));
    for text in [
        "",
        "-1",
        "1.0",
        "1e3",
        "9007199254740992",
        "99999999999999999999",
        "0x1",
        "NaN",
        "one",
        "1 2",
        "{}",
        "null",
        "{\"views\":-1}",
        "{\"views\":1.5}",
        "{\"views\":[]}",
        "{\"views\":9007199254740992}",
    ] {
        assert_eq!(parse_views(text), Err(Error::InvalidCount), "{text}");
        assert_eq!(count_body(text), Err(Error::InvalidCount), "{text}");
    }
}

fn record() -> impl Strategy<Value = (PostId, Record)> {
    let id = prop_oneof!["[^:\\pC]\\PC{0,20}", "[=+@',\"-]{1,4}", "[a-z]{1,3}"];
    let times = prop::collection::vec(0..60 * DAY, 0..6);
    (id, times, 0..=MAX as u64).prop_map(|(id, times, total)| {
        let mut record = Record::default();
        for time in times {
            record.view(Time::from_seconds(START + time));
        }
        record.set(total);
        (post(&id), record)
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(records in prop::collection::vec(record(), 0..20)) {
        for format in ALL {
            let text = write(format, &records);
            prop_assert_eq!(read_as(format, &text), Ok(records.clone()));
            prop_assert_eq!(read(&text), Ok(records.clone()));
        }
    }

    #[test]
    fn a_broken_line_is_found(records in prop::collection::vec(record(), 1..20), at: prop::sample::Index) {
        let n = at.index(records.len());
        for (format, before) in [(Format::Json, 1), (Format::Ndjson, 0), (Format::Csv, 1)] {
            let text = write(format, &records);
            let mut lines: Vec<_> = text.split('\n').map(str::to_owned).collect();
            // A count with a letter in it.
            let line = &mut lines[n + before];
            let total = records[n].1.total.to_string();
            let place = match format {
                Format::Csv => line.rfind("\",").expect("an id") + 2,
                _ => line.find(&format!("\"views\":{total}")).expect("a count") + 8,
            };
            line.insert(place, 'x');
            let text = lines.join("\n");
            let number = (n + before + 1) as u32;
            prop_assert_eq!(read_as(format, &text), refused(Error::InvalidImport, number), "{}", text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), like in "[{}\\[\\]\",:a0-9T\r\n-]{0,60}") {
        for text in [&text, &like] {
            for format in ALL {
                if let Ok(records) = read_as(format, text) {
                    let again = write(format, &records);
                    prop_assert_eq!(read_as(format, &again), Ok(records));
                }
            }
            let _ = read(text);
            let _ = count_body(text);
        }
    }
}

/// An import of the shortest posts is refused before it takes much memory.
#[test]
fn an_import_has_a_bound_in_posts() {
    for (format, begin, end) in [
        (Format::Csv, "", ""),
        (Format::Ndjson, "", ""),
        (Format::Json, "{\"posts\":[", "]}"),
        (Format::Json, "{", "}"),
    ] {
        let text = |posts: usize| {
            let post = |n| match (format, begin) {
                (Format::Csv, _) => format!("{n},1\n"),
                (Format::Ndjson, _) => format!("{{\"post\":\"{n}\",\"views\":1}}\n"),
                (Format::Json, "{") => format!("\"{n}\":1,"),
                (Format::Json, _) => format!("{{\"post\":\"{n}\",\"views\":1}},"),
            };
            let all: String = (0..posts).map(post).collect();
            format!("{begin}{}{end}", all.trim_end_matches(','))
        };
        let read = |posts| format.read(&text(posts), Time::from_seconds(0));
        let most = read(MAX_IMPORT_POSTS).expect("as many as may be");
        assert_eq!(most.len(), MAX_IMPORT_POSTS);
        let refused = read(MAX_IMPORT_POSTS + 1).expect_err("one too many");
        assert_eq!(refused.error, Error::TooManyInImport);
    }
}
