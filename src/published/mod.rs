//! What readers get: its content, and when it is published.

pub mod budget;
pub mod head;
pub mod part;
pub mod slice;
