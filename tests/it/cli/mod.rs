//! The program `reelkin`.

mod bad_input;
mod chain;
mod recover;
mod s3;
mod signals;
mod terminal;
mod verbs;
