//! The tests of the public API, one binary.

mod library_commit;
mod library_copy;
mod library_crash;
mod library_list;
mod library_names;
mod library_record;
