//! Names, parsed once where they come in. After that they are never bare strings.

use crate::base::error::Error;
use crate::base::limits::{MAX_ID_BYTES, MAX_NAME_BYTES, MAX_POST_BYTES};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

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

/// The id of a post: 1 to [`MAX_POST_BYTES`] bytes of UTF-8 without control characters. It does not
/// start with `:`, which marks Tally's own keys in Workers KV.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct PostId(String);

impl PostId {
    /// Checks an id; [`Error::InvalidPost`] if it is not one.
    pub fn parse(text: String) -> Result<Self, Error> {
        let length = 1..=MAX_POST_BYTES;
        let valid = length.contains(&text.len())
            && !text.starts_with(':')
            && !text.chars().any(char::is_control);
        valid.then_some(Self(text)).ok_or(Error::InvalidPost)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PostId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl std::borrow::Borrow<str> for PostId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The id of a ping, 1 to [`MAX_ID_BYTES`] bytes: the same id counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingId(String);

impl PingId {
    /// Checks an id; [`Error::InvalidId`] if it is not one.
    pub fn parse(text: String) -> Result<Self, Error> {
        let valid = (1..=MAX_ID_BYTES).contains(&text.len());
        valid.then_some(Self(text)).ok_or(Error::InvalidId)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
