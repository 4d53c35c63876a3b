//! What is published: everything that readers ask for, in one value of Workers KV.
//!
//! It is a header with a [`Summary`] in postcard, then the pages of [`crate::model::page`] as the ledger stores them. A
//! post is found by its page alone; only a top list reads them all.

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::time::{Day, Time};
use crate::model::page::{self, Line};
use crate::model::record::{Period, Record};
use crate::published::budget::Budget;
use crate::published::top::top;
use serde::{Deserialize, Serialize};

/// The key in Workers KV.
pub const KEY: &str = ":snapshot";
/// The version of the format. A reader takes any other for unreadable.
const VERSION: u8 = 1;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Header {
    version: u8,
    summary: Summary,
    /// The bytes of each page.
    pages: Vec<u32>,
}

/// What was found in Workers KV at the first start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Entries that were counts, and were taken over.
    pub posts: u32,
    /// Entries that were not, and were left alone.
    pub left: u32,
}

/// What is published of the whole site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// When it was published.
    pub published: Time,
    /// The views of the whole site.
    pub site: Record,
    /// How many posts have views.
    pub posts: u32,
    /// What was not counted, by [`crate::model::reason::Reason`].
    pub skipped: [u64; 5],
    /// The writes of the day, this one included.
    pub budget: Budget,
    /// The most writes of a day.
    pub writes: u32,
    /// What was found in Workers KV at the first start.
    pub adopted: Option<Adopted>,
}

/// The most bytes of posts; Workers KV takes values of 25 MiB.
const MOST_BYTES: usize = 24 << 20;

/// Puts a snapshot together, page by page; without hours and days where it would get too large for
/// Workers KV with them.
pub fn write(summary: Summary, pages: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    if pages.iter().map(Vec::len).sum::<usize>() > MOST_BYTES {
        let bare = pages.iter().map(|page| page::without_times(page));
        return join(summary, &bare.collect::<Result<Vec<_>, _>>()?);
    }
    join(summary, pages)
}

fn join(summary: Summary, pages: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    let header = Header {
        version: VERSION,
        summary,
        pages: pages.iter().map(|page| page.len() as u32).collect(),
    };
    let mut bytes = postcard::to_extend(&header, Vec::new()).map_err(|_| Error::Unreadable)?;
    bytes.reserve_exact(pages.iter().map(Vec::len).sum());
    pages.iter().for_each(|page| bytes.extend_from_slice(page));
    Ok(bytes)
}

/// A snapshot as it was read.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The whole site.
    pub summary: Summary,
    bytes: Vec<u8>,
    /// Where in the bytes each page ends, after where the first begins.
    bounds: Vec<usize>,
}

impl Snapshot {
    /// Reads a snapshot; [`Error::Unreadable`] where it is none.
    pub fn read(bytes: Vec<u8>) -> Result<Self, Error> {
        let (header, rest): (Header, _) =
            postcard::take_from_bytes(&bytes).map_err(|_| Error::Unreadable)?;
        let mut end = bytes.len() - rest.len();
        let mut bounds = vec![end];
        for length in &header.pages {
            end = end.saturating_add(*length as usize);
            bounds.push(end);
        }
        let complete =
            header.version == VERSION && header.pages.len().is_power_of_two() && end == bytes.len();
        let snapshot = Self {
            summary: header.summary,
            bytes,
            bounds,
        };
        complete.then_some(snapshot).ok_or(Error::Unreadable)
    }

    /// The views of a post, 0 where it was never seen.
    pub fn views(&self, post: &PostId) -> u64 {
        self.find(post).map_or(0, |line| line.total)
    }

    /// The last `days` days of a post or of the site, the oldest first.
    pub fn history(&self, post: Option<&PostId>, days: u32, now: Time) -> Vec<(Day, u64)> {
        match post {
            None => self.summary.site.history(days, now),
            Some(post) => {
                let found = self.find(post).and_then(|line| line.record().ok());
                found.unwrap_or_default().history(days, now)
            }
        }
    }

    /// The `limit` most viewed posts of a period that ends now.
    pub fn top(&self, period: Period, limit: usize, now: Time) -> Vec<(&str, u64)> {
        let all = page::read(&self.bytes[self.start()..]).flatten();
        let views = |line: Line| match period {
            Period::All => line.total,
            _ => line.record().map_or(0, |record| record.views(period, now)),
        };
        top(all.map(|line| (line.id, views(line))), limit)
    }

    fn find(&self, post: &PostId) -> Option<Line<'_>> {
        let pages = self.bounds.len().checked_sub(1)?;
        let page = page::number(post.as_str(), pages as u32) as usize;
        let mut lines = page::read(&self.bytes[self.bounds[page]..self.bounds[page + 1]]).flatten();
        lines.find(|line| line.id == post.as_str())
    }

    fn start(&self) -> usize {
        self.bounds.first().copied().unwrap_or_default()
    }
}
