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

// What needs a feature says so in its own first lines.
mod analyze_clip;
mod bucket;
mod bucket_reads;
mod chain_program;
mod chain_run;
mod cli_bad_input;
mod cli_run;
mod cli_signals;
mod cli_terminal;
mod cli_verbs;
mod client_bench;
mod client_settings;
mod clips;
mod download_guard;
mod download_hostile;
mod download_memory;
mod download_resume;
mod every_byte;
mod every_byte_tap;
mod every_byte_volley;
mod faults;
mod held_replies;
mod ima2_rows;
mod job_durations;
mod job_events;
mod job_panic;
mod job_pickup;
mod journal_budget;
mod journal_recover;
mod keyframe_times;
mod libav_recipe;
mod library_commit;
mod library_copy;
mod library_crash;
mod library_escape;
mod library_index;
mod library_list;
mod library_names;
mod library_record;
mod lineage_continuity;
mod lineage_deep;
mod lineage_family;
mod lineage_scale;
mod media_bad_input;
mod media_colour;
mod media_frames;
mod media_hostile;
mod media_interrupt;
mod media_rotation;
mod media_several;
mod metered_store;
mod no_certificates;
mod peers;
mod peers_bytes;
mod peers_inputs;
mod peers_jobs;
mod peers_money;
mod peers_polls;
mod pictures_whole;
mod planner_continue;
mod planner_failures;
mod planner_generate;
mod proxy;
mod quarantine;
mod recover_unknown_job;
mod s3_library;
mod s3_program;
mod sandbox_answers;
mod sandbox_answers_faults;
mod sandbox_answers_pictures;
mod sandbox_answers_refusals;
mod sandbox_clients;
mod sandbox_contract;
mod sandbox_create;
mod sandbox_faults;
mod sandbox_files;
mod sandbox_hosts;
mod sandbox_modes;
mod sandbox_results;
mod scenarios;
mod secrets;
mod submit_fence;
mod telemetry;
mod tokens;
mod torture_audit;
mod torture_disk;
mod torture_kill;
mod torture_property;
mod torture_records;
mod wire_answers;
mod wire_requests;
mod wire_server;
mod wire_traps;
