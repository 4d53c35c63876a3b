//! When a change is written: the group commit.
//!
//! A lone change is written at once and waits for nobody. While a write is on its way to the disk,
//! the changes that arrive wait together and then share one write. Either way the answer leaves only
//! after the write that holds it; the runtime's output gate sees to that.
//!
//! To learn when a write has arrived costs about as much as an increment, so where changes come one
//! by one only some writes are watched; where a watched write found others waiting, the next is
//! watched too.

/// How many writes go unwatched after a watched one for which nobody waited.
const UNWATCHED: u8 = 128;

/// What becomes of a change.
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
pub enum GroupCommit {
    /// No watched write is on its way.
    Idle {
        /// How many writes need not be watched.
        unwatched: u8,
    },
    /// A watched write is on its way.
    Writing {
        /// Whether others wait for the next.
        waiting: bool,
        /// Whether others waited for this one.
        shared: bool,
    },
}

impl Default for GroupCommit {
    fn default() -> Self {
        GroupCommit::Idle { unwatched: 0 }
    }
}

impl GroupCommit {
    /// What to do with a change before it is answered.
    pub fn add(&mut self) -> Step {
        match self {
            GroupCommit::Writing { waiting, .. } => {
                *waiting = true;
                Step::Wait
            }
            GroupCommit::Idle { unwatched: 0 } => {
                *self = GroupCommit::Writing {
                    waiting: false,
                    shared: false,
                };
                Step::WriteAndWatch
            }
            GroupCommit::Idle { unwatched } => {
                *unwatched -= 1;
                Step::Write
            }
        }
    }

    /// The watched write has arrived. Whether to write for those who waited, and watch that in turn.
    pub fn written(&mut self) -> bool {
        let (again, next) = match *self {
            GroupCommit::Writing { waiting: true, .. } => {
                let shared = GroupCommit::Writing {
                    waiting: false,
                    shared: true,
                };
                (true, shared)
            }
            GroupCommit::Writing { shared: true, .. } => (false, GroupCommit::default()),
            _ => {
                let unwatched = UNWATCHED;
                (false, GroupCommit::Idle { unwatched })
            }
        };
        *self = next;
        again
    }
}
