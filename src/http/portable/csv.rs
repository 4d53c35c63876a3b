//! CSV (RFC 4180) that a spreadsheet can open safely: no cell is a formula.

use super::{Line, Refused, Times};
use crate::base::count::parse_views;
use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::limits::MAX_IMPORT_POSTS;
use crate::base::time::Time;
use crate::model::record::{Record, Records};
use csv_core::ReadFieldResult;
use std::fmt::Display;
use std::str::FromStr;

const HEAD: &str = "post,views,hours,days";

/// The same with the end of its line.
pub(super) const HEAD_LINE: &str = "post,views,hours,days\r\n";

pub(super) fn line((post, record): &(PostId, Record)) -> String {
    let post = post.as_str();
    let inert = if post.starts_with(['=', '+', '-', '@', '\'']) {
        "'"
    } else {
        ""
    };
    let post = post.replace('"', "\"\"");
    let (hours, days) = (times(record.by_hour()), times(record.by_day()));
    format!("\"{inert}{post}\",{},{hours},{days}\r\n", record.total)
}

fn times<At: Display>(times: impl Iterator<Item = (At, u64)>) -> String {
    let times: Vec<_> = times.map(|(at, views)| format!("{at}:{views}")).collect();
    times.join(" ")
}

pub(super) fn read(text: &str, latest: Time) -> Result<Records, Refused> {
    let mut reader = csv_core::Reader::new();
    let mut rest = text.as_bytes();
    let mut records = Vec::new();
    let mut line = 1;
    loop {
        let before = rest;
        skip_empty_lines(&mut rest);
        line += newlines(before, rest);
        let before = rest;
        let Some(cells) = cells(&mut reader, &mut rest) else {
            return Ok(records);
        };
        let cells: Vec<_> = cells
            .iter()
            .map(|cell| String::from_utf8_lossy(cell))
            .collect();
        let is_head = HEAD.split(',').zip(&cells).all(|(name, cell)| name == cell);
        if !(records.is_empty() && is_head) {
            let refused = |error| Refused { error, line };
            let read = parse(&cells).ok_or(refused(Error::InvalidImport))?;
            if read.is_after(latest) {
                return Err(refused(Error::FutureTime));
            }
            if records.len() == MAX_IMPORT_POSTS {
                return Err(refused(Error::TooManyInImport));
            }
            records.push(read.record());
        }
        line += newlines(before, rest);
    }
}

fn skip_empty_lines(rest: &mut &[u8]) {
    while let [b'\r' | b'\n', after @ ..] = rest {
        *rest = after;
    }
}

/// How many lines were read on the way from one rest to a later one.
fn newlines(before: &[u8], after: &[u8]) -> u32 {
    let read = &before[..before.len() - after.len()];
    read.iter().filter(|byte| **byte == b'\n').count() as u32
}

/// The cells of the next line; `None` at the end.
fn cells(reader: &mut csv_core::Reader, rest: &mut &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut cells = vec![Vec::new()];
    let mut buffer = [0; 256];
    loop {
        let (result, read, wrote) = reader.read_field(rest, &mut buffer);
        *rest = &rest[read..];
        if let Some(cell) = cells.last_mut() {
            cell.extend_from_slice(&buffer[..wrote]);
        }
        match result {
            ReadFieldResult::Field { record_end: true } => return Some(cells),
            ReadFieldResult::Field { record_end: false } => cells.push(Vec::new()),
            ReadFieldResult::End => return None,
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
        }
    }
}

fn parse<Cell: AsRef<str>>(cells: &[Cell]) -> Option<Line> {
    let mut cells = cells.iter().map(Cell::as_ref);
    let post = cells.next()?;
    let post = post.strip_prefix('\'').unwrap_or(post).to_owned();
    let line = Line {
        post: PostId::parse(post).ok()?,
        views: parse_views(cells.next()?).ok()?,
        hours: read_times(cells.next().unwrap_or_default())?,
        days: read_times(cells.next().unwrap_or_default())?,
    };
    cells.next().is_none().then_some(line)
}

fn read_times<At: FromStr>(cell: &str) -> Option<Times<At>> {
    let time = |time: &str| {
        let (at, views) = time.split_once(':')?;
        Some((at.parse().ok()?, parse_views(views).ok()?))
    };
    cell.split_whitespace()
        .map(time)
        .collect::<Option<_>>()
        .map(Times)
}
