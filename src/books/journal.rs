//! The journal: the changes that are not in the pages yet, in the order in which they arrived.
//!
//! Events are numbered. The newest ones are in the ledger's state row, which every change writes. When they have
//! grown to [`ROW_BYTES`], they move to a row of their own:
//!
//! ```text
//! 0:journal:7   the number of its first event, a varint; then events (crate::books::event)
//! ```
//!
//! A row is deleted when all its events are in pages.

use crate::base::error::Error;
use crate::books::event::Event;
use crate::books::rows::{Rows, key, required};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The bytes of events from which on they get a row of their own.
const ROW_BYTES: usize = 8 << 10;
/// The same for events of an import.
const IMPORT_ROW_BYTES: usize = 64 << 10;

/// What is stored of the journal beside its events.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct JournalState {
    /// The number of the oldest row.
    oldest: u32,
    /// The number of the next row.
    next: u32,
    /// The number of the first event that is in no row of its own.
    first: u64,
}

/// The journal in memory: where its rows begin, and the events that are in none.
#[derive(Debug, Default)]
pub struct Journal {
    state: JournalState,
    /// The number of the next event.
    next: u64,
    /// The first event of each row, by its number, and the row's bytes.
    rows: VecDeque<(u64, usize)>,
    /// Rows that are to be written.
    sealed: Vec<(u32, Vec<u8>)>,
    tail: Vec<u8>,
}

impl Journal {
    /// Reads the journal. `tail` is what [`Journal::tail`] was; `replay` is given every event with its
    /// number.
    pub fn load(
        state: JournalState,
        tail: &[u8],
        rows: &impl Rows,
        mut replay: impl FnMut(u64, Event),
    ) -> Result<Self, Error> {
        let mut journal = Self {
            state,
            next: state.first,
            tail: tail.to_vec(),
            ..Self::default()
        };
        for n in state.oldest..state.next {
            let row = required(rows, &row(n))?;
            let (first, events) = open(&row)?;
            journal.rows.push_back((first, events.len()));
            for (event, number) in Event::read(events).zip(first..) {
                replay(number, event?);
            }
        }
        for event in Event::read(tail) {
            replay(journal.next, event?);
            journal.next += 1;
        }
        Ok(journal)
    }

    /// What is to be stored beside the events that are in rows of their own.
    pub fn state(&self) -> JournalState {
        self.state
    }

    /// The events that are in no row of their own.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// The number of the next event.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The bytes of all events.
    pub fn len(&self) -> usize {
        self.tail.len() + self.rows.iter().map(|(_, bytes)| bytes).sum::<usize>()
    }

    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many events there are since one of them.
    pub fn since(&self, event: u64) -> u64 {
        self.next - event
    }

    /// Appends an event.
    pub fn append(&mut self, event: &Event) -> Result<(), Error> {
        self.tail = event.write(std::mem::take(&mut self.tail))?;
        self.next += 1;
        let most = match event {
            Event::Put { .. } | Event::Stand { .. } => IMPORT_ROW_BYTES,
            _ => ROW_BYTES,
        };
        match self.tail.len() >= most {
            true => self.seal(),
            false => Ok(()),
        }
    }

    /// Gives the events that are in no row a row of their own.
    pub fn seal(&mut self) -> Result<(), Error> {
        if self.tail.is_empty() {
            return Ok(());
        }
        let row = postcard::to_extend(&self.state.first, Vec::new());
        let mut row = row.map_err(|_| Error::Unreadable)?;
        row.extend_from_slice(&self.tail);
        self.rows.push_back((self.state.first, self.tail.len()));
        self.sealed.push((self.state.next, row));
        self.state.next += 1;
        self.state.first = self.next;
        self.tail.clear();
        Ok(())
    }

    /// Writes the rows that have become full.
    pub fn save(&mut self, rows: &impl Rows) -> Result<(), Error> {
        for (number, bytes) in self.sealed.drain(..) {
            rows.put(&key(&row(number)), &bytes)?;
        }
        Ok(())
    }

    /// How many rows end before an event.
    pub fn before(&self, event: u64) -> usize {
        let ends = self.rows.iter().skip(1).map(|(first, _)| *first);
        let ends = ends.chain([self.state.first]);
        ends.take_while(|end| *end <= event)
            .count()
            .min(self.rows.len())
    }

    /// Drops the oldest row; its events are passed to `dropped`. [`Journal::save`] has to have run.
    pub fn drop_row(
        &mut self,
        rows: &impl Rows,
        mut dropped: impl FnMut(Event),
    ) -> Result<(), Error> {
        let name = row(self.state.oldest);
        let bytes = required(rows, &name)?;
        for event in Event::read(open(&bytes)?.1) {
            dropped(event?);
        }
        rows.delete(&key(&name))?;
        self.state.oldest += 1;
        self.rows.pop_front();
        Ok(())
    }
}

fn row(number: u32) -> String {
    format!("journal:{number}")
}

/// The number of a row's first event, and its events.
fn open(row: &[u8]) -> Result<(u64, &[u8]), Error> {
    postcard::take_from_bytes(row).map_err(|_| Error::Unreadable)
}
