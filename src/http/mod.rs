//! Requests in, bodies out.

pub mod answer;
pub mod badge;
pub mod format;
pub mod portable;
pub mod route;
pub mod visit;
