//! What readers get: when it is published, and what it holds.

pub mod budget;
pub mod head;
pub mod part;
pub mod slice;
