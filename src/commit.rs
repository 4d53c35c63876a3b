//! When an increment is written: the group commit.
//!
//! A lone increment is written at once and waits for nobody. While a write is on its way to the
//! disk, the increments that arrive wait together and then share one write. Either way the answer
//! leaves only after the write that holds it; the runtime's output gate sees to that.
//!
//! To learn when a write has arrived costs about as much as an increment, so where increments come
//! one by one only some writes are watched; where a watched write found others waiting, the next is
//! watched too.

use crate::count::{Amount, Count};
use crate::error::Error;

/// How many writes go unwatched after a watched one for which nobody waited.
const UNWATCHED: u8 = 128;

/// What becomes of an increment that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write the count now.
    Write,
    /// Write the count now, and call [`GroupCommit::written`] when it has arrived.
    WriteAndWatch,
    /// Wait for the write that [`GroupCommit::written`] asks for.
    Wait,
}

/// One counter's value and its increments on their way to storage.
#[derive(Debug)]
pub struct GroupCommit {
    /// What storage was last given: the only value that may be read.
    stored: Count,
    /// `stored` with every increment that waits.
    newest: Count,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// No watched write is on its way.
    Idle { unwatched: u8 },
    /// A watched write is on its way. `waiting`: others wait for the next; `shared`: others waited
    /// for this one.
    Writing { waiting: bool, shared: bool },
}

impl GroupCommit {
    /// Starts from what storage holds.
    pub fn new(stored: Count) -> Self {
        Self {
            stored,
            newest: stored,
            phase: Phase::Idle { unwatched: 0 },
        }
    }

    /// The count that storage was last given.
    pub fn stored(&self) -> Count {
        self.stored
    }

    /// Accepts an increment: its count, which is final, and what to do before it is answered.
    /// [`Error::OutOfRange`] changes nothing.
    pub fn add(&mut self, amount: Amount) -> Result<(Count, Step), Error> {
        self.newest = self.newest.plus(amount)?;
        let step = match &mut self.phase {
            Phase::Writing { waiting, .. } => {
                *waiting = true;
                return Ok((self.newest, Step::Wait));
            }
            Phase::Idle { unwatched: 0 } => {
                self.phase = Phase::Writing {
                    waiting: false,
                    shared: false,
                };
                Step::WriteAndWatch
            }
            Phase::Idle { unwatched } => {
                *unwatched -= 1;
                Step::Write
            }
        };
        self.stored = self.newest;
        Ok((self.newest, step))
    }

    /// The watched write has arrived. The count to write for those who waited, to be watched in
    /// turn; `None` where nobody did.
    pub fn written(&mut self) -> Option<Count> {
        let (next, phase) = match self.phase {
            Phase::Writing { waiting: true, .. } => {
                self.stored = self.newest;
                let phase = Phase::Writing {
                    waiting: false,
                    shared: true,
                };
                (Some(self.stored), phase)
            }
            Phase::Writing { shared: true, .. } => (None, Phase::Idle { unwatched: 0 }),
            _ => (
                None,
                Phase::Idle {
                    unwatched: UNWATCHED,
                },
            ),
        };
        self.phase = phase;
        next
    }
}
