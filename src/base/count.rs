//! Counts and the amounts that change them: integers that a JavaScript number holds exactly.

use crate::base::error::Error;
use crate::base::limits::MAX_COUNT;
use serde::Serialize;
use std::fmt;
use std::ops::Neg;

/// How much a count changes: an integer from -[`MAX_COUNT`] to [`MAX_COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(i64);

impl Amount {
    /// The amount where none is given.
    pub const ONE: Self = Self(1);

    /// Reads decimal digits with an optional sign; [`Error::InvalidAmount`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let integer = text.parse().ok().and_then(within_range);
        integer.map(Self).ok_or(Error::InvalidAmount)
    }

    /// Takes a JavaScript number; [`Error::InvalidAmount`] if it is not such an integer.
    pub fn from_number(number: f64) -> Result<Self, Error> {
        exact(number).map(Self).ok_or(Error::InvalidAmount)
    }

    /// The amount as a JavaScript number.
    pub fn number(self) -> f64 {
        self.0 as f64
    }
}

impl Neg for Amount {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

/// A counter's value: an integer from -[`MAX_COUNT`] to [`MAX_COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Count(i64);

impl Count {
    /// The count of a counter that was never written.
    pub const ZERO: Self = Self(0);

    /// Takes a JavaScript number; [`Error::NotACount`] if it is not such an integer.
    pub fn from_number(number: f64) -> Result<Self, Error> {
        exact(number).map(Self).ok_or(Error::NotACount)
    }

    /// The count after `amount`; [`Error::OutOfRange`] if it would leave ±[`MAX_COUNT`].
    pub fn plus(self, amount: Amount) -> Result<Self, Error> {
        // Two such integers never overflow an i64.
        within_range(self.0 + amount.0)
            .map(Self)
            .ok_or(Error::OutOfRange)
    }

    /// The count as a JavaScript number.
    pub fn number(self) -> f64 {
        self.0 as f64
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads the views that an entry in Workers KV, a cell or a `PUT` holds: decimal digits, at most
/// [`MAX_COUNT`]; [`Error::InvalidCount`] for anything else.
pub fn parse_views(text: &str) -> Result<u64, Error> {
    let text = text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let views = text.parse().ok();
    views
        .filter(|views| digits && *views <= MAX_COUNT as u64)
        .ok_or(Error::InvalidCount)
}

fn exact(number: f64) -> Option<i64> {
    // The cast saturates, and makes 0 of NaN.
    let integer = number as i64;
    (integer as f64 == number)
        .then_some(integer)
        .and_then(within_range)
}

fn within_range(integer: i64) -> Option<i64> {
    (-MAX_COUNT..=MAX_COUNT)
        .contains(&integer)
        .then_some(integer)
}
