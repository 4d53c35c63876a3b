//! Counts and the amounts that change them: integers that a JavaScript number holds exactly.

use crate::error::Error;
use serde::Serialize;
use std::fmt;
use std::ops::Neg;

/// The largest integer that a JavaScript number counts to exactly, 2^53 − 1
/// (`Number.MAX_SAFE_INTEGER`).
pub const MAX: i64 = (1 << 53) - 1;

/// How much a count changes: an integer from -[`MAX`] to [`MAX`].
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

    /// Takes a JavaScript number; [`Error::InvalidAmount`] where it is not such an integer.
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

/// A counter's value: an integer from -[`MAX`] to [`MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Count(i64);

impl Count {
    /// The count of a counter that was never written.
    pub const ZERO: Self = Self(0);

    /// Takes a JavaScript number; [`Error::NotACount`] where it is not such an integer.
    pub fn from_number(number: f64) -> Result<Self, Error> {
        exact(number).map(Self).ok_or(Error::NotACount)
    }

    /// The count after `amount`; [`Error::OutOfRange`] where it would leave ±[`MAX`].
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

fn exact(number: f64) -> Option<i64> {
    // The cast saturates, and makes 0 of NaN.
    let integer = number as i64;
    (integer as f64 == number)
        .then_some(integer)
        .and_then(within_range)
}

fn within_range(integer: i64) -> Option<i64> {
    (-MAX..=MAX).contains(&integer).then_some(integer)
}
