//! The bindings of the runtime.

pub mod header;
pub mod instance;
pub mod kv;
pub mod ledgers;
pub mod log;
pub mod reply;
pub mod rpc;
pub mod runtime;
pub mod storage;
