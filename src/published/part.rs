//! A part of what is published: the posts of a range of places, under its own key in Workers KV.
//!
//! It is a header in postcard, followed by pages as [`crate::model::page`] writes them.

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::time::Time;
use crate::model::page::{self, Line};
use crate::model::place::{Key, Range, find, place};
use serde::{Deserialize, Serialize};

/// The bytes of pages from which on a part is split. Workers KV takes values of 25 MiB.
pub const PART_BYTES: usize = 1 << 20;
/// What the keys of parts begin with.
pub const PREFIX: &str = ":page:";
/// The version of the format. A reader takes any other for unreadable.
const VERSION: u8 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u8,
    deployment: Key,
    range: Range,
    published: Time,
    /// The depth and the bytes of each page.
    pages: Vec<(u8, u32)>,
}

/// The key of a part in Workers KV: [`PREFIX`] with the deployment and the range.
pub fn key(deployment: &Key, range: Range) -> String {
    let deployment: String = deployment[..4].iter().map(|b| format!("{b:02x}")).collect();
    format!("{PREFIX}{deployment}:{}", range.name())
}

/// Puts a part together.
#[derive(Debug)]
pub struct Writer {
    range: Range,
    pages: Vec<(u8, u32)>,
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty part of this range.
    pub fn new(range: Range) -> Self {
        Self {
            range,
            pages: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Appends a page, which `write` appends to the bytes; its range.
    pub fn page(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<Range, Error>,
    ) -> Result<Range, Error> {
        let before = self.bytes.len();
        let range = write(&mut self.bytes)?;
        let bytes = (self.bytes.len() - before) as u32;
        self.pages.push((range.depth(), bytes));
        Ok(range)
    }

    /// How many bytes the pages have.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether it would be better in two parts.
    pub fn is_long(&self, most: usize) -> bool {
        self.bytes.len() > most && self.pages.len() > 1
    }

    /// Appends the part to other bytes.
    pub fn write(self, deployment: Key, published: Time, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        let header = Header {
            version: VERSION,
            deployment,
            range: self.range,
            published,
            pages: self.pages,
        };
        let mut bytes = postcard::to_extend(&header, bytes).map_err(|_| Error::Unreadable)?;
        bytes.reserve_exact(self.bytes.len());
        bytes.extend_from_slice(&self.bytes);
        Ok(bytes)
    }
}

/// A part as it was read.
#[derive(Debug)]
pub struct Part {
    header: Header,
    bytes: Vec<u8>,
    /// The range of each page, and where in the bytes it begins.
    pages: Vec<(Range, usize)>,
}

impl Part {
    /// Reads a part from bytes that it begins at `from` of; [`Error::Unreadable`] if it is not one.
    pub fn read(bytes: Vec<u8>, from: usize) -> Result<Self, Error> {
        let rest = bytes.get(from..).ok_or(Error::Unreadable)?;
        let (header, rest): (Header, _) =
            postcard::take_from_bytes(rest).map_err(|_| Error::Unreadable)?;
        let mut begin = bytes.len() - rest.len();
        let mut pages = Vec::with_capacity(header.pages.len());
        // The pages cover the range as the ranges of a part cover all places.
        let mut next = Some(header.range.start());
        for (depth, length) in &header.pages {
            let start = next.ok_or(Error::Unreadable)?;
            let range = Range::at(start, *depth).ok_or(Error::Unreadable)?;
            pages.push((range, begin));
            begin = begin.saturating_add(*length as usize);
            next = range.end();
        }
        let complete = header.version == VERSION
            && header.range.is_valid()
            && !pages.is_empty()
            && next == header.range.end()
            && begin == bytes.len();
        let part = Self {
            header,
            bytes,
            pages,
        };
        complete.then_some(part).ok_or(Error::Unreadable)
    }

    /// Whether it is the part of this range, of this deployment.
    pub fn is(&self, deployment: &Key, range: Range) -> bool {
        self.header.deployment == *deployment && self.header.range == range
    }

    /// When it was published.
    pub fn published(&self) -> Time {
        self.header.published
    }

    /// The bytes that it takes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no posts.
    pub fn is_empty(&self) -> bool {
        self.lines().next().is_none()
    }

    /// A post of it, if it was ever seen.
    pub fn find(&self, secret: &Key, post: &PostId) -> Result<Option<Line<'_>>, Error> {
        let place = place(secret, post.as_str());
        let index = find(&self.pages, |page| page.0, place);
        let begin = self.pages.get(index).map_or(0, |page| page.1);
        let end = self
            .pages
            .get(index + 1)
            .map_or(self.bytes.len(), |page| page.1);
        page::find(&self.bytes[begin..end], post.as_str())
    }

    /// All posts.
    pub fn lines(&self) -> impl Iterator<Item = Result<Line<'_>, Error>> {
        let begin = self.pages.first().map_or(self.bytes.len(), |page| page.1);
        page::read(&self.bytes[begin..])
    }
}
