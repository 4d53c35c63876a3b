//! Names, checked once at the border and never bare strings after that.

use crate::error::Error;
use std::borrow::Cow;

/// The most bytes of UTF-8 in a counter's name. Above it an object no longer knows its own
/// name (`ctx.id.name` is undefined).
pub const MAX_NAME_BYTES: usize = 1024;

/// The name of a counter: any text of at most [`MAX_NAME_BYTES`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterName(String);

impl CounterName {
    /// Checks a name; [`Error::NameTooLong`] above [`MAX_NAME_BYTES`].
    pub fn parse(text: Cow<str>) -> Result<Self, Error> {
        if text.len() > MAX_NAME_BYTES {
            return Err(Error::NameTooLong);
        }
        Ok(Self(text.into_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
