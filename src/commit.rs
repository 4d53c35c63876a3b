//! When an increment is written: the group commit.
//!
//! A lone increment is written at once and waits for nobody. While a write is on its way to the
//! disk, the increments that arrive wait together and then share one write. Either way the answer
//! leaves only after the write that holds it; the runtime's output gate sees to that.
//!
//! Asking the runtime when a write has arrived costs about as much as a tenth of an increment, so
//! a lone increment asks only now and then, and keeps asking for as long as the answer finds
//! others waiting.

use crate::count::{Amount, Count};
use crate::error::Error;

/// How many lone increments are written between two that look whether others wait.
const LOOK_EVERY: u8 = 16;

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
    Alone { until_look: u8 },
    Writing { others_wait: bool },
}

impl GroupCommit {
    /// Starts from what storage holds.
    pub fn new(stored: Count) -> Self {
        Self {
            stored,
            newest: stored,
            phase: Phase::Alone { until_look: 0 },
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
            Phase::Writing { others_wait } => {
                *others_wait = true;
                return Ok((self.newest, Step::Wait));
            }
            Phase::Alone { until_look: 0 } => {
                self.phase = Phase::Writing { others_wait: false };
                Step::WriteAndWatch
            }
            Phase::Alone { until_look } => {
                *until_look -= 1;
                Step::Write
            }
        };
        self.stored = self.newest;
        Ok((self.newest, step))
    }

    /// The watched write has arrived. The count to write for those who waited, to be watched in
    /// turn; `None` where nobody did.
    pub fn written(&mut self) -> Option<Count> {
        match self.phase {
            Phase::Writing { others_wait: true } => {
                self.stored = self.newest;
                self.phase = Phase::Writing { others_wait: false };
                Some(self.stored)
            }
            _ => {
                self.phase = Phase::Alone {
                    until_look: LOOK_EVERY,
                };
                None
            }
        }
    }
}
