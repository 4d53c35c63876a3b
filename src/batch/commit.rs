//! The group commit: which write a change goes into.
//!
//! A lone change is written at once and waits for nobody. Changes that arrive while a write is on its way to the
//! disk wait together and share the next write. Either way, the runtime's output gate holds each answer back until
//! the write that contains it has arrived.
//!
//! Learning that a write has arrived costs about as much as an increment. So while changes come one by one, only
//! some writes are watched; if a watched write finds that others are waiting, the next one is watched too.

/// What to do with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write it now.
    Write,
    /// Write it now, and call [`GroupCommit::written`] when it has arrived.
    WriteAndWatch,
    /// Wait for the write that [`GroupCommit::written`] asks for.
    Wait,
}

/// One object's changes on their way to storage.
#[derive(Debug)]
pub struct GroupCommit {
    phase: Phase,
    /// How many writes go unwatched after a watched one for which nobody waited.
    unwatched: u8,
}

#[derive(Debug)]
enum Phase {
    /// No watched write is on its way; so many more need not be watched.
    Idle { unwatched: u8 },
    /// A watched write is on its way. `waiting`: others wait for the next; `shared`: others waited
    /// for this one.
    Writing { waiting: bool, shared: bool },
}

impl GroupCommit {
    /// Nothing is on its way. `unwatched` writes go unwatched after a watched one for which nobody
    /// waited: the more, the less a lone change costs, and the later those that share are noticed.
    pub fn new(unwatched: u8) -> Self {
        Self {
            phase: Phase::Idle { unwatched: 0 },
            unwatched,
        }
    }

    /// What to do with a change before it is answered.
    pub fn add(&mut self) -> Step {
        match &mut self.phase {
            Phase::Writing { waiting, .. } => {
                *waiting = true;
                Step::Wait
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
        }
    }

    /// Whether any change waits.
    pub fn is_awaited(&self) -> bool {
        matches!(self.phase, Phase::Writing { waiting: true, .. })
    }

    /// The watched write has arrived. Whether to write for those who waited, and watch that in turn.
    pub fn written(&mut self) -> bool {
        let again = self.is_awaited();
        self.phase = match self.phase {
            _ if again => Phase::Writing {
                waiting: false,
                shared: true,
            },
            Phase::Writing { shared: true, .. } => Phase::Idle { unwatched: 0 },
            _ => Phase::Idle {
                unwatched: self.unwatched,
            },
        };
        again
    }
}
