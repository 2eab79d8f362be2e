//! The sandbox against the wire contract.

mod answers;
mod answers_faults;
mod answers_pictures;
mod answers_refusals;
mod clients;
mod contract;
mod create;
mod faults;
mod files;
mod hosts;
mod language;
mod modes;
mod raw;
mod results;
