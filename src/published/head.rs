//! The head of what is published: the totals, the top lists, and where the posts are.
//!
//! ```text
//! :head                  this, in postcard, and More if there is more; then the posts of a small site as one
//!                        part, or on a site with several ledgers, the holdings of the others
//! :page:9f3a01c7:0110    crate::published::part, the posts of a range of a large site
//! :owner                 the deployment that publishes here, 32 hexadecimal digits
//! :refused               when another deployment found that it may not publish here, in seconds since the Unix
//!                        epoch
//! 142                    3, a post's views in digits, as the usual tutorial stores them
//! ```

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::limits::{MAX_LEDGERS, MAX_LIMIT};
use crate::base::time::Time;
use crate::model::owner::Owners;
use crate::model::place::{Key, Range, find, place};
use crate::model::reason::{Reason, Skipped, first};
use crate::model::record::{Period, Record};
use crate::published::budget::Budget;
use crate::published::part::{self, Part};
use serde::{Deserialize, Serialize};
use std::iter::Peekable;

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
/// The version of the format of a site with one ledger, and with more. A reader takes any other for
/// unreadable.
const VERSION: u8 = 2;
const VERSION_OF_MORE: u8 = 3;
/// What is added to the version where [`More`] follows the head, and where [`Head::begun`] follows that.
const WITH_MORE: u8 = 2;
const WITH_BEGUN: u8 = 4;

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
    #[serde(with = "first")]
    pub skipped: Skipped,
    /// The writes of the day, those of this publication included.
    pub budget: Budget,
    /// The most writes of a day.
    pub writes: u32,
    /// What was found in Workers KV at the first start.
    pub adopted: Option<Adopted>,
}

impl Summary {
    /// Adds what another ledger has. The writes are the lead's, which gives the others of them.
    fn add(&mut self, other: &Self) {
        self.oldest = self.oldest.min(other.oldest);
        self.site.add(&other.site);
        self.posts = self.posts.saturating_add(other.posts);
        for (ours, theirs) in self.skipped.iter_mut().zip(other.skipped) {
            *ours = ours.saturating_add(theirs);
        }
        let both = self.adopted.zip(other.adopted);
        self.adopted = both.map(|(ours, theirs)| ours.and(theirs));
    }
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

impl Adopted {
    /// What two ledgers have found.
    pub fn and(self, other: Self) -> Self {
        Self {
            posts: self.posts.saturating_add(other.posts),
            left: self.left.saturating_add(other.left),
        }
    }
}

/// A post in a top list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The post.
    pub post: String,
    /// Its views in the period.
    pub views: u64,
    /// What the site says of it.
    #[serde(skip)]
    pub name: Option<Name>,
}

/// A post's title and path, as [`crate::model::standing::Standing`] has them.
pub type Name = (String, String);

/// The top lists of the posts whose ids begin with a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopLists {
    /// The prefix; empty for the whole site.
    pub prefix: String,
    /// A list of each period, in the order of [`Period::EACH`].
    pub periods: [Vec<Place>; 4],
}

impl TopLists {
    /// Puts in the posts of another ledger.
    fn add(&mut self, other: &Self) {
        for (ours, theirs) in self.periods.iter_mut().zip(&other.periods) {
            let mut both = [
                std::mem::take(ours).into_iter().peekable(),
                theirs.clone().into_iter().peekable(),
            ];
            let first = |[ours, theirs]: &mut [Peekable<_>; 2]| match (ours.peek(), theirs.peek()) {
                (Some(place), Some(other)) if !is_before(place, other) => theirs.next(),
                (None, _) => theirs.next(),
                _ => ours.next(),
            };
            let all = std::iter::from_fn(|| first(&mut both));
            *ours = all.take(MAX_LIMIT as usize).collect();
        }
    }
}

/// The name of a post in some periods of its list.
fn name_of(place: &Place, periods: &[Vec<Place>]) -> Option<Name> {
    let mut places = periods.iter().flatten();
    places.find(|other| other.post == place.post)?.name.clone()
}

/// Whether a post comes before another in a list: ties are ordered by their ids.
fn is_before(place: &Place, other: &Place) -> bool {
    place.views > other.views || (place.views == other.views && place.post < other.post)
}

/// A part that readers can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visible {
    /// The depth of its range.
    pub depth: u8,
    /// When it was published.
    pub published: Time,
}

/// Where the posts of one ledger are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings {
    /// Whose they are.
    pub deployment: Key,
    /// What the places of posts follow from.
    pub secret: Key,
    /// The parts, in the order of their ranges; none where it has no posts.
    pub parts: Vec<Visible>,
}

/// The head. What is of one ledger is of the first.
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
    /// Where the posts of the other ledgers are.
    #[serde(skip)]
    pub others: Vec<Holdings>,
    /// How the site is read that says which posts exist.
    #[serde(skip)]
    pub verification: Verification,
    /// When the books of the first ledger were begun; zero where nobody knows.
    #[serde(skip)]
    pub begun: Time,
}

/// The most bytes of names in a head.
const NAMES_BYTES: usize = 512 << 10;

/// How the site is read that says which posts exist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// How many posts wait until it can be read.
    pub waiting: u32,
    /// Since when it cannot be read, and why.
    pub outage: Option<(Time, String)>,
}

/// What a head tells beside what the oldest readers know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct More {
    /// Pings of posts that the site does not have.
    unknown: u64,
    /// A name for each place of all lists, in their order, where there are any. One that is in a period before
    /// is not repeated.
    names: Vec<Option<Name>>,
    verification: Verification,
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

    /// Writes it. What an older reader knows is written as before.
    pub fn write(mut self) -> Result<Vec<u8>, Error> {
        let unreadable = |_| Error::Unreadable;
        let more = self.more();
        let version = self.version;
        self.version += match (self.begun > Time::default(), more == More::default()) {
            (true, _) => WITH_BEGUN,
            (_, false) => WITH_MORE,
            _ => 0,
        };
        let mut bytes = postcard::to_extend(&self, Vec::new()).map_err(unreadable)?;
        if self.version > version {
            bytes = postcard::to_extend(&more, bytes).map_err(unreadable)?;
        }
        if self.version == version + WITH_BEGUN {
            bytes = postcard::to_extend(&self.begun, bytes).map_err(unreadable)?;
        }
        match version {
            VERSION_OF_MORE => postcard::to_extend(&self.others, bytes).map_err(unreadable),
            _ => Ok(bytes),
        }
    }

    /// What is written behind it.
    pub fn more(&self) -> More {
        More {
            unknown: self.summary.skipped[Reason::Unknown as usize],
            names: self.names(),
            verification: self.verification.clone(),
        }
    }

    /// Takes in what was written behind it.
    pub fn take(&mut self, more: More) {
        self.summary.skipped[Reason::Unknown as usize] = more.unknown;
        self.verification = more.verification;
        let mut names = more.names.into_iter();
        for list in &mut self.lists {
            for period in 0..list.periods.len() {
                let (before, rest) = list.periods.split_at_mut(period);
                for place in rest.iter_mut().take(1).flatten() {
                    place.name = names.next().flatten().or_else(|| name_of(place, before));
                }
            }
        }
    }

    /// As many names of posts in the lists as fit.
    fn names(&self) -> Vec<Option<Name>> {
        let mut bytes = 0;
        let mut names = Vec::new();
        for list in &self.lists {
            for (period, places) in list.periods.iter().enumerate() {
                names.extend(places.iter().map(|place| {
                    let is_new = name_of(place, &list.periods[..period]).is_none();
                    let name = place.name.as_ref().filter(|_| is_new);
                    bytes += name.map_or(0, |(title, path)| title.len() + path.len());
                    name.filter(|_| bytes <= NAMES_BYTES).cloned()
                }));
            }
        }
        match names.iter().all(Option::is_none) {
            true => Vec::new(),
            false => names,
        }
    }

    /// Adds what another ledger has, which is the next.
    pub fn add(&mut self, other: &Self) {
        self.version = VERSION_OF_MORE;
        self.others.push(Holdings {
            deployment: other.deployment,
            secret: other.secret,
            parts: other.parts.clone(),
        });
        self.summary.add(&other.summary);
        for list in &mut self.lists {
            let same = |other: &&TopLists| other.prefix == list.prefix;
            if let Some(theirs) = other.lists.iter().find(same) {
                list.add(theirs);
            }
        }
        let Verification { waiting, outage } = &mut self.verification;
        *waiting = waiting.saturating_add(other.verification.waiting);
        if outage.is_none() {
            outage.clone_from(&other.verification.outage);
        }
    }
}

/// A head as it was read, and what there is of the posts.
#[derive(Debug, Default)]
pub struct Published {
    /// The head.
    pub head: Head,
    /// The owners of posts among the ledgers.
    owners: Owners,
    /// What each ledger has.
    ledgers: Vec<Shelf>,
    /// The posts of a small site.
    inline: Option<Part>,
}

/// What one ledger has, and the range of each part.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    /// Where it is.
    pub holdings: Holdings,
    /// The ranges of the parts.
    pub ranges: Vec<Range>,
}

impl Shelf {
    fn new(holdings: Holdings) -> Result<Self, Error> {
        let depths = holdings.parts.iter().map(|part| part.depth);
        let ranges = match holdings.parts.is_empty() {
            true => Vec::new(),
            false => Range::cover(depths).ok_or(Error::Unreadable)?,
        };
        Ok(Self { holdings, ranges })
    }
}

/// Where a post is to be looked up.
#[derive(Clone, Copy, Debug)]
pub enum Where<'a> {
    /// Nothing was published yet, where it would be.
    Nowhere,
    /// In the part that came with the head.
    Here(&'a Part),
    /// In the part of this range, which has this state, of this ledger.
    In(&'a Holdings, Range, Visible),
}

impl Published {
    /// Reads a head; [`Error::Unreadable`] where it is none.
    pub fn read(bytes: Vec<u8>) -> Result<Self, Error> {
        let (mut head, mut rest): (Head, _) =
            postcard::take_from_bytes(&bytes).map_err(|_| Error::Unreadable)?;
        if head.lists.is_empty() {
            return Err(Error::Unreadable);
        }
        if head.version >= VERSION + WITH_MORE {
            let (more, after) = postcard::take_from_bytes(rest).map_err(|_| Error::Unreadable)?;
            head.take(more);
            rest = after;
            if head.version >= VERSION + WITH_BEGUN {
                (head.begun, rest) =
                    postcard::take_from_bytes(rest).map_err(|_| Error::Unreadable)?;
                head.version -= WITH_BEGUN - WITH_MORE;
            }
            head.version -= WITH_MORE;
        }
        match head.version {
            VERSION if head.parts.is_empty() => {
                let from = bytes.len() - rest.len();
                let inline = Part::read(bytes, from)?;
                if !inline.is(&head.deployment, Range::ALL) {
                    return Err(Error::Unreadable);
                }
                return Ok(Self {
                    head,
                    inline: Some(inline),
                    ..Self::default()
                });
            }
            VERSION => {}
            VERSION_OF_MORE => {
                head.others = postcard::from_bytes(rest).map_err(|_| Error::Unreadable)?;
            }
            _ => return Err(Error::Unreadable),
        }
        let count = 1 + head.others.len();
        if count > usize::from(MAX_LEDGERS) {
            return Err(Error::Unreadable);
        }
        let first = Holdings {
            deployment: head.deployment,
            secret: head.secret,
            parts: head.parts.clone(),
        };
        let all = std::iter::once(first).chain(head.others.iter().cloned());
        Ok(Self {
            ledgers: all.map(Shelf::new).collect::<Result<_, _>>()?,
            owners: Owners::among(count as u8),
            head,
            inline: None,
        })
    }

    /// Whether nothing was published yet.
    pub fn is_nothing(&self) -> bool {
        self.inline.is_none() && self.ledgers.is_empty()
    }

    /// The part that a post is in.
    pub fn part_of(&self, post: &PostId) -> Where<'_> {
        if let Some(inline) = &self.inline {
            return Where::Here(inline);
        }
        let owner = usize::from(self.owners.of_post(post));
        let Some(Shelf { holdings, ranges }) = self.ledgers.get(owner) else {
            return Where::Nowhere;
        };
        let place = place(&holdings.secret, post.as_str());
        let index = find(ranges, |range| *range, place);
        match (ranges.get(index), holdings.parts.get(index)) {
            (Some(range), Some(visible)) => Where::In(holdings, *range, *visible),
            _ => Where::Nowhere,
        }
    }

    /// What each ledger has; nothing where the posts came with the head, or there are none.
    pub fn ledgers(&self) -> &[Shelf] {
        &self.ledgers
    }

    /// How many ledgers there are.
    pub fn count(&self) -> u8 {
        self.owners.ledgers()
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
