//! Everything that can go wrong, and what a client learns about it.
//!
//! An [`Error`] is all that leaves the Worker: a status, a stable code and a sentence. What the platform said goes
//! to the log.

use crate::base::limits::{
    DAYS, MAX_COUNT, MAX_COUNT_BYTES, MAX_ID_BYTES, MAX_IMPORT_BYTES, MAX_IMPORT_POSTS, MAX_LABEL,
    MAX_LIMIT, MAX_NAME_BYTES, MAX_POST_BYTES, MAX_POSTS,
};

/// A request that was refused or could not be served. Nothing was counted, except where
/// [`Error::Unavailable`] says that this is unknown.
///
/// Its variants hold no data, because nearly every function may return one: a byte is returned as a number,
/// and not through memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No such path.
    NotFound,
    /// A method other than those that are listed.
    MethodNotAllowed(Allow),
    /// A counter name of more than [`MAX_NAME_BYTES`] bytes.
    NameTooLong,
    /// An amount that is not an integer of at most [`MAX_COUNT`] either way.
    InvalidAmount,
    /// A count that would leave ±[`MAX_COUNT`].
    OutOfRange,
    /// The stored value is not an integer within ±[`MAX_COUNT`]; some other program wrote it.
    NotACount,
    /// A post id that is none.
    InvalidPost,
    /// A percent-encoding that is none, or not of UTF-8.
    InvalidEncoding,
    /// No post where one or more are to be named.
    MissingPost,
    /// More than [`MAX_POSTS`] posts in one request.
    TooManyInRequest,
    /// A `limit` that is not within 1 to [`MAX_LIMIT`].
    InvalidLimit,
    /// A `period` that is none.
    InvalidPeriod,
    /// A `days` that is not within 1 to [`DAYS`].
    InvalidDays,
    /// A label of a badge that has more than [`MAX_LABEL`] characters, or one that is no text.
    InvalidLabel,
    /// A color that is none.
    InvalidColor,
    /// An id of a ping that is empty or has more than [`MAX_ID_BYTES`] bytes.
    InvalidId,
    /// A page of a site that may not ping, or no page.
    ForeignOrigin,
    /// Too many pings from one address.
    TooManyPings,
    /// A ping with a body that it has no use for.
    PingTooLarge,
    /// More new posts in this hour than `NEW_POSTS_PER_HOUR` lets in, of all or of one network.
    TooManyNewPosts,
    /// There is no room for another post.
    TooManyPosts,
    /// More new posts at once than the site confirms in a minute or an hour.
    TooManyAtOnce,
    /// Counters are not changed over HTTP.
    CountingOff,
    /// A wrong token, or none.
    Unauthorized,
    /// A `format` that is none.
    InvalidFormat,
    /// A `mode` that is none.
    InvalidMode,
    /// Posts to delete that are not named as they have to be.
    InvalidFilter,
    /// A body that is not a count.
    InvalidCount,
    /// A count of more than [`MAX_COUNT_BYTES`] bytes.
    CountTooLarge,
    /// An import of more than [`MAX_IMPORT_BYTES`] bytes.
    ImportTooLarge,
    /// An import of more than [`MAX_IMPORT_POSTS`] posts.
    TooManyInImport,
    /// An import that cannot be read.
    InvalidImport,
    /// An import with a time more than a day ahead.
    FutureTime,
    /// A prefix that has no top list.
    UnknownList,
    /// Nothing was published yet that could be read, or Workers KV does not answer.
    Unpublished,
    /// What was in Workers KV is still being taken over.
    Adopting,
    /// Posts are being handed over between the site's ledgers.
    Moving,
    /// Stored bytes that make no sense; some other program wrote them.
    Unreadable,
    /// The object could not be asked, or its answer was lost.
    Unavailable,
}

/// The methods that a path answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Of a counter.
    Counter,
    /// Of a post.
    Post,
    /// Of all posts.
    Posts,
    /// Of what can only be read.
    Read,
    /// Of what only the owner can do.
    Write,
}

impl Allow {
    /// As the `Allow` header lists them.
    pub fn methods(self) -> &'static str {
        match self {
            Allow::Counter => "GET, HEAD, POST",
            Allow::Post => "GET, HEAD, POST, PUT, DELETE, OPTIONS",
            Allow::Posts => "GET, HEAD, DELETE, OPTIONS",
            Allow::Read => "GET, HEAD, OPTIONS",
            Allow::Write => "POST, OPTIONS",
        }
    }
}

impl Error {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.public().0
    }

    /// A stable word for programs.
    pub fn code(self) -> &'static str {
        self.public().1
    }

    fn public(self) -> (u16, &'static str) {
        match self {
            Error::NotFound => (404, "not_found"),
            Error::MethodNotAllowed(_) => (405, "method_not_allowed"),
            Error::NameTooLong => (400, "name_too_long"),
            Error::InvalidAmount => (400, "invalid_amount"),
            Error::OutOfRange => (409, "out_of_range"),
            Error::NotACount => (500, "not_a_count"),
            Error::InvalidPost => (400, "invalid_post"),
            Error::InvalidEncoding => (400, "invalid_encoding"),
            Error::MissingPost => (400, "missing_post"),
            Error::TooManyInRequest => (400, "too_many_in_request"),
            Error::InvalidLimit => (400, "invalid_limit"),
            Error::InvalidPeriod => (400, "invalid_period"),
            Error::InvalidDays => (400, "invalid_days"),
            Error::InvalidLabel => (400, "invalid_label"),
            Error::InvalidColor => (400, "invalid_color"),
            Error::InvalidId => (400, "invalid_id"),
            Error::ForeignOrigin => (403, "origin"),
            Error::TooManyPings => (429, "flood"),
            Error::PingTooLarge | Error::CountTooLarge | Error::ImportTooLarge => {
                (413, "body_too_large")
            }
            Error::TooManyNewPosts | Error::TooManyAtOnce => (429, "new_posts"),
            Error::TooManyPosts => (409, "too_many_posts"),
            Error::CountingOff => (405, "counting_off"),
            Error::Unauthorized => (401, "unauthorized"),
            Error::InvalidFormat => (400, "invalid_format"),
            Error::InvalidMode => (400, "invalid_mode"),
            Error::InvalidFilter => (400, "invalid_filter"),
            Error::InvalidCount => (400, "invalid_count"),
            Error::TooManyInImport => (413, "too_many_in_import"),
            Error::InvalidImport => (400, "invalid_import"),
            Error::FutureTime => (400, "future_time"),
            Error::UnknownList => (400, "unknown_list"),
            Error::Unpublished => (503, "unpublished"),
            Error::Adopting => (503, "adopting"),
            Error::Moving => (503, "moving"),
            Error::Unreadable => (500, "unreadable"),
            Error::Unavailable => (503, "unavailable"),
        }
    }
}

/// The sentence for people.
impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Error::NotFound => f.write_str("Not found"),
            Error::MethodNotAllowed(allow) => {
                write!(f, "Method not allowed; use one of {}", allow.methods())
            }
            Error::NameTooLong => write!(f, "A name has at most {MAX_NAME_BYTES} bytes"),
            Error::InvalidAmount => {
                write!(
                    f,
                    "An amount is an integer from -{MAX_COUNT} to {MAX_COUNT}"
                )
            }
            Error::OutOfRange => write!(
                f,
                "The count would leave -{MAX_COUNT} to {MAX_COUNT}; it is unchanged"
            ),
            Error::NotACount => write!(
                f,
                "The stored value is not an integer from -{MAX_COUNT} to {MAX_COUNT}"
            ),
            Error::InvalidPost => write!(
                f,
                "A post is 1 to {MAX_POST_BYTES} bytes of UTF-8 without control characters, and does not start with a colon"
            ),
            Error::InvalidEncoding => {
                f.write_str("The percent-encoding is broken, or not of UTF-8")
            }
            Error::MissingPost => f.write_str("Name one or more posts, for example, ?post=142"),
            Error::TooManyInRequest => write!(f, "A request asks for at most {MAX_POSTS} posts"),
            Error::InvalidLimit => write!(f, "A limit is an integer from 1 to {MAX_LIMIT}"),
            Error::InvalidPeriod => f.write_str("A period is all, day, week or month"),
            Error::InvalidDays => write!(f, "Days are an integer from 1 to {DAYS}"),
            Error::InvalidLabel => write!(
                f,
                "A label has at most {MAX_LABEL} characters, none of them a control character"
            ),
            Error::InvalidColor => {
                f.write_str("A color is a name such as blue, or 3 or 6 hexadecimal digits")
            }
            Error::InvalidId => write!(f, "The id of a ping has 1 to {MAX_ID_BYTES} bytes"),
            Error::ForeignOrigin => f.write_str("Only pages of the origins in `ALLOWED_ORIGINS` may count here"),
            Error::TooManyPings => f.write_str("Too many views from this address; wait a minute"),
            Error::PingTooLarge => f.write_str("A view needs no body"),
            Error::TooManyNewPosts => {
                f.write_str("Too many posts are new in this hour; those that are known count as ever")
            }
            Error::TooManyPosts => f.write_str("There is no room for another post"),
            Error::TooManyAtOnce => f.write_str("Too many new posts at once; wait a minute"),
            Error::CountingOff => {
                f.write_str("`COUNTER_WRITES` is off: counters are not changed over HTTP")
            }
            Error::Unauthorized => {
                f.write_str("This needs the header `Authorization: Bearer ADMIN_TOKEN`")
            }
            Error::InvalidFormat => f.write_str("A format is json, ndjson or csv"),
            Error::InvalidMode => f.write_str("A mode is add, replace or max"),
            Error::InvalidFilter => f.write_str(
                "Name the posts to delete by `prefix`, by `views` from 1 on, or by both, each once; `dry` is 1 or 0, and `from` what an answer called `next`",
            ),
            Error::InvalidCount => write!(
                f,
                r#"The body is a count, an integer from 0 to {MAX_COUNT}, or {{"views":count}}"#
            ),
            Error::CountTooLarge => write!(f, "This body may have at most {MAX_COUNT_BYTES} bytes"),
            Error::ImportTooLarge => write!(f, "This body may have at most {MAX_IMPORT_BYTES} bytes"),
            Error::TooManyInImport => write!(
                f,
                "An import has at most {MAX_IMPORT_POSTS} posts; `tally import` sends more in parts"
            ),
            Error::InvalidImport => {
                f.write_str("A line is not a post with its views; nothing was imported")
            }
            Error::FutureTime => f.write_str(
                "A line has views of a time that is more than a day ahead; nothing was imported",
            ),
            Error::UnknownList => f.write_str("`LISTS` names no such prefix"),
            Error::Unpublished => f.write_str("The published counts cannot be read at the moment"),
            Error::Adopting => f.write_str(
                "What was in Workers KV is still being taken over; try again in a minute",
            ),
            Error::Moving => f.write_str(
                "Posts are being handed over between ledgers; nothing was counted or changed; try again in a minute",
            ),
            Error::Unreadable => f.write_str("What is stored cannot be read"),
            Error::Unavailable => {
                f.write_str("The counter did not answer; the count may or may not have changed")
            }
        }
    }
}
