//! Pages of posts: the unit in which the ledger stores and publishes posts.
//!
//! A page is a sequence of posts in the order of their ids, each of them a [`Line`] in
//! [postcard](https://postcard.jamesmunns.com/wire-format). Pages stay encoded in memory. To find a post, the lines
//! are walked, and what is not needed is skipped.

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::model::record::{Record, Times, varint};
use crate::model::standing::Standing;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What is kept of a post.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Post {
    /// Its views.
    pub record: Record,
    /// Its entry in Workers KV.
    pub entry: Entry,
    /// Who says that it exists.
    pub standing: Standing,
}

/// A post's own entry in Workers KV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// None is known. One that is found there is another program's.
    #[default]
    None,
    /// The count that it was given last.
    Count(u64),
    /// Another program's: it is no count, and is left alone.
    Foreign,
    /// What it is was never asked, but the owner has set the post since: a count is replaced.
    Unasked,
}

impl Entry {
    /// By how many views the entry is wrong where the post has `total`; that of a post that is
    /// forgotten is wrong altogether.
    pub fn gap(self, total: u64) -> u64 {
        match self {
            Entry::None => total,
            Entry::Count(1..) | Entry::Unasked if total == 0 => u64::MAX,
            Entry::Count(views) => total.abs_diff(views),
            Entry::Unasked => total,
            Entry::Foreign => 0,
        }
    }
}

impl Post {
    /// Whether there is anything to store.
    pub fn is_empty(&self) -> bool {
        self.record == Record::default()
            && matches!(self.entry, Entry::None | Entry::Foreign)
            && self.standing == Standing::Open
    }

    /// Its hours and days, and its standing behind them, as a [`Line`] has them.
    pub fn times(&self) -> Result<Vec<u8>, Error> {
        let Record { hours, days, .. } = &self.record;
        let is_open = self.standing == Standing::Open;
        if hours.is_empty() && days.is_empty() && is_open {
            return Ok(Vec::new());
        }
        let unreadable = |_| Error::Unreadable;
        let times = postcard::to_extend(&(hours, days), Vec::new()).map_err(unreadable)?;
        match is_open {
            true => Ok(times),
            false => postcard::to_extend(&self.standing, times).map_err(unreadable),
        }
    }
}

/// A post as it is written.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Line<'a> {
    /// The post's id.
    pub id: &'a str,
    /// All its views.
    pub total: u64,
    /// Its entry in Workers KV.
    pub entry: Entry,
    /// Its hours and days, to be read by [`Times`] or [`Line::record`], and behind them its standing, unless
    /// it is open; empty where there is nothing of these.
    pub times: &'a [u8],
}

/// A line has at most so many bytes: an id of 512, 24 hours and 30 days with the largest counts, and the
/// longest standing.
pub const MAX_LINE_BYTES: usize = 1100 + Standing::MAX_BYTES;

impl Line<'_> {
    /// The views of the last day, week and month.
    pub fn times(&self) -> Times<'_> {
        Times(self.times)
    }

    /// All that is kept of the post's views.
    pub fn record(&self) -> Result<Record, Error> {
        let (hours, days) = match self.times {
            [] => Default::default(),
            times => postcard::from_bytes(times).map_err(|_| Error::Unreadable)?,
        };
        Ok(Record {
            total: self.total,
            hours,
            days,
        })
    }

    /// Who says that the post exists.
    pub fn standing(&self) -> Result<Standing, Error> {
        match Times(self.times).rest() {
            [] => Ok(Standing::Open),
            rest => postcard::from_bytes(rest).map_err(|_| Error::Unreadable),
        }
    }

    /// Whether the post waits to be verified, and is shown nowhere.
    pub fn waits(&self) -> bool {
        // The number of the variant; the texts behind it are not needed.
        Times(self.times).rest().first() == Some(&2)
    }

    /// The post.
    pub fn post(&self) -> Result<Post, Error> {
        Ok(Post {
            record: self.record()?,
            entry: self.entry,
            standing: self.standing()?,
        })
    }
}

/// The posts of a page that differ from what is written. Those that are empty are taken out of it.
pub type Changes = BTreeMap<PostId, Post>;

/// Appends a post.
pub fn write(id: &PostId, post: &Post, page: Vec<u8>) -> Result<Vec<u8>, Error> {
    let line = Line {
        id: id.as_str(),
        total: post.record.total,
        entry: post.entry,
        times: &post.times()?,
    };
    postcard::to_extend(&line, page).map_err(|_| Error::Unreadable)
}

/// Reads a page post by post. [`Error::Unreadable`] is the last of bytes that make no sense.
pub fn read(mut bytes: &[u8]) -> impl Iterator<Item = Result<Line<'_>, Error>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let line = postcard::take_from_bytes(bytes);
        bytes = line.as_ref().map_or(&[], |(_, rest)| rest);
        Some(line.map(|(line, _)| line).map_err(|_| Error::Unreadable))
    })
}

/// Reads one line.
pub fn one(line: &[u8]) -> Result<Line<'_>, Error> {
    postcard::from_bytes(line).map_err(|_| Error::Unreadable)
}

/// The line of a post, if it has one. Lines before it are walked by their lengths: to read all of each takes
/// several times as long, and a page has hundreds.
pub fn find<'a>(page: &'a [u8], id: &str) -> Result<Option<Line<'a>>, Error> {
    let mut rest = page;
    while !rest.is_empty() {
        let line = rest;
        let other = bytes(&mut rest).ok_or(Error::Unreadable)?;
        match other.cmp(id.as_bytes()) {
            Ordering::Less => skip(&mut rest).ok_or(Error::Unreadable)?,
            Ordering::Equal => return read(line).next().transpose(),
            Ordering::Greater => return Ok(None),
        }
    }
    Ok(None)
}

/// Passes over a line behind its id.
fn skip(rest: &mut &[u8]) -> Option<()> {
    varint(rest)?;
    // The entry; only a count has a number.
    if varint(rest)? == 1 {
        varint(rest)?;
    }
    bytes(rest).map(drop)
}

/// Reads bytes with their length before them.
fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint(rest)?).ok()?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

/// What a walk over a page reports of each line: the id, and all of the line. Called through a pointer, so that there is
/// one walk in the upload and not one for each caller.
pub type Tell<'a> = dyn FnMut(&str, &[u8]) -> Result<(), Error> + 'a;

/// A page with its changes, passed to `write` line by line, in order.
pub fn merge(page: &[u8], changes: &Changes, write: &mut Tell<'_>) -> Result<(), Error> {
    let mut changed = changes.iter().peekable();
    let fresh = |id: &PostId, post: &Post, write: &mut dyn FnMut(&str, &[u8]) -> _| {
        if post.is_empty() {
            return Ok(());
        }
        write(id.as_str(), &self::write(id, post, Vec::new())?)
    };
    let mut rest = page;
    while !rest.is_empty() {
        let (line, after): (Line, _) =
            postcard::take_from_bytes(rest).map_err(|_| Error::Unreadable)?;
        let bytes = &rest[..rest.len() - after.len()];
        rest = after;
        while let Some((id, post)) = changed.next_if(|(id, _)| id.as_str() < line.id) {
            fresh(id, post, write)?;
        }
        match changed.next_if(|(id, _)| id.as_str() == line.id) {
            Some((id, post)) => fresh(id, post, write)?,
            None => write(line.id, bytes)?,
        }
    }
    changed.try_for_each(|(id, post)| fresh(id, post, write))
}
