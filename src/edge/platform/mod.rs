//! The bindings of the runtime.

pub mod publish;
pub mod reply;
pub mod storage;
