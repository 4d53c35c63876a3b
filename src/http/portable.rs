//! Counts as files: what `GET /export` writes and `POST /import` reads.
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
//! `hours` and `days` are optional. An import may also be a JSON object of counts by post, `{"142":"2"}`, like the
//! entries in Workers KV.
//!
//! Spreadsheets read a cell that begins with `=`, `+`, `-` or `@` as a formula. In CSV, such an id gets a `'`
//! before it, and so does an id that begins with `'`. An import removes it again.

mod csv;
mod json;

pub use self::json::count_body;
use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::time::{Day, Hour, Time};
use crate::model::record::{Buckets, Record, Records};
use serde::Serialize;
use std::fmt;

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
                text.push_str(&json::line(record));
                text.push('\n');
            }
            Format::Json => {
                text.push_str(if is_first { "" } else { ",\n" });
                text.push_str(&json::line(record));
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

    /// Reads records. The first line that is none is refused with [`Error::InvalidImport`], or with
    /// [`Error::FutureTime`] where it has views of a time after `latest`; more than
    /// [`MAX_IMPORT_POSTS`](crate::base::limits::MAX_IMPORT_POSTS) are refused as they are read.
    pub fn read(self, text: &str, latest: Time) -> Result<Records, Refused> {
        let text = without_mark(text);
        match self {
            Format::Csv => csv::read(text, latest),
            Format::Ndjson => json::read_lines(text, latest),
            Format::Json => json::read_document(text, latest),
        }
    }

    /// Tells what a text is by how it begins.
    pub fn of(text: &str) -> Self {
        let text = without_mark(text).trim_start();
        if !text.starts_with('{') {
            return Format::Csv;
        }
        let first = text.lines().next().unwrap_or_default();
        match json::is_line(first) {
            true => Format::Ndjson,
            false => Format::Json,
        }
    }
}

/// Why an import is refused, and the line where that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub error: Error,
    /// The line.
    pub line: u32,
}

/// The sentence of the error, with the line where it speaks of one.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let sentence = self.error.to_string();
        match sentence.strip_prefix("A line") {
            Some(rest) => write!(f, "Line {}{rest}", self.line),
            None => f.write_str(&sentence),
        }
    }
}

/// A text without the byte order mark that some editors put before it.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A line of an export.
#[derive(Serialize)]
struct Line {
    post: PostId,
    views: u64,
    hours: Times<Hour>,
    days: Times<Day>,
}

impl Line {
    fn of((post, record): &(PostId, Record)) -> Self {
        Self {
            post: post.clone(),
            views: record.total,
            hours: Times(record.by_hour().collect()),
            days: Times(record.by_day().collect()),
        }
    }

    fn record(self) -> (PostId, Record) {
        let record = Record {
            total: self.views,
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

/// Views by hour or by day.
struct Times<At>(Vec<(At, u64)>);

impl<At: Into<u32>> Times<At> {
    fn buckets<const KEPT: u32>(self) -> Buckets<KEPT> {
        let mut buckets = Buckets::default();
        for (at, views) in self.0.into_iter().filter(|time| time.1 > 0) {
            buckets.add(at.into(), views);
        }
        buckets
    }
}
