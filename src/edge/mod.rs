//! Everything that touches the runtime. The rest of the crate knows nothing of Workers.

pub mod object;
pub mod platform;
pub mod worker;

#[cfg(feature = "fault")]
pub mod fault;
