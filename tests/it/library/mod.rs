//! The library on a folder and in a bucket.

mod bucket_reads;
mod commit;
mod copy;
mod crash;
mod index;
mod list;
mod lookup;
mod s3;
mod sidecar;
