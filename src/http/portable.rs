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
use crate::base::limits::MAX_COUNT;
use crate::base::time::{Day, Hour};
use crate::model::record::{Buckets, Record};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Error as _, MapAccess, SeqAccess, Visitor};
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

    /// Writes records.
    pub fn write(self, records: &[(PostId, Record)]) -> String {
        let lines = records.iter();
        match self {
            Format::Csv => csv::write(records),
            Format::Ndjson => lines.map(|record| json(record) + "\n").collect(),
            Format::Json => {
                let lines: Vec<_> = lines.map(json).collect();
                format!("{{\"posts\":[\n{}\n]}}\n", lines.join(",\n"))
            }
        }
    }

    /// Reads records; [`Error::InvalidImport`] with the first line that is none.
    pub fn read(self, text: &str) -> Result<Vec<(PostId, Record)>, Error> {
        let text = without_mark(text);
        match self {
            Format::Csv => csv::read(text),
            Format::Ndjson => read_lines(text),
            Format::Json => match serde_json::from_str(text) {
                Ok(Document(records)) => Ok(records),
                Err(error) => Err(Error::InvalidImport(error.line().max(1) as u32)),
            },
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
        match deserializer.deserialize_any(AnyValue)? {
            Value::Views(views) => Ok(views),
            Value::Posts(_) => Err(D::Error::custom(Error::InvalidCount)),
        }
    }
}

/// What stands behind a key of an imported object: the views of that post, or posts.
enum Value {
    Views(Views),
    Posts(Vec<Line>),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E: de::Error>(self, views: u64) -> Result<Value, E> {
        let views = Some(views).filter(|views| *views <= MAX_COUNT as u64);
        let views = views.ok_or_else(|| E::custom(Error::InvalidCount))?;
        Ok(Value::Views(Views(views)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        text.parse().map(Value::Views).map_err(E::custom)
    }

    fn visit_seq<Seq: SeqAccess<'de>>(self, mut lines: Seq) -> Result<Value, Seq::Error> {
        let mut posts = Vec::new();
        while let Some(Object(line)) = lines.next_element()? {
            posts.push(line);
        }
        Ok(Value::Posts(posts))
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

/// An export in JSON, or counts by post.
struct Document(Vec<(PostId, Record)>);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AnyDocument)
    }
}

struct AnyDocument;

impl<'de> Visitor<'de> for AnyDocument {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("posts")
    }

    fn visit_map<Map: MapAccess<'de>>(self, mut map: Map) -> Result<Document, Map::Error> {
        let mut records = Vec::new();
        while let Some((key, value)) = map.next_entry::<PostId, Value>()? {
            match value {
                Value::Posts(lines) if key.as_str() == "posts" => {
                    records.extend(lines.into_iter().map(Line::record));
                }
                Value::Posts(_) => return Err(Map::Error::custom(Error::InvalidCount)),
                Value::Views(Views(views)) => {
                    let mut record = Record::default();
                    record.set(views);
                    records.push((key, record));
                }
            }
        }
        Ok(Document(records))
    }
}

fn read_lines(text: &str) -> Result<Vec<(PostId, Record)>, Error> {
    let lines = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty());
    let read = |(line, number)| match serde_json::from_str::<Object<Line>>(line) {
        Ok(Object(line)) => Ok(line.record()),
        Err(_) => Err(Error::InvalidImport(number)),
    };
    lines.map(read).collect()
}

/// The types above have text keys and finite numbers, which always serialize.
fn json(record: &(PostId, Record)) -> String {
    serde_json::to_string(&Line::of(record)).unwrap_or_default()
}
