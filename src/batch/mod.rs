//! Many changes of an object on their way to storage become one write.

pub mod commit;
pub mod newcomers;
pub mod refused;
