//! The rows of a ledger's storage, and their keys. The file in parentheses describes the row.
//!
//! ```text
//! 0:state          what does not belong to a single post, and the newest events (tally.rs)
//! 0:journal:7      older events                                         (journal.rs)
//! 0:pages          the ranges of the pages                              (pages.rs)
//! 0:page:0110      the posts of a page                                  (pages.rs)
//! 0:visitors:3     recent visitors                                      (marks.rs)
//! 0:ids:3          recent ids of pings                                  (marks.rs)
//! 0:lists:0        the top lists                                        (lists.rs)
//! 0:failing        since when publishing has failed, if it does         (health.rs)
//! 0:layout         how the posts are shared with other ledgers          (layout.rs)
//! ```
//!
//! Every ledger has its own storage, so the number before the colon is always 0.

use crate::base::error::Error;

/// The most bytes of a row. Cloudflare takes 2 MB.
pub const MAX_ROW_BYTES: usize = 256 << 10;
/// What is longer than this is written into several rows.
const CHUNK_BYTES: usize = 128 << 10;

/// Where rows are kept. What is put and deleted during one save is stored whole or not at all.
pub trait Rows {
    /// Reads a row.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;
    /// Writes a row of at most [`MAX_ROW_BYTES`].
    fn put(&self, key: &str, value: &[u8]) -> Result<(), Error>;
    /// Removes a row.
    fn delete(&self, key: &str) -> Result<(), Error>;
}

/// The key of a row of the ledger.
pub fn key(row: &str) -> String {
    format!("0:{row}")
}

/// Reads a row that has to be there.
pub fn required(rows: &impl Rows, row: &str) -> Result<Vec<u8>, Error> {
    rows.get(&key(row))?.ok_or(Error::Unreadable)
}

/// Reads what [`put_long`] wrote into `chunks` rows.
pub fn get_long(rows: &impl Rows, name: &str, chunks: u32) -> Result<Vec<u8>, Error> {
    (0..chunks).try_fold(Vec::new(), |mut bytes, n| {
        bytes.extend(required(rows, &format!("{name}:{n}"))?);
        Ok(bytes)
    })
}

/// Writes bytes of any length over those that took `before` rows; how many rows they take.
pub fn put_long(rows: &impl Rows, name: &str, bytes: &[u8], before: u32) -> Result<u32, Error> {
    let chunks = bytes.len().div_ceil(CHUNK_BYTES) as u32;
    for (chunk, n) in bytes.chunks(CHUNK_BYTES).zip(0..) {
        rows.put(&key(&format!("{name}:{n}")), chunk)?;
    }
    for n in chunks..before {
        rows.delete(&key(&format!("{name}:{n}")))?;
    }
    Ok(chunks)
}
