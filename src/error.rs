//! Everything that can go wrong, and what a client is told of it.
//!
//! An [`Error`] is all that leaves the Worker: a status, a stable code and a sentence.
//! What the platform said goes to the log.

use crate::count::MAX;
use crate::id::MAX_NAME_BYTES;

/// A request that was refused or could not be served. Nothing was counted, except where
/// [`Error::Unavailable`] says that this is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No such path.
    NotFound,
    /// A method other than those in [`ALLOW`].
    MethodNotAllowed,
    /// A counter name of more than [`MAX_NAME_BYTES`] bytes.
    NameTooLong,
    /// An amount that is not an integer of at most [`MAX`] either way.
    InvalidAmount,
    /// A count that would leave ±[`MAX`].
    OutOfRange,
    /// The stored value is not an integer within ±[`MAX`]; some other program wrote it.
    NotACount,
    /// The object could not be asked, or its answer was lost.
    Unavailable,
}

/// The methods that are answered, as the `Allow` header lists them.
pub const ALLOW: &str = "GET, HEAD, POST";

impl Error {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Error::NotFound => 404,
            Error::MethodNotAllowed => 405,
            Error::NameTooLong | Error::InvalidAmount => 400,
            Error::OutOfRange => 409,
            Error::NotACount => 500,
            Error::Unavailable => 503,
        }
    }

    /// A stable word for programs.
    pub fn code(self) -> &'static str {
        match self {
            Error::NotFound => "not_found",
            Error::MethodNotAllowed => "method_not_allowed",
            Error::NameTooLong => "name_too_long",
            Error::InvalidAmount => "invalid_amount",
            Error::OutOfRange => "out_of_range",
            Error::NotACount => "not_a_count",
            Error::Unavailable => "unavailable",
        }
    }
}

/// The sentence for people.
impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Error::NotFound => f.write_str("Not found"),
            Error::MethodNotAllowed => write!(f, "Method not allowed; use one of {ALLOW}"),
            Error::NameTooLong => write!(f, "A name has at most {MAX_NAME_BYTES} bytes"),
            Error::InvalidAmount => {
                write!(f, "An amount is an integer from -{MAX} to {MAX}")
            }
            Error::OutOfRange => {
                write!(f, "The count would leave -{MAX} to {MAX}; it is unchanged")
            }
            Error::NotACount => {
                write!(f, "The stored value is not an integer from -{MAX} to {MAX}")
            }
            Error::Unavailable => {
                f.write_str("The counter did not answer; the count may or may not have changed")
            }
        }
    }
}
