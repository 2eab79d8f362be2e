//! The verbs of the client, from the request to the sidecar.

mod analyze;
mod chain;
mod continue_from;
mod edit;
mod every_byte;
mod generate;
mod plan_continue;
mod plan_failures;
mod plan_generate;
mod scenarios;
mod telemetry;
