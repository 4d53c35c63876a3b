//! Who says that a post exists.

use crate::base::time::Day;
use serde::{Deserialize, Serialize};

/// Who says that a post exists. It is written behind the post's hours and days; [`Standing::Open`] is written
/// as nothing, and what has nothing is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Somebody who sent a ping.
    #[default]
    Open,
    /// The owner, who has set or imported it.
    Owner,
    /// Nobody yet: the site could not be read.
    Waiting {
        /// Since when.
        since: Day,
        /// The path of its page, where that is not the post's id.
        at: Option<String>,
    },
    /// The site, which has a page for it.
    Verified {
        /// When the page was read last.
        checked: Day,
        /// The page's title.
        title: String,
        /// The page's path on the site.
        path: String,
    },
}

impl Standing {
    /// The most bytes that it is written with, where a title has 200 and a path 512.
    pub const MAX_BYTES: usize = 724;

    /// The room that its texts take.
    pub fn room(&self) -> u32 {
        let bytes = match self {
            Self::Open | Self::Owner => 0,
            Self::Waiting { at, .. } => at.as_ref().map_or(0, String::len),
            Self::Verified { title, path, .. } => title.len() + path.len(),
        };
        bytes as u32
    }

    /// Whether it waits to be verified.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }

    /// What it is once the owner has set the post. A verified post stays what it is.
    pub fn owned(self) -> Self {
        match self {
            Self::Verified { .. } => self,
            _ => Self::Owner,
        }
    }

    /// The stronger of two: what is known of one post in two places. Of equals the first.
    pub fn or(self, other: Self) -> Self {
        match self.rank() < other.rank() {
            true => other,
            false => self,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Waiting { .. } => 1,
            Self::Owner => 2,
            Self::Verified { .. } => 3,
        }
    }
}
