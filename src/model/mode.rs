//! What an import does with posts that exist already.

use serde::{Deserialize, Serialize};

/// How imported records change those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// They are added.
    Add,
    /// They replace those of the same posts.
    Replace,
    /// The greater of each number stays: to import twice changes nothing.
    Max,
}
