//! The rules of one ledger: what it counts, stores and publishes.

pub mod event;
mod grants;
mod guard;
pub mod handover;
pub mod health;
pub mod journal;
pub mod layout;
pub mod lists;
pub mod marks;
pub mod members;
pub mod pages;
pub mod publication;
mod publishing;
mod ranks;
pub mod removal;
pub mod rows;
pub mod takeover;
pub mod tally;
pub mod verification;
