//! The Durable Objects.

pub mod counter;
pub mod ledger;
