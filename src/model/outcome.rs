//! The result of a ping.

/// What became of a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was counted, as this view.
    Counted(u64),
    /// It was a repeat; the count stays.
    Repeat(u64),
    /// It was not counted yet: it is unknown whether the site has the post.
    Unknown,
}

impl Outcome {
    /// As RPC carries it: the count, or -1 less the count for a repeat. An unknown post has no number.
    pub fn number(self) -> f64 {
        match self {
            Outcome::Counted(views) => views as f64,
            Outcome::Repeat(views) => -1.0 - views as f64,
            Outcome::Unknown => f64::NAN,
        }
    }

    /// The inverse of [`Outcome::number`].
    pub fn from_number(number: f64) -> Self {
        if number < 0.0 {
            Outcome::Repeat((-1.0 - number) as u64)
        } else {
            Outcome::Counted(number as u64)
        }
    }
}
