//! Why a ping was not counted.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a ping was not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The visitor or the id was counted before.
    Duplicate,
    /// A crawler or a browser without a person.
    Bot,
    /// The page was fetched ahead; nobody sees it.
    Prefetch,
    /// A page of a site that is not among `ALLOWED_ORIGINS`.
    Origin,
    /// More pings from one address than the rate limit lets through.
    Flood,
    /// A post that the site does not have.
    Unknown,
}

/// How many pings were not counted, by [`Reason::number`].
pub type Skipped = [u64; Reason::ALL.len()];

/// How many of the reasons the oldest formats have.
const FIRST: usize = 5;

/// Reads and writes those of the first five reasons, for `#[serde(with)]`. The last one has a place of its
/// own, so that what is older stays readable.
pub mod first {
    use super::*;

    /// Writes the first five.
    pub fn serialize<S: Serializer>(skipped: &Skipped, serializer: S) -> Result<S::Ok, S::Error> {
        let [first @ .., _] = skipped;
        let first: &[u64; FIRST] = first;
        first.serialize(serializer)
    }

    /// Reads the first five; of the last there are none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Skipped, D::Error> {
        let [a, b, c, d, e] = <[u64; FIRST]>::deserialize(deserializer)?;
        Ok([a, b, c, d, e, 0])
    }
}

impl Reason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Duplicate,
        Self::Bot,
        Self::Prefetch,
        Self::Origin,
        Self::Flood,
        Self::Unknown,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Bot => "bot",
            Self::Prefetch => "prefetch",
            Self::Origin => "origin",
            Self::Flood => "flood",
            Self::Unknown => "unknown",
        }
    }

    /// Its number, by which it is stored and sent.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The inverse of [`Reason::number`].
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
