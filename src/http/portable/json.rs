//! The JSON of exports and imports.
//!
//! One visitor reads the values, rather than types that derive `Deserialize`. Those would bring along descriptions
//! of what was expected and found, which nobody sees and which enlarge the upload.

use super::{Line, Refused, Times};
use crate::base::count::parse_views;
use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::limits::{MAX_COUNT, MAX_IMPORT_POSTS};
use crate::base::time::Time;
use crate::model::record::{Record, Records};
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{self, Display};
use std::str::FromStr;

/// Writes a record as a line.
pub(super) fn line(record: &(PostId, Record)) -> String {
    // It has text keys and integers, which always serialize.
    serde_json::to_string(&Line::of(record)).unwrap_or_default()
}

/// Whether a text is a line.
pub(super) fn is_line(text: &str) -> bool {
    serde_json::from_str(text).is_ok_and(|value| read_line(value).is_some())
}

/// Reads the body of a `PUT`: a count, or `{"views":count}`.
pub fn count_body(body: &str) -> Result<u64, Error> {
    match serde_json::from_str(body) {
        Ok(Value::Object(fields)) => {
            let views = fields.iter().find(|(name, _)| name == "views");
            views.ok_or(Error::InvalidCount)?.1.views()
        }
        _ => parse_views(body),
    }
}

/// Reads an export in lines.
pub(super) fn read_lines(text: &str, latest: Time) -> Result<Records, Refused> {
    let mut records = Records::new();
    let lines = text.lines().zip(1..);
    for (text, line) in lines.filter(|(text, _)| !text.trim().is_empty()) {
        let refused = |error| Refused { error, line };
        if records.len() == MAX_IMPORT_POSTS {
            return Err(refused(Error::TooManyInImport));
        }
        let read = serde_json::from_str(text).ok().and_then(read_line);
        let read = read.ok_or(refused(Error::InvalidImport))?;
        if read.is_after(latest) {
            return Err(refused(Error::FutureTime));
        }
        records.push(read.record());
    }
    Ok(records)
}

/// Reads an export in one document, or counts by post.
pub(super) fn read_document(text: &str, latest: Time) -> Result<Records, Refused> {
    let mut document = Document {
        latest,
        refused: None,
        records: Vec::new(),
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Reader::Document(&mut document).deserialize(&mut deserializer);
    let line = match read.and_then(|_| deserializer.end()) {
        Ok(_) => return Ok(document.records),
        Err(error) => error.line().max(1) as u32,
    };
    let error = match document.refused {
        Some(error @ (Error::FutureTime | Error::TooManyInImport)) => error,
        _ => Error::InvalidImport,
    };
    Err(Refused { error, line })
}

/// Reads a line. `None` where a field is missing, unknown, not valid, or there twice.
fn read_line(value: Value) -> Option<Line> {
    let Value::Object(fields) = value else {
        return None;
    };
    let [mut post, mut views, mut hours, mut days] = [const { None }; 4];
    for (name, value) in fields {
        let field = match &*name {
            "post" => &mut post,
            "views" => &mut views,
            "hours" => &mut hours,
            "days" => &mut days,
            _ => return None,
        };
        if field.replace(value).is_some() {
            return None;
        }
    }
    let Some(Value::Text(post)) = post else {
        return None;
    };
    Some(Line {
        post: PostId::parse(post).ok()?,
        views: views?.views().ok()?,
        hours: read_times(hours)?,
        days: read_times(days)?,
    })
}

/// Reads views by hour or by day, which may be missing.
fn read_times<At: FromStr>(field: Option<Value>) -> Option<Times<At>> {
    let times = match field {
        None => Vec::new(),
        Some(Value::Object(times)) => times,
        Some(_) => return None,
    };
    let time = |(at, views): (String, Value)| Some((at.parse().ok()?, views.views().ok()?));
    times
        .into_iter()
        .map(time)
        .collect::<Option<_>>()
        .map(Times)
}

impl<At: Display> Serialize for Times<At> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(at, views)| (at.to_string(), views)))
    }
}

/// A value, as far as an import may have it.
enum Value {
    Count(u64),
    Text(String),
    Object(Vec<(String, Value)>),
    /// What was read into the document.
    Read,
    /// Anything else.
    Other,
}

impl Value {
    /// A count: a number, or its digits as text.
    fn views(&self) -> Result<u64, Error> {
        match self {
            Value::Count(views) if *views <= MAX_COUNT as u64 => Ok(*views),
            Value::Text(text) => parse_views(text),
            _ => Err(Error::InvalidCount),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reader::Value.deserialize(deserializer)
    }
}

/// The records that were read of a document so far.
struct Document {
    latest: Time,
    /// Why the last record was refused.
    refused: Option<Error>,
    records: Records,
}

impl Document {
    /// Takes in the views of a post.
    fn count(&mut self, post: String, value: &Value) -> Result<(), Error> {
        let mut record = Record::default();
        record.set(value.views()?);
        self.push((PostId::parse(post)?, record))
    }

    /// Takes in a line.
    fn line(&mut self, value: Value) -> Result<(), Error> {
        let line = read_line(value).ok_or(Error::InvalidPost)?;
        match line.is_after(self.latest) {
            true => Err(Error::FutureTime),
            false => self.push(line.record()),
        }
    }

    fn push(&mut self, record: (PostId, Record)) -> Result<(), Error> {
        if self.records.len() == MAX_IMPORT_POSTS {
            return Err(Error::TooManyInImport);
        }
        self.records.push(record);
        Ok(())
    }
}

/// Reads a value, or takes a document in, post by post.
enum Reader<'a> {
    Value,
    Document(&'a mut Document),
    /// What stands behind a key of the document: the views of that post, or behind `posts` a list of lines.
    Key(&'a mut Document, String),
    Line(&'a mut Document),
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Reader<'_> {
    /// A value that was read, or what became of it in the document. An error is of the line that is being read.
    fn take<E: de::Error>(self, value: Value) -> Result<Value, E> {
        let (document, taken) = match self {
            Reader::Value => return Ok(value),
            Reader::Document(document) => (document, Err(Error::InvalidPost)),
            Reader::Line(document) => {
                let taken = document.line(value);
                (document, taken)
            }
            Reader::Key(document, post) => {
                let taken = document.count(post, &value);
                (document, taken)
            }
        };
        taken.map(|()| Value::Read).map_err(|error| {
            document.refused = Some(error);
            E::custom("")
        })
    }
}

/// Everything that serde_json may find is taken, because what serde does by itself is to describe it.
impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, _: &mut fmt::Formatter) -> fmt::Result {
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        self.take(Value::Other)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Value, E> {
        self.take(Value::Other)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Value, E> {
        self.take(Value::Other)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Value, E> {
        self.take(Value::Other)
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Value, E> {
        self.take(Value::Count(count))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.take(Value::Text(text.to_owned()))
    }

    fn visit_map<Map: MapAccess<'de>>(self, mut map: Map) -> Result<Value, Map::Error> {
        if let Reader::Document(document) = self {
            while let Some(post) = map.next_key()? {
                map.next_value_seed(Reader::Key(document, post))?;
            }
            return Ok(Value::Read);
        }
        let mut fields = Vec::new();
        while let Some(name) = map.next_key()? {
            fields.push((name, map.next_value()?));
        }
        self.take(Value::Object(fields))
    }

    fn visit_seq<Seq: SeqAccess<'de>>(self, mut list: Seq) -> Result<Value, Seq::Error> {
        match self {
            Reader::Key(document, post) if post == "posts" => {
                while list.next_element_seed(Reader::Line(document))?.is_some() {}
                Ok(Value::Read)
            }
            _ => {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                self.take(Value::Other)
            }
        }
    }
}
