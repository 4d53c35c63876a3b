//! Why a ping was not counted.

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
}

impl Reason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Duplicate,
        Self::Bot,
        Self::Prefetch,
        Self::Origin,
        Self::Flood,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Bot => "bot",
            Self::Prefetch => "prefetch",
            Self::Origin => "origin",
            Self::Flood => "flood",
        }
    }

    /// Its number, by which it is stored and sent.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The way back of [`Reason::number`].
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
