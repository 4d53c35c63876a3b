//! One ledger's rules: what is counted, how it is stored, what is to be published.

pub mod seen;
pub mod tally;
