//! Posts in pages: the unit in which the ledger stores them and the snapshot carries them.
//!
//! A page is its posts one after the other, in the order of their ids, each `(id, Post)` in
//! [postcard](https://postcard.jamesmunns.com/wire-format). Which page a post is in follows from its
//! id and from how many pages there are, a power of two.

use crate::error::Error;
use crate::id::PostId;
use crate::record::Record;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// What is stored of a post.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Its views.
    pub record: Record,
    /// Its entry in Workers KV.
    pub entry: Entry,
}

/// A post's own entry in Workers KV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// There is none.
    #[default]
    None,
    /// The count that it was given last.
    Count(u64),
    /// Another program's: it is no count, and is left alone.
    Foreign,
}

impl Post {
    /// Whether there is anything to store.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// By how many views the entry in Workers KV is wrong.
    pub fn gap(&self) -> u64 {
        match self.entry {
            Entry::None => self.record.total,
            Entry::Count(views) => self.record.total.abs_diff(views),
            Entry::Foreign => 0,
        }
    }
}

/// The posts of a page.
pub type Page = BTreeMap<PostId, Post>;

/// The page that a post is in, of so many.
pub fn number(post: &str, pages: u32) -> u32 {
    let mut hasher = SipHasher13::new();
    post.hash(&mut hasher);
    hasher.finish() as u32 & (pages - 1)
}

/// Writes a page.
pub fn encode(page: &Page) -> Result<Vec<u8>, Error> {
    let post = |bytes, post| postcard::to_extend(&post, bytes).map_err(|_| Error::Unreadable);
    page.iter().try_fold(Vec::new(), post)
}

/// Reads a page.
pub fn decode(bytes: &[u8]) -> Result<Page, Error> {
    let mut page = Page::new();
    for post in read(bytes) {
        let (id, post) = post?;
        page.insert(PostId::parse(id.to_owned())?, post);
    }
    Ok(page)
}

/// Reads a page post by post. [`Error::Unreadable`] is the last of bytes that make no sense.
pub fn read(mut bytes: &[u8]) -> impl Iterator<Item = Result<(&str, Post), Error>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let post = postcard::take_from_bytes(bytes);
        bytes = post.as_ref().map_or(&[], |(_, rest)| rest);
        Some(post.map(|(post, _)| post).map_err(|_| Error::Unreadable))
    })
}
