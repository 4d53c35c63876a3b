//! The limits of what a request may contain.

/// The largest integer that a JavaScript number counts to exactly, 2^53 − 1
/// (`Number.MAX_SAFE_INTEGER`).
pub const MAX_COUNT: i64 = (1 << 53) - 1;
/// The most bytes of UTF-8 in a counter's name. Above it an object no longer knows its own
/// name (`ctx.id.name` is undefined).
pub const MAX_NAME_BYTES: usize = 1024;
/// The most bytes of UTF-8 in a post's id; what a key of Workers KV may have.
pub const MAX_POST_BYTES: usize = 512;
/// The most bytes in the id of a ping.
pub const MAX_ID_BYTES: usize = 128;
/// The most posts that one request asks for.
pub const MAX_POSTS: usize = 100;
/// The most posts in one import, for the memory and the CPU time of the ledger: the shortest take ten
/// bytes of the body and some hundred of memory.
pub const MAX_IMPORT_POSTS: usize = 20_000;
/// The most bytes of an import.
pub const MAX_IMPORT_BYTES: usize = 4 << 20;
/// The most bytes of a body that is a count.
pub const MAX_COUNT_BYTES: usize = 1024;
/// The longest top list.
pub const MAX_LIMIT: u32 = 100;
/// How many days a record keeps, up to its newest.
pub const DAYS: u32 = 30;
/// The seconds of an hour.
pub const HOUR_SECONDS: u32 = 3600;
/// The most characters of a badge's label.
pub const MAX_LABEL: usize = 100;
/// The most ledgers of a site.
pub const MAX_LEDGERS: u8 = 64;
