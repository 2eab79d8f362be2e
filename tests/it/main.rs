//! The integration tests, one binary: linking is what costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, reason = "modules of one binary")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::items_after_statements,
    reason = "clips are small, and a test reads best beside its data"
)]

#[cfg(feature = "cli")]
mod analyze_clip;
#[cfg(all(feature = "s3", feature = "cli"))]
mod bucket;
#[cfg(feature = "cli")]
mod bucket_reads;
#[cfg(feature = "cli")]
mod chain_program;
#[cfg(feature = "cli")]
mod chain_run;
#[cfg(feature = "cli")]
mod cli_bad_input;
#[cfg(feature = "cli")]
mod cli_run;
#[cfg(feature = "cli")]
mod cli_verbs;
#[cfg(feature = "cli")]
mod client_bench;
#[cfg(feature = "media")]
mod clips;
#[cfg(feature = "cli")]
mod download_guard;
#[cfg(feature = "cli")]
mod download_hostile;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod download_memory;
#[cfg(feature = "cli")]
mod download_resume;
#[cfg(feature = "cli")]
mod every_byte;
#[cfg(feature = "cli")]
mod every_byte_tap;
#[cfg(feature = "cli")]
mod faults;
#[cfg(feature = "cli")]
mod ima2_rows;
#[cfg(feature = "cli")]
mod job_events;
#[cfg(feature = "cli")]
mod job_pickup;
#[cfg(feature = "cli")]
mod journal_budget;
#[cfg(feature = "cli")]
mod journal_recover;
#[cfg(feature = "media")]
mod libav_recipe;
mod library_commit;
mod library_copy;
mod library_crash;
#[cfg(feature = "media")]
mod library_escape;
mod library_list;
mod library_names;
mod library_record;
mod lineage_continuity;
mod lineage_family;
mod lineage_scale;
#[cfg(feature = "media")]
mod media_bad_input;
#[cfg(feature = "media")]
mod media_colour;
#[cfg(feature = "media")]
mod media_frames;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod media_hostile;
#[cfg(feature = "cli")]
mod peers;
#[cfg(feature = "cli")]
mod peers_bytes;
#[cfg(feature = "cli")]
mod peers_inputs;
#[cfg(feature = "cli")]
mod peers_jobs;
#[cfg(feature = "cli")]
mod peers_money;
#[cfg(feature = "cli")]
mod peers_polls;
#[cfg(feature = "cli")]
mod planner_continue;
#[cfg(feature = "cli")]
mod planner_failures;
#[cfg(feature = "cli")]
mod planner_generate;
#[cfg(all(feature = "s3", feature = "cli"))]
mod s3_library;
#[cfg(all(feature = "s3", feature = "cli"))]
mod s3_program;
#[cfg(feature = "sandbox")]
mod sandbox_answers;
#[cfg(feature = "sandbox")]
mod sandbox_answers_faults;
#[cfg(feature = "sandbox")]
mod sandbox_answers_pictures;
#[cfg(feature = "sandbox")]
mod sandbox_clients;
#[cfg(feature = "sandbox")]
mod sandbox_contract;
#[cfg(feature = "sandbox")]
mod sandbox_create;
#[cfg(feature = "sandbox")]
mod sandbox_faults;
#[cfg(feature = "sandbox")]
mod sandbox_files;
#[cfg(feature = "sandbox")]
mod sandbox_modes;
#[cfg(feature = "sandbox")]
mod sandbox_results;
#[cfg(feature = "cli")]
mod scenarios;
#[cfg(feature = "cli")]
mod secrets;
#[cfg(feature = "cli")]
mod telemetry;
#[cfg(feature = "cli")]
mod torture_audit;
#[cfg(feature = "cli")]
mod torture_disk;
#[cfg(feature = "cli")]
mod torture_kill;
#[cfg(feature = "cli")]
mod torture_property;
#[cfg(feature = "cli")]
mod torture_records;
#[cfg(feature = "cli")]
mod wire_answers;
#[cfg(feature = "cli")]
mod wire_requests;
#[cfg(feature = "cli")]
mod wire_server;
#[cfg(feature = "cli")]
mod wire_traps;
