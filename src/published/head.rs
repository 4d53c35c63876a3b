//! The head of what is published: the totals, the top lists, and where the posts are.
//!
//! ```text
//! :head                  this, in postcard; a small site's posts follow as one part
//! :page:9f3a01c7:0110    crate::published::part, the posts of a range of a large site
//! :owner                 the deployment that publishes here, 32 hexadecimal digits
//! :refused               where another deployment would publish here, too: when it found that, in
//!                        seconds since the Unix epoch
//! 142                    3, a post's views in digits, as the usual tutorial stores them
//! ```

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::time::Time;
use crate::model::place::{Key, Range, find, place};
use crate::model::record::{Period, Record};
use crate::published::budget::Budget;
use crate::published::part::{self, Part};
use serde::{Deserialize, Serialize};

/// The key of the head in Workers KV.
pub const HEAD: &str = ":head";
/// The key of the deployment that publishes.
pub const OWNER: &str = ":owner";
/// The key of the notice that another deployment was refused.
pub const REFUSED: &str = ":refused";
/// Whether a key in Workers KV is one of Tally's own, and not a post's or another program's.
pub fn is_own(key: &str) -> bool {
    matches!(key, HEAD | OWNER | REFUSED) || key.starts_with(part::PREFIX)
}

/// The most bytes of posts that the head itself holds.
pub const INLINE_BYTES: usize = 768 << 10;
/// The version of the format. A reader takes any other for unreadable.
const VERSION: u8 = 2;

/// What is published of the whole site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// When it was published.
    pub published: Time,
    /// Since when something has changed that no part holds yet; `published` where all is there.
    pub oldest: Time,
    /// The views of the whole site.
    pub site: Record,
    /// How many posts have views.
    pub posts: u32,
    /// What was not counted, by [`crate::model::reason::Reason`].
    pub skipped: [u64; 5],
    /// The writes of the day, those of this publication included.
    pub budget: Budget,
    /// The most writes of a day.
    pub writes: u32,
    /// What was found in Workers KV at the first start.
    pub adopted: Option<Adopted>,
}

/// What was found in Workers KV at the first start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Entries that were counts, and were taken over.
    pub posts: u32,
    /// What was left alone: entries that are no counts, posts that there was no room for, and parts or
    /// posts of a head that could not be read.
    pub left: u32,
}

/// A post in a top list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The post.
    pub post: String,
    /// Its views in the period.
    pub views: u64,
}

/// The top lists of the posts whose ids begin with a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopLists {
    /// The prefix; empty for the whole site.
    pub prefix: String,
    /// A list of each period, in the order of [`Period::EACH`].
    pub periods: [Vec<Place>; 4],
}

/// A part that readers can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visible {
    /// The depth of its range.
    pub depth: u8,
    /// When it was published.
    pub published: Time,
}

/// The head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    version: u8,
    /// Whose it is.
    pub deployment: Key,
    /// What the places of posts follow from.
    pub secret: Key,
    /// The totals.
    pub summary: Summary,
    /// The site's top lists, then those of the prefixes in `LISTS`.
    pub lists: Vec<TopLists>,
    /// The parts, in the order of their ranges; none where the posts follow.
    pub parts: Vec<Visible>,
}

impl Head {
    /// A head of this deployment.
    pub fn new(deployment: Key, secret: Key, summary: Summary) -> Self {
        Self {
            version: VERSION,
            deployment,
            secret,
            summary,
            ..Self::default()
        }
    }

    /// Writes it.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        postcard::to_extend(self, Vec::new()).map_err(|_| Error::Unreadable)
    }
}

/// A head as it was read, and what there is of the posts.
#[derive(Debug, Default)]
pub struct Published {
    /// The head.
    pub head: Head,
    /// The range of each part.
    ranges: Vec<Range>,
    /// The posts of a small site.
    inline: Option<Part>,
}

/// Where a post is to be looked up.
#[derive(Clone, Copy, Debug)]
pub enum Where<'a> {
    /// Nothing was published yet.
    Nowhere,
    /// In the part that came with the head.
    Here(&'a Part),
    /// In the part of this range, which has this state.
    In(Range, Visible),
}

impl Published {
    /// Reads a head; [`Error::Unreadable`] where it is none.
    pub fn read(bytes: Vec<u8>) -> Result<Self, Error> {
        let (head, rest): (Head, _) =
            postcard::take_from_bytes(&bytes).map_err(|_| Error::Unreadable)?;
        if head.version != VERSION || head.lists.is_empty() {
            return Err(Error::Unreadable);
        }
        if head.parts.is_empty() {
            let from = bytes.len() - rest.len();
            let inline = Part::read(bytes, from)?;
            if !inline.is(&head.deployment, Range::ALL) {
                return Err(Error::Unreadable);
            }
            return Ok(Self {
                head,
                ranges: Vec::new(),
                inline: Some(inline),
            });
        }
        let depths = head.parts.iter().map(|part| part.depth);
        let ranges = Range::cover(depths).ok_or(Error::Unreadable)?;
        Ok(Self {
            head,
            ranges,
            inline: None,
        })
    }

    /// Whether nothing was published yet.
    pub fn is_nothing(&self) -> bool {
        self.inline.is_none() && self.ranges.is_empty()
    }

    /// The part that a post is in.
    pub fn part_of(&self, post: &PostId) -> Where<'_> {
        if let Some(inline) = &self.inline {
            return Where::Here(inline);
        }
        if self.ranges.is_empty() {
            return Where::Nowhere;
        }
        let place = place(&self.head.secret, post.as_str());
        let index = find(&self.ranges, |range| *range, place);
        Where::In(self.ranges[index], self.head.parts[index])
    }

    /// The ranges of the parts; none where the posts came with the head, or there are none.
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// The part that came with the head.
    pub fn inline(&self) -> Option<&Part> {
        self.inline.as_ref()
    }

    /// The most viewed posts of a period whose ids begin with a prefix; `None` where that prefix has no
    /// list.
    pub fn top(&self, prefix: &str, period: Period) -> Option<&[Place]> {
        let list = self.head.lists.iter().find(|list| list.prefix == prefix)?;
        let index = Period::EACH.iter().position(|each| *each == period)?;
        Some(&list.periods[index])
    }
}
