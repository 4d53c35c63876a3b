//! Whether the site has a post: which page to read, and what the page says.

pub mod address;
pub mod memory;
pub mod pace;
pub mod page;
mod text;
pub mod verdict;
