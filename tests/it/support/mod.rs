//! Helpers that several folders of tests share.

pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod byte_faults;
pub(crate) mod child;
pub(crate) mod clips;
pub(crate) mod counting_store;
pub(crate) mod coverage;
pub(crate) mod disk;
pub(crate) mod fault_table;
pub(crate) mod fixtures;
pub(crate) mod held_replies;
pub(crate) mod http_server;
pub(crate) mod journal;
pub(crate) mod leaks;
pub(crate) mod library;
pub(crate) mod memory;
pub(crate) mod outcomes;
pub(crate) mod planner;
pub(crate) mod program;
pub(crate) mod random;
pub(crate) mod reply_sizes;
pub(crate) mod s3;
pub(crate) mod tls;
