//! A change of one post, as the journal stores it.

use crate::base::error::Error;
use crate::base::id::PostId;
use crate::base::time::Time;
use crate::books::marks::Mark;
use crate::model::page::{Entry, Post};
use crate::model::record::Record;
use crate::model::standing::Standing;
use serde::{Deserialize, Serialize};

/// A change of one post.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A view was counted.
    View {
        /// The post.
        post: PostId,
        /// When.
        at: Time,
        /// The visitor, if it may be known.
        visitor: Option<Mark>,
        /// The ping's id, if it had one.
        id: Option<Mark>,
    },
    /// The post is replaced. Its standing is open.
    Put {
        /// The post.
        post: PostId,
        /// Its views.
        record: Record,
        /// Its entry in Workers KV.
        entry: Entry,
    },
    /// The entry in Workers KV was written.
    Entry {
        /// The post.
        post: PostId,
        /// What it is now.
        entry: Entry,
    },
    /// An import that is not to be repeated was taken in.
    Import {
        /// When.
        at: Time,
        /// Its id.
        id: Mark,
    },
    /// The post is replaced, with its standing.
    Stand {
        /// The post.
        post: PostId,
        /// Its views.
        record: Record,
        /// Its entry in Workers KV.
        entry: Entry,
        /// Who says that it exists.
        standing: Standing,
    },
}

impl Event {
    /// Makes a post what it is from now on.
    pub fn put(post: PostId, after: Post) -> Self {
        let Post {
            record,
            entry,
            standing,
        } = after;
        match standing {
            Standing::Open => Self::Put {
                post,
                record,
                entry,
            },
            standing => Self::Stand {
                post,
                record,
                entry,
                standing,
            },
        }
    }

    /// The post that changes, if one does.
    pub fn post(&self) -> Option<&PostId> {
        match self {
            Event::View { post, .. }
            | Event::Put { post, .. }
            | Event::Entry { post, .. }
            | Event::Stand { post, .. } => Some(post),
            Event::Import { .. } => None,
        }
    }

    /// Changes the post.
    pub fn apply(&self, post: &mut Post) {
        match self {
            Event::View { at, .. } => post.record.view(*at),
            Event::Put { record, entry, .. } => {
                *post = Post {
                    record: record.clone(),
                    entry: *entry,
                    standing: Standing::Open,
                }
            }
            Event::Stand {
                record,
                entry,
                standing,
                ..
            } => {
                *post = Post {
                    record: record.clone(),
                    entry: *entry,
                    standing: standing.clone(),
                }
            }
            Event::Entry { entry, .. } => post.entry = *entry,
            Event::Import { .. } => {}
        }
    }

    /// Appends it.
    pub fn write(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        postcard::to_extend(self, bytes).map_err(|_| Error::Unreadable)
    }

    /// Reads events one after the other. [`Error::Unreadable`] is the last of bytes that make no sense.
    pub fn read(mut bytes: &[u8]) -> impl Iterator<Item = Result<Self, Error>> {
        std::iter::from_fn(move || {
            if bytes.is_empty() {
                return None;
            }
            let event = postcard::take_from_bytes(bytes);
            bytes = event.as_ref().map_or(&[], |(_, rest)| rest);
            Some(event.map(|(event, _)| event).map_err(|_| Error::Unreadable))
        })
    }
}
