//! Facts that the ledger's books and the readers share.

pub mod filter;
pub mod mode;
pub mod network;
pub mod outcome;
pub mod owner;
pub mod page;
pub mod place;
pub mod reason;
pub mod record;
pub mod standing;
