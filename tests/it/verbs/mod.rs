//! The verbs of the client, from the request to the sidecar.

mod analyze;
mod chain;
mod ima2;
mod plan_continue;
mod plan_failures;
mod plan_generate;
mod scenarios;
mod telemetry;
