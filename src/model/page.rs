//! Posts in pages: the unit in which the ledger stores them and the snapshot carries them.
//!
//! A page is its posts one after the other, in the order of their ids, each a [`Line`] in
//! [postcard](https://postcard.jamesmunns.com/wire-format). Which page a post is in follows from its
//! id and from how many pages there are, a power of two.

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::model::record::Record;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// What is kept of a post.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Post {
    /// Its views.
    pub record: Record,
    /// Its entry in Workers KV.
    pub entry: Entry,
}

/// A post's own entry in Workers KV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// There is none.
    #[default]
    None,
    /// The count that it was given last.
    Count(u64),
    /// Another program's: it is no count, and is left alone.
    Foreign,
}

impl Post {
    /// Whether there is anything to store.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A post as it is written. What few readers ask for comes last, and is skipped by the others.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Line<'a> {
    /// The post's id.
    pub id: &'a str,
    /// All its views.
    pub total: u64,
    /// Its entry in Workers KV.
    pub entry: Entry,
    /// Its hours and days in postcard; empty where there are none.
    times: &'a [u8],
}

impl Line<'_> {
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

    /// By how many views the entry in Workers KV is wrong; that of a post that is forgotten is wrong
    /// altogether.
    pub fn gap(&self) -> u64 {
        match self.entry {
            Entry::None => self.total,
            Entry::Count(1..) if self.total == 0 => u64::MAX,
            Entry::Count(views) => self.total.abs_diff(views),
            Entry::Foreign => 0,
        }
    }
}

/// The posts of a page.
pub type Page = BTreeMap<PostId, Post>;

/// The page that a post is in, of so many.
pub fn number(post: &str, pages: u32) -> u32 {
    let mut hasher = SipHasher13::new();
    post.hash(&mut hasher);
    hasher.finish() as u32 & (pages - 1)
}

/// Writes a page.
pub fn encode(page: &Page) -> Result<Vec<u8>, Error> {
    page.iter().try_fold(Vec::new(), |bytes, (id, post)| {
        let Record { total, hours, days } = &post.record;
        let times = match hours.is_empty() && days.is_empty() {
            true => Ok(Vec::new()),
            false => postcard::to_extend(&(hours, days), Vec::new()),
        };
        let line = Line {
            id: id.as_str(),
            total: *total,
            entry: post.entry,
            times: &times.map_err(|_| Error::Unreadable)?,
        };
        postcard::to_extend(&line, bytes).map_err(|_| Error::Unreadable)
    })
}

/// A page without its posts' hours and days.
pub fn without_times(page: &[u8]) -> Result<Vec<u8>, Error> {
    read(page).try_fold(Vec::new(), |bytes, line| {
        let line = Line {
            times: &[],
            ..line?
        };
        postcard::to_extend(&line, bytes).map_err(|_| Error::Unreadable)
    })
}

/// Reads a page.
pub fn decode(bytes: &[u8]) -> Result<Page, Error> {
    let mut page = Page::new();
    for line in read(bytes) {
        let line = line?;
        let post = Post {
            record: line.record()?,
            entry: line.entry,
        };
        page.insert(PostId::parse(line.id.to_owned())?, post);
    }
    Ok(page)
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
