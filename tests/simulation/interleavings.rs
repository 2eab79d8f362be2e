//! Failures that the simulation found, tried again with every order of the steps that matter.
//!
//! A seed finds a failure only as long as nothing else changes what it does. These tests do not depend on a seed.

use std::sync::Arc;
use std::time::Duration;

use super::checks;
use super::process::Process;
use super::run::{MAX_STEPS, Run};
use super::world::{Limits, State, World};
use crate::mutation::{self, Mutation};
use crate::request::{GenerateRequest, MediaInput};

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

/// Starts a process, and a call whose create request it has just sent.
fn start_generate(world: &Arc<World>, run: &mut Run) {
    run.processes.push(patient_process(world));
    let client = run.processes[0].client.clone();
    let request = GenerateRequest::text("request").duration(Duration::from_secs(1));
    run.processes[0].call("generate".to_owned(), None, async move {
        client.generate(request.resolution("480p")).await
    });
    run.step_until(0, MAX_STEPS, |state| state.services[0].is_traveling("request"));
}

/// Returns a process whose calls wait for a job without a deadline.
fn patient_process(world: &Arc<World>) -> Process {
    loop {
        let process = Process::new(world, 1);
        if process.is_patient {
            return process;
        }
        process.kill();
    }
}

/// Ends all jobs with a clip.
fn complete_jobs(world: &World) {
    world.lock(|state| {
        let now = state.now;
        state
            .services
            .iter_mut()
            .for_each(|service| service.complete_jobs(now));
    });
}

fn finish(world: &World, run: &mut Run) {
    for _ in 0..MAX_TICKS {
        if run.processes.iter().all(Process::is_idle) {
            return;
        }
        run.tick();
    }
    panic!("{}\na call does not end", trace(world));
}

fn trace(world: &World) -> String {
    world
        .lock(|state| state.trace.take().unwrap_or_default())
        .join("\n")
}

/// Performs some steps of a process that works on one call. Time passes when it waits.
fn step(run: &mut Run, at: usize, steps: u32) {
    for _ in 0..steps {
        while !run.processes[at].is_awake() && !run.processes[at].is_idle() {
            run.pass(Duration::from_millis(500));
        }
        run.processes[at].step();
    }
}

/// A process is suspended after its create request was sent, and a client of another service recovers. After `steps`
/// steps of the recovery, the process continues, and records its job. Returns whether the recovery had ended before, and
/// the violation with its trace.
fn recovery_at_another_service(steps: u32) -> (bool, Option<String>) {
    let (world, mut run) = calm();
    start_generate(&world, &mut run);
    run.processes[0].suspended = Some(Duration::MAX);
    // Longer than a lease, and long enough for the job of either service to end.
    run.pass(Duration::from_secs(200));
    complete_jobs(&world);
    run.processes.push(Process::new(&world, 2));
    run.recover_elsewhere(1);
    step(&mut run, 1, steps);
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
    let records = checks::records(&world.contents);
    let is_saved = records
        .iter()
        .all(|record| record.state == "saved" && !record.is_open());
    let violation = world.lock(|state| state.violation.take());
    let violation = violation.or_else(|| (!is_saved).then(|| format!("the clip is not saved: {records:?}")));
    let violation = violation.map(|violation| format!("{}\nafter {steps} steps: {violation}", trace(&world)));
    (has_ended, violation)
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

/// A process is killed after `steps` steps of an analysis, and another one recovers. Returns whether the analysis had
/// ended before, and the states of its record before and after the recovery.
fn killed_analysis(steps: u32) -> (bool, [Option<String>; 2]) {
    let (world, mut run) = calm();
    start_generate(&world, &mut run);
    let client = run.processes[0].client.clone();
    run.pass(Duration::from_secs(1));
    complete_jobs(&world);
    finish(&world, &mut run);
    let clip = checks::records(&world.contents)[0].clip.clone();
    let clip = clip.unwrap_or_else(|| panic!("no clip is saved\n{}", trace(&world)));
    run.processes[0].call("analyze".to_owned(), None, async move {
        client.analyze(MediaInput::clip(clip)).frames(2).await
    });
    step(&mut run, 0, steps);
    let has_ended = run.processes[0].is_idle();
    let state = || {
        let records = checks::records(&world.contents);
        let mut of = records.iter().filter(|record| record.operation == "analyze");
        of.next().map(|record| record.state.clone())
    };
    let before = state();
    run.kill(0);
    run.processes.push(Process::new(&world, 2));
    run.recover_all();
    finish(&world, &mut run);
    world.lock(|state| assert_eq!(state.violation, None));
    (has_ended, [before, state()])
}

#[test]
fn an_analysis_that_was_only_reserved_is_not_recorded() {
    let mut reserved = 0;
    let ended = (0..MAX_ORDERS).find(|steps| {
        let (has_ended, [before, after]) = killed_analysis(*steps);
        if before.as_deref() == Some("reserved") {
            reserved += 1;
            assert_eq!(after, None, "after {steps} steps");
        }
        has_ended
    });
    assert!(ended.is_some() && reserved > 0, "{reserved} orders of {ended:?}");
}
