//! A deterministic simulator for the guarantees of docs/reliability.md.
//!
//! Several processes share one library in a bucket and one account at the service. Callers ask them for clips; they
//! are killed, suspended and given wrong clocks; the store and the network fail. One seed decides all of it, in one
//! thread and in virtual time, so a seed that fails once fails always. The crate's own code runs: only its seams
//! (`host`, the object store, `provider::Provider`) are simulated.
//!
//! `make simulate SEEDS=n` runs more seeds than `make test`; `REELKIN_SEED=n` repeats one with its trace.

mod checks;
mod dice;
mod process;
mod provider;
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
use run::{Report, run};

/// Seeds of one run of the tests; `make simulate` runs more, in a build that is optimized.
const SEEDS: u64 = 150;

/// Runs seeds on all processors until one fails or all have passed. Returns the failed one and the sums of all.
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
                // The lowest, so that two runs name the same one.
                if failed.as_ref().is_none_or(|other| seed < other.seed) {
                    *failed = Some(report);
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
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
        fail(run(report.seed, None, true));
    }
    assert!(counts["operations"] >= 30 * seeds, "{counts:?}");
    // Something came of it, and each kind of fault was there.
    for (what, share) in [("jobs", 5), ("kills", 1), ("suspensions", 1), ("clock jumps", 1)] {
        assert!(counts[what] >= share * seeds, "{what}: {counts:?}");
    }
    for what in [
        "settle",
        "pick up",
        "dead link",
        "store: refused",
        "store: reply lost",
        "store: repeated",
    ] {
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
        let traces = one.trace.iter().flatten().zip(other.trace.iter().flatten());
        for (number, (one, other)) in traces.enumerate() {
            assert_eq!(one, other, "line {number} of seed {seed}");
        }
        assert_eq!(one.counts, other.counts, "seed {seed}");
    }
}

/// Guards that are missed within a few seeds. The first two and the two on times and chains were missing once.
const SOON: [Mutation; 8] = [
    Mutation::UnknownJobIsOver,
    Mutation::AnyServiceIsOurs,
    Mutation::DamagedIsSaved,
    Mutation::TimesAreNotClamped,
    Mutation::ChainPaysAgain,
    Mutation::IntendedIsDropped,
    Mutation::ReservationsAreNotCounted,
    Mutation::UnsavedIsOver,
];
/// Guards that only rare coincidences need. The first was missing once.
const LATE: [Mutation; 2] = [Mutation::LeaseIsNotChecked, Mutation::RecordsAreOverwritten];

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// From now on the panics of threads that say so are not printed: without a guard they are part of it.
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
fn each_is_missed(mutations: &[Mutation], seeds: u64) {
    hide_panics();
    let mut unnoticed = Vec::new();
    for mutation in mutations {
        match search(0..seeds, Some(*mutation)).0 {
            Some(report) => println!(
                "simulation: {mutation:?}: seed {}: {}",
                report.seed,
                report.violation.unwrap_or_default()
            ),
            None => unnoticed.push(mutation),
        }
    }
    assert!(unnoticed.is_empty(), "not noticed: {unnoticed:?}");
}

#[test]
fn a_guard_that_is_taken_out_is_missed() {
    each_is_missed(&SOON, SEEDS);
}

#[test]
#[ignore = "needs an optimized build: make simulate"]
fn a_guard_against_coincidences_is_missed() {
    each_is_missed(&LATE, 20_000);
}
