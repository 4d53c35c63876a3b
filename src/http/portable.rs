//! Counts as files: what `GET /export` writes and `POST /import` takes back.
//!
//! ```text
//! json     {"posts":[
//!          {"post":"142","views":3,"hours":{"2026-11-21T10":2},"days":{"2026-11-20":1,"2026-11-21":2}}
//!          ]}
//! ndjson   {"post":"142","views":3,"hours":{…},"days":{…}}      a line for each post
//! csv      post,views,hours,days
//!          142,3,2026-11-21T10:2,2026-11-20:1 2026-11-21:2
//! ```
//!
//! `hours` and `days` may be missing. An import may also be a JSON object of counts by post,
//! `{"142":"2"}`, as the entries in Workers KV are.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula; in CSV such an id
//! gets a `'` before it, as does one that has a `'` there already, and an import takes it off again.

mod csv;

use crate::base::count::parse_views;
use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::limits::{MAX_COUNT, MAX_IMPORT_POSTS};
use crate::base::time::{Day, Hour, Time};
use crate::model::record::{Buckets, Record, Records};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

/// How counts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One object.
    Json,
    /// An object for each line.
    Ndjson,
    /// A table.
    Csv,
}

impl Format {
    /// Reads its name; [`Error::InvalidFormat`] where it is none.
    pub fn parse(name: &str) -> Result<Self, Error> {
        match name {
            "json" => Ok(Format::Json),
            "ndjson" => Ok(Format::Ndjson),
            "csv" => Ok(Format::Csv),
            _ => Err(Error::InvalidFormat),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
        }
    }

    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Ndjson => "application/x-ndjson",
            Format::Csv => "text/csv;charset=UTF-8",
        }
    }

    /// What comes before the records.
    pub fn begin(self) -> &'static str {
        match self {
            Format::Json => "{\"posts\":[\n",
            Format::Ndjson => "",
            Format::Csv => csv::HEAD_LINE,
        }
    }

    /// Appends a record; `is_first` where none was written before.
    pub fn write(self, record: &(PostId, Record), is_first: bool, text: &mut String) {
        match self {
            Format::Csv => text.push_str(&csv::line(record)),
            Format::Ndjson => {
                text.push_str(&json(record));
                text.push('\n');
            }
            Format::Json => {
                text.push_str(if is_first { "" } else { ",\n" });
                text.push_str(&json(record));
            }
        }
    }

    /// What comes after the records.
    pub fn end(self) -> &'static str {
        match self {
            Format::Json => "\n]}\n",
            Format::Ndjson | Format::Csv => "",
        }
    }

    /// Reads records. The first line that is none is told by [`Error::InvalidImport`], or by
    /// [`Error::FutureTime`] where it has views of a time after `latest`; more than
    /// [`MAX_IMPORT_POSTS`] are refused as they are read.
    pub fn read(self, text: &str, latest: Time) -> Result<Records, Error> {
        let text = without_mark(text);
        match self {
            Format::Csv => csv::read(text, latest),
            Format::Ndjson => read_lines(text, latest),
            Format::Json => read_document(text, latest),
        }
    }

    /// Tells what a text is by how it begins.
    pub fn of(text: &str) -> Self {
        let text = without_mark(text).trim_start();
        if !text.starts_with('{') {
            return Format::Csv;
        }
        let first = text.lines().next().unwrap_or_default();
        match serde_json::from_str::<Object<Line>>(first) {
            Ok(_) => Format::Ndjson,
            Err(_) => Format::Json,
        }
    }
}

/// A text without the byte order mark that some editors put before it.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    post: PostId,
    views: Views,
    #[serde(default)]
    hours: Times<Hour>,
    #[serde(default)]
    days: Times<Day>,
}

impl Line {
    fn of((post, record): &(PostId, Record)) -> Self {
        Self {
            post: post.clone(),
            views: Views(record.total),
            hours: Times(record.by_hour().collect()),
            days: Times(record.by_day().collect()),
        }
    }

    fn record(self) -> (PostId, Record) {
        let record = Record {
            total: self.views.0,
            hours: self.hours.buckets(),
            days: self.days.buckets(),
        };
        (self.post, record)
    }

    fn is_after(&self, latest: Time) -> bool {
        let hours = self.hours.0.iter().map(|(hour, _)| hour.begin());
        let days = self.days.0.iter().map(|(day, _)| day.begin());
        hours.chain(days).any(|begin| begin > latest)
    }
}

/// A count of views: a number, or its digits as text.
struct Views(u64);

impl FromStr for Views {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse_views(text).map(Self)
    }
}

/// Reads the body of a `PUT`: a count, or `{"views":count}`.
pub fn count_body(body: &str) -> Result<u64, Error> {
    #[derive(Deserialize)]
    struct Body {
        views: Views,
    }
    match serde_json::from_str(body) {
        Ok(Object(Body { views })) => Ok(views.0),
        Err(_) => parse_views(body),
    }
}

impl Serialize for Views {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Views {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyViews)
    }
}

struct AnyViews;

impl Visitor<'_> for AnyViews {
    type Value = Views;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E: de::Error>(self, views: u64) -> Result<Views, E> {
        let views = Some(views).filter(|views| *views <= MAX_COUNT as u64);
        views
            .map(Views)
            .ok_or_else(|| E::custom(Error::InvalidCount))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Views, E> {
        text.parse().map_err(E::custom)
    }
}

/// Views by hour or by day.
struct Times<At>(Vec<(At, u64)>);

impl<At> Default for Times<At> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<At: Into<u32>> Times<At> {
    fn buckets<const KEPT: u32>(self) -> Buckets<KEPT> {
        let mut buckets = Buckets::default();
        for (at, views) in self.0.into_iter().filter(|time| time.1 > 0) {
            buckets.add(at.into(), views);
        }
        buckets
    }
}

impl<At: Display> Serialize for Times<At> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(at, views)| (at.to_string(), views)))
    }
}

impl<'de, At: FromStr> Deserialize<'de> for Times<At> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AnyTimes(PhantomData))
    }
}

struct AnyTimes<At>(PhantomData<At>);

impl<'de, At: FromStr> Visitor<'de> for AnyTimes<At> {
    type Value = Times<At>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("views by time")
    }

    fn visit_map<Map: MapAccess<'de>>(self, mut map: Map) -> Result<Times<At>, Map::Error> {
        let mut times = Vec::new();
        while let Some((at, Views(views))) = map.next_entry::<String, Views>()? {
            let at = at.parse().map_err(|_| Map::Error::custom("a time"))?;
            times.push((at, views));
        }
        Ok(Times(times))
    }
}

/// What is read from a JSON object only; an array with the values in their order is none.
struct Object<Fields>(Fields);

impl<'de, Fields: Deserialize<'de>> Deserialize<'de> for Object<Fields> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<Fields>(PhantomData<Fields>);

        impl<'de, Fields: Deserialize<'de>> Visitor<'de> for OfMap<Fields> {
            type Value = Object<Fields>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<Map: MapAccess<'de>>(self, map: Map) -> Result<Self::Value, Map::Error> {
                Fields::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(OfMap(PhantomData))
    }
}

/// Reads an export in JSON, or counts by post.
fn read_document(text: &str, latest: Time) -> Result<Records, Error> {
    let mut document = Document {
        latest,
        is_late: false,
        is_full: false,
        records: Vec::new(),
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = deserializer.deserialize_map(&mut document);
    match read.and_then(|()| deserializer.end()) {
        Ok(()) => Ok(document.records),
        Err(_) if document.is_full => Err(Error::TooManyInImport),
        Err(error) => Err(match document.is_late {
            true => Error::FutureTime(error.line().max(1) as u32),
            false => Error::InvalidImport(error.line().max(1) as u32),
        }),
    }
}

/// The records that were read of a document so far.
struct Document {
    latest: Time,
    /// Whether the last line was refused for its time.
    is_late: bool,
    /// Whether a line was refused because there are too many.
    is_full: bool,
    records: Records,
}

impl Document {
    fn push(&mut self, record: (PostId, Record)) -> Result<(), Error> {
        self.is_full = self.records.len() == MAX_IMPORT_POSTS;
        if self.is_full {
            return Err(Error::TooManyInImport);
        }
        self.records.push(record);
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Document {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("posts")
    }

    fn visit_map<Map: MapAccess<'de>>(self, mut map: Map) -> Result<(), Map::Error> {
        while let Some(post) = map.next_key()? {
            let document = &mut *self;
            map.next_value_seed(OfKey { document, post })?;
        }
        Ok(())
    }
}

/// What stands behind a key: the views of that post, or behind `posts` a list of lines.
struct OfKey<'a> {
    document: &'a mut Document,
    post: PostId,
}

impl<'de> DeserializeSeed<'de> for OfKey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OfKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        AnyViews.expecting(f)
    }

    fn visit_u64<E: de::Error>(self, views: u64) -> Result<(), E> {
        let Views(views) = AnyViews.visit_u64(views)?;
        let mut record = Record::default();
        record.set(views);
        self.document.push((self.post, record)).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        let Views(views) = AnyViews.visit_str(text)?;
        self.visit_u64(views)
    }

    fn visit_seq<Seq: SeqAccess<'de>>(self, mut lines: Seq) -> Result<(), Seq::Error> {
        if self.post.as_str() != "posts" {
            return Err(Seq::Error::custom(Error::InvalidCount));
        }
        while let Some(()) = lines.next_element_seed(OfLine(self.document))? {}
        Ok(())
    }
}

/// A line of a document: an object only, as [`Object`] is.
struct OfLine<'a>(&'a mut Document);

impl<'de> DeserializeSeed<'de> for OfLine<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OfLine<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    // An error that is made here is of the line that the object ends in.
    fn visit_map<Map: MapAccess<'de>>(self, map: Map) -> Result<(), Map::Error> {
        let line = Line::deserialize(MapAccessDeserializer::new(map))?;
        if line.is_after(self.0.latest) {
            self.0.is_late = true;
            return Err(Map::Error::custom("a time in the future"));
        }
        self.0.push(line.record()).map_err(Map::Error::custom)
    }
}

fn read_lines(text: &str, latest: Time) -> Result<Records, Error> {
    let lines = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty());
    let read = |(line, number)| match serde_json::from_str::<Object<Line>>(line) {
        Ok(Object(line)) if line.is_after(latest) => Err(Error::FutureTime(number)),
        Ok(Object(line)) => Ok(line.record()),
        Err(_) => Err(Error::InvalidImport(number)),
    };
    let records: Records = lines
        .map(read)
        .take(MAX_IMPORT_POSTS + 1)
        .collect::<Result<_, _>>()?;
    match records.len() > MAX_IMPORT_POSTS {
        true => Err(Error::TooManyInImport),
        false => Ok(records),
    }
}

/// The types above have text keys and finite numbers, which always serialize.
fn json(record: &(PostId, Record)) -> String {
    serde_json::to_string(&Line::of(record)).unwrap_or_default()
}
