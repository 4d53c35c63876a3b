//! How the counts that another program left in Workers KV are taken over: each once, a post's when
//! the post is counted first, the others part by part.

use super::Tally;
use super::journal::Rows;
use crate::base::error::Error;
use crate::base::id::PostId;
use crate::model::page::Entry;
use crate::model::record::Record;
use crate::published::snapshot::Adopted;
use serde::{Deserialize, Serialize};

/// A part of what is in Workers KV.
#[derive(Debug, Default)]
pub struct Part {
    /// The entries that are named like posts, with the counts of those that are counts.
    pub entries: Vec<(PostId, Option<u64>)>,
    /// How many are not named like posts.
    pub left: u32,
    /// Where the list goes on.
    pub next: Option<String>,
}

/// How far the takeover of what was in Workers KV has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Adoption {
    Begun {
        cursor: Option<String>,
        adopted: Adopted,
    },
    Done(Adopted),
}

impl Tally {
    /// Where the takeover of what was in Workers KV at the first start goes on: at this cursor of its
    /// list, or at the beginning; `None` where it is over.
    pub fn takeover(&self) -> Option<Option<String>> {
        match &self.head.adoption {
            Adoption::Begun { cursor, .. } => Some(cursor.clone()),
            Adoption::Done(_) => None,
        }
    }

    /// Whether a post's entry in Workers KV has to be asked for before the post is counted.
    pub fn is_unadopted(&mut self, rows: &impl Rows, post: &PostId) -> Result<bool, Error> {
        if self.takeover().is_none() {
            return Ok(false);
        }
        let page = self.page(rows, self.number(post))?;
        Ok(page.get(post).is_none_or(|post| post.entry == Entry::None))
    }

    /// Takes over entries of Workers KV while the takeover goes on, those that were not already: a
    /// count, or `None` where the value is none. The next [`Tally::save`] writes their pages.
    pub fn adopt(
        &mut self,
        rows: &impl Rows,
        entries: &[(PostId, Option<u64>)],
    ) -> Result<(), Error> {
        self.admit(rows, entries.iter().map(|(id, _)| id))?;
        for (id, count) in entries {
            if !self.is_unadopted(rows, id)? {
                continue;
            }
            let mut found = Record::default();
            found.set(count.unwrap_or_default());
            self.head.site.add(&found);
            self.change(rows, id, |page| {
                let post = page.entry(id.clone()).or_default();
                post.record.add(&found);
                post.entry = count.map_or(Entry::Foreign, Entry::Count);
            })?;
            if let Adoption::Begun { adopted, .. } = &mut self.head.adoption {
                match count {
                    Some(_) => adopted.posts += 1,
                    None => adopted.left += 1,
                }
            }
            self.fold_now = true;
        }
        self.changed();
        Ok(())
    }

    /// Takes over a part of the list that began at `from`, and notes where the next one begins, if
    /// there is one. Entries that are not even named like a post are `left`.
    pub fn adopt_part(
        &mut self,
        rows: &impl Rows,
        from: &Option<String>,
        part: Part,
    ) -> Result<(), Error> {
        // Another attempt may have been quicker.
        if self.takeover().as_ref() != Some(from) {
            return Ok(());
        }
        self.adopt(rows, &part.entries)?;
        if let Adoption::Begun { cursor, adopted } = &mut self.head.adoption {
            adopted.left += part.left;
            *cursor = part.next;
            if cursor.is_none() {
                self.head.adoption = Adoption::Done(*adopted);
            }
        }
        Ok(())
    }
}
