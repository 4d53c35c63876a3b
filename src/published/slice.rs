//! What one of several ledgers contributes to the head. The lead asks for it over RPC.

use crate::base::error::Error;
use crate::base::time::Time;
use crate::published::head::Head;
use serde::{Deserialize, Serialize};

/// What a ledger may write to Workers KV now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Parts, and keys that are no longer read.
    pub parts: u32,
    /// Entries of posts.
    pub entries: u32,
}

impl Grant {
    /// All of it.
    pub fn writes(self) -> u32 {
        self.parts + self.entries
    }
}

/// What a ledger has for the head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// A head of its own.
    pub head: Head,
    /// Whether the head tells of all its posts. Before that parts have to be written, or what was published
    /// before is still to be read.
    pub is_complete: bool,
    /// The room that its posts take.
    pub room: u32,
    /// How many writes it has made.
    pub writes: u32,
}

impl Slice {
    /// When it was put together.
    pub fn at(&self) -> Time {
        self.head.summary.published
    }

    /// Whether a head with it tells something else than with another one of the same ledger.
    pub fn differs(&self, other: &Self) -> bool {
        let what = |slice: &Self| {
            let Head { summary, .. } = &slice.head;
            (summary.site.clone(), summary.posts, summary.skipped)
        };
        self.head.more() != other.head.more()
            || self.head.parts != other.head.parts
            || self.head.lists != other.head.lists
            || what(self) != what(other)
    }

    /// Writes it.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        let bytes = postcard::to_extend(self, Vec::new()).map_err(|_| Error::Unreadable)?;
        postcard::to_extend(&self.head.more(), bytes).map_err(|_| Error::Unreadable)
    }

    /// Reads it; [`Error::Unreadable`] if the bytes are not one.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let (mut slice, rest): (Self, _) =
            postcard::take_from_bytes(bytes).map_err(|_| Error::Unreadable)?;
        // A ledger that runs an older version for another moment says no more.
        slice
            .head
            .take(postcard::from_bytes(rest).unwrap_or_default());
        Ok(slice)
    }
}
