//! A deterministic simulator for the guarantees of docs/src/reference/reliability.md.
//!
//! Several processes share one library in a bucket and one account at the service. Callers request clips. Processes are
//! killed, suspended and given wrong clocks, and the store and the network fail. One seed determines all of it, in one
//! thread and in virtual time, so a seed that fails once always fails. The code of the crate runs unchanged; only what
//! it depends on (`host`, the object store, `provider::Provider`) is simulated.
//!
//! `make simulate SEEDS=n` runs more seeds than `make test`; `REELKIN_SEED=n` repeats one with its trace.

mod account;
mod checks;
mod interleavings;
mod process;
mod provider;
mod rng;
mod run;
mod service;
mod store;
mod world;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::time::Instant;

use crate::mutation::Mutation;
use process::DONE;
use run::{Report, run};

/// The number of seeds in one run of the tests: 20,000 in the optimized build of `scripts/simulate.sh`.
const SEEDS: u64 = if cfg!(debug_assertions) { 300 } else { 20_000 };
/// The number of seeds within which the removal of a guard must be noticed.
const MUTATION_SEEDS: u64 = 20_000;

/// Runs seeds on all processors until one fails or all have passed. Returns the failed report and the sums of all
/// counts.
fn search(
    seeds: std::ops::Range<u64>,
    mutation: Option<Mutation>,
) -> (Option<Report>, BTreeMap<&'static str, u64>) {
    let next = AtomicU64::new(seeds.start);
    let over = AtomicBool::new(false);
    let failed: Mutex<Option<Report>> = Mutex::new(None);
    let counts: Mutex<BTreeMap<&'static str, u64>> = Mutex::default();
    let work = || {
        IS_QUIET.set(mutation.is_some());
        while !over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let report = run(seed, mutation, false);
            let mut sums = counts.lock().unwrap();
            for (what, count) in &report.counts {
                *sums.entry(what).or_default() += count;
            }
            drop(sums);
            if report.violation.is_some() {
                over.store(true, Ordering::Relaxed);
                let mut failed = failed.lock().unwrap();
                // The lowest failed seed is reported, so that two runs report the same one.
                if failed.as_ref().is_none_or(|other| seed < other.seed) {
                    *failed = Some(report);
                }
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        // Two threads per processor, because each waits at times for libav to read on another thread.
        for _ in 0..2 * processors {
            scope.spawn(work);
        }
    });
    (failed.into_inner().unwrap(), counts.into_inner().unwrap())
}

fn variable(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test reads its settings")]
    std::env::var(name).ok()?.parse().ok()
}

/// Fails with the trace of a seed.
fn fail(report: Report) -> ! {
    let mut trace = report.trace.unwrap_or_default();
    let kept = trace.split_off(trace.len().saturating_sub(1000));
    panic!(
        "{}\n\nseed {}: {}\nrepeat: REELKIN_SEED={} cargo test --all-features --lib simulation::one_seed -- --ignored --nocapture",
        kept.join("\n"),
        report.seed,
        report.violation.as_deref().unwrap_or_default(),
        report.seed
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures")]
fn no_seed_breaks_a_guarantee() {
    let from = variable("REELKIN_FROM").unwrap_or(0);
    let seeds = variable("REELKIN_SEEDS").unwrap_or(SEEDS);
    let begun = Instant::now();
    let (failed, counts) = search(from..from + seeds, None);
    println!("{seeds} seeds in {:.1} s", begun.elapsed().as_secs_f64());
    for (what, count) in &counts {
        println!("simulation: {what}: {count}");
    }
    if let Some(report) = failed {
        let again = run(report.seed, None, true);
        assert_eq!(
            report.violation, again.violation,
            "seed {} did not repeat",
            report.seed
        );
        fail(again);
    }
    assert!(counts["operations"] >= 30 * seeds, "{counts:?}");
    // Jobs were made, and each kind of fault occurred.
    for (what, share) in [("jobs", 5), ("kills", 1), ("suspensions", 1), ("clock jumps", 1)] {
        assert!(counts[what] >= share * seeds, "{what}: {counts:?}");
    }
    let faults = [
        "create: busy",
        "create: lost",
        "create: refused",
        "create: reply lost",
        "create: slow",
        "cut download",
        "damaged download",
        "dead link",
        "failed poll",
        "job: failed",
        "job: forgotten",
        "job: moderated",
        "job: price not named",
        "job: unknown at first",
        "link expired",
        "outages",
        "poll with 404",
        "refused poll",
        "slow connection",
        "slow poll",
        "stops",
        "store: late write",
        "store: refused",
        "store: repeated",
        "store: reply lost",
        "store: stalled",
    ];
    for what in DONE.map(|(_, what)| what).into_iter().chain(faults) {
        assert!(counts.contains_key(what), "{what}: {counts:?}");
    }
}

#[test]
#[ignore = "repeats a seed that was found"]
fn one_seed() {
    let seed = variable("REELKIN_SEED").unwrap_or(0);
    let report = run(seed, None, true);
    if report.violation.is_some() {
        fail(report);
    }
}

#[test]
fn a_seed_does_the_same_each_time() {
    for seed in 0..20 {
        let (one, other) = (run(seed, None, true), run(seed, None, true));
        assert_eq!(one.violation, other.violation, "seed {seed}");
        let (one_trace, other_trace) = (one.trace.unwrap(), other.trace.unwrap());
        for (number, (one, other)) in one_trace.iter().zip(&other_trace).enumerate() {
            assert_eq!(one, other, "line {number} of seed {seed}");
        }
        assert_eq!(one_trace.len(), other_trace.len(), "seed {seed}");
        assert_eq!(one.counts, other.counts, "seed {seed}");
    }
}

/// A guard, and the violations that its removal may cause. One of them must be reported.
type Missed = (Mutation, &'static [&'static str]);

/// All guards. Most are missed within a few seeds, the last three only by rare coincidences.
const GUARDS: [Missed; 15] = [
    (Mutation::EndUnknownJobs, &["and its record is closed as failed"]),
    (
        Mutation::RecoverAnyService,
        &["and its record is closed as failed", "and it is not what"],
    ),
    (
        Mutation::SkipVerification,
        &["with other bytes", "and it is not what"],
    ),
    (Mutation::SkipClamping, &["panicked"]),
    (
        Mutation::ResendPaidStep,
        &["was asked for once, and both", "ticks are called paid"],
    ),
    (Mutation::DropIntended, &["has no record"]),
    (
        Mutation::FailUnansweredCreate,
        &["and its record is closed as failed"],
    ),
    (Mutation::IgnoreReservations, &["of a budget of"]),
    (
        Mutation::SkipJobIdRetry,
        &["is in no record", "a recovery without faults leaves"],
    ),
    (
        Mutation::CloseUnsavedJob,
        &[
            "and its record is closed as failed",
            "was asked for once, and both",
        ],
    ),
    (
        Mutation::IgnoreStop,
        &["a paid request is sent after its process was asked to stop"],
    ),
    (
        Mutation::KeepAbandoned,
        &["is held by a client that works on nothing"],
    ),
    (Mutation::SkipLeaseCheck, &["has no record"]),
    (Mutation::AbandonRecordedStep, &["was asked for once, and both"]),
    (
        Mutation::OverwriteRecords,
        &["has no record", "of a budget of", "was asked for once, and both"],
    ),
];

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Stops printing the panics of threads that set `IS_QUIET`. Without a guard, panics are expected.
fn hide_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                print(panic);
            }
        }));
    });
}

#[expect(clippy::print_stdout, reason = "the table")]
#[test]
#[cfg_attr(debug_assertions, ignore = "needs an optimized build: scripts/simulate.sh")]
fn a_guard_that_is_taken_out_is_missed() {
    hide_panics();
    let mut unnoticed = Vec::new();
    for (mutation, expected) in GUARDS {
        let report = search(0..MUTATION_SEEDS, Some(mutation)).0;
        let violation = report.as_ref().and_then(|report| report.violation.clone());
        let violation = violation.unwrap_or_default();
        let seed = report.map(|report| report.seed);
        println!("simulation: {mutation:?}: seed {seed:?}: {violation}");
        if !expected.iter().any(|text| violation.contains(text)) {
            unnoticed.push((mutation, expected, violation));
        }
    }
    assert!(unnoticed.is_empty(), "not noticed as expected: {unnoticed:#?}");
}
