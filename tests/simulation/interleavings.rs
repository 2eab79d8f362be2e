//! Failures that the simulation found, tried again with every order of the steps that matter.
//!
//! A seed finds a failure only as long as nothing else changes what it does. These tests do not depend on a seed.

use std::sync::Arc;
use std::time::Duration;

use super::checks;
use super::process::Process;
use super::run::{MAX_STEPS, Run};
use super::service::End;
use super::world::{Limits, State, World};
use crate::mutation::{self, Mutation};
use crate::request::GenerateRequest;

/// The maximum number of ticks until all calls must have ended.
const MAX_TICKS: usize = 20_000;
/// The maximum number of orders to try.
const MAX_ORDERS: u32 = 2000;

/// Returns a run without faults and without a budget.
fn calm() -> (Arc<World>, Run) {
    let world = Arc::new(World::new(0, true));
    world.lock(|state| {
        state.is_calm = true;
        state.limits = Limits::default();
    });
    let run = Run::new(&world);
    (world, run)
}

fn finish(world: &World, run: &mut Run) {
    for _ in 0..MAX_TICKS {
        if run.processes.iter().all(Process::is_idle) {
            return;
        }
        run.tick();
    }
    let trace = world.lock(|state| state.trace.take().unwrap_or_default());
    panic!("{}\na call does not end", trace.join("\n"));
}

/// A process is suspended after its create request was sent, and a client of another service recovers. After `steps`
/// steps of the recovery, the process continues, and records its job. Returns whether the recovery had ended before, and
/// the violation with its trace.
fn recovery_at_another_service(steps: u32) -> (bool, Option<String>) {
    let (world, mut run) = calm();
    run.processes.push(Process::new(&world, 1));
    let client = run.processes[0].client.clone();
    let request = GenerateRequest::text("request").duration(Duration::from_secs(1));
    run.processes[0].call("generate".to_owned(), None, async move {
        client.generate(request.resolution("480p")).await
    });
    run.step_until(0, MAX_STEPS, |state| state.services[0].is_traveling("request"));
    run.processes[0].suspended = Some(Duration::MAX);
    // Longer than a lease, and long enough for the job of either service to end.
    run.pass(Duration::from_secs(200));
    world.lock(|state| {
        let jobs = state.services.iter_mut().flat_map(|service| &mut service.jobs);
        jobs.for_each(|job| job.end = End::Clip);
    });
    run.processes.push(Process::new(&world, 2));
    run.recover_elsewhere(1);
    for _ in 0..steps {
        while !run.processes[1].is_awake() && !run.processes[1].is_idle() {
            run.pass(Duration::from_millis(500));
        }
        run.processes[1].step();
    }
    let has_ended = run.processes[1].is_idle();
    run.processes[0].suspended = Some(world.now());
    run.pass(Duration::ZERO);
    let has_job = |_: &State| {
        checks::records(&world.contents)
            .iter()
            .any(|record| record.job_id.is_some())
    };
    run.step_until(0, MAX_STEPS, has_job);
    finish(&world, &mut run);
    world.lock(|state| {
        let trace = state.trace.take().unwrap_or_default().join("\n");
        let violation = state.violation.take();
        (
            has_ended,
            violation.map(|violation| format!("{trace}\nafter {steps} steps: {violation}")),
        )
    })
}

/// Tries all orders. Returns the violations.
fn recoveries_at_another_service() -> Vec<String> {
    let mut violations = Vec::new();
    let mut orders = (0..MAX_ORDERS).map(recovery_at_another_service);
    let ended = orders.position(|(has_ended, violation)| {
        violations.extend(violation);
        has_ended
    });
    assert!(
        ended.is_some_and(|steps| steps > 20),
        "the recovery ended after {ended:?} steps"
    );
    violations
}

#[test]
fn a_job_that_is_recorded_during_a_recovery_stays_with_its_service() {
    let violations = recoveries_at_another_service();
    assert!(violations.is_empty(), "{}", violations[0]);
    let missed = mutation::tests::with(Some(Mutation::FinishAnyService), recoveries_at_another_service);
    assert!(!missed.is_empty());
}
