//! Many become one: an object's changes on their way to storage.

pub mod commit;
pub mod newcomers;
pub mod refused;
