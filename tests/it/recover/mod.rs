//! Jobs that were interrupted: the journal, recovery, quarantine, and long runs that kill and break things.

mod journal;
mod panics;
mod pickup;
mod quarantine;
mod torture_disk;
mod torture_kill;
mod torture_property;
mod torture_records;
mod unknown_job;
