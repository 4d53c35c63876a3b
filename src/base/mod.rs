//! The vocabulary that all other modules use.

pub mod count;
pub mod error;
pub mod id;
pub mod limits;
pub mod path;
pub mod settings;
pub mod site;
pub mod time;
