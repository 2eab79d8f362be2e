//! The state that all processes of a run share: time, the store, the services, and the violations that were found.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use object_store::path::Path;

use super::checks::{self, Record};
use super::provider;
use super::rng::Rng;
use super::service::Service;
use super::store::{Contents, Fault, Write};
use crate::money::{Budget, UsdTicks};

/// The correct time at the beginning: 2026-01-01, 23:50 UTC, so that runs include midnight.
const BEGIN: Duration = Duration::from_secs(1_767_311_400);

pub(super) struct World {
    pub(super) contents: Contents,
    state: Mutex<State>,
}

/// The limits of the budget, in ticks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    pub(super) request: Option<u64>,
    pub(super) day: Option<u64>,
    pub(super) library: Option<u64>,
}

impl Limits {
    fn some(rng: &mut Rng) -> Self {
        // The factor is the price of one second of 480p.
        let some = |rng: &mut Rng, from, to| Some(500_000_000 * (from + rng.below(to - from)));
        match rng.below(12) {
            0..4 => Self {
                library: some(rng, 2, 12),
                ..Self::default()
            },
            4 => Self {
                request: some(rng, 1, 3),
                ..Self::default()
            },
            5 | 6 => Self {
                request: some(rng, 2, 4),
                day: some(rng, 2, 8),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }

    pub(super) fn budget(self) -> Budget {
        let mut budget = Budget::new();
        if let Some(limit) = self.request {
            budget = budget.per_request(UsdTicks::new(limit));
        }
        if let Some(limit) = self.day {
            budget = budget.per_day(UsdTicks::new(limit));
        }
        if let Some(limit) = self.library {
            budget = budget.per_library(UsdTicks::new(limit));
        }
        budget
    }
}

pub(super) struct State {
    pub(super) now: Duration,
    pub(super) rng: Rng,
    /// Whether faults have stopped.
    pub(super) is_calm: bool,
    /// The end of the current outage of the store.
    pub(super) outage: Duration,
    /// The frequency of faults, in percent of the rate of each fault, from 0 to 100.
    pub(super) roughness: u64,
    /// Counts all events, to detect when nothing happens.
    pub(super) activity: u64,
    pub(super) services: Vec<Service>,
    pub(super) limits: Limits,
    /// Writes on their way to the store.
    pub(super) writes: Vec<Write>,
    /// The first violation.
    pub(super) violation: Option<String>,
    pub(super) counts: BTreeMap<&'static str, u64>,
    /// The events, if they are recorded.
    pub(super) trace: Option<Vec<String>>,
}

impl State {
    /// Removes and returns the write that arrived first.
    fn next_write(&mut self) -> Option<Write> {
        let writes = self.writes.iter().enumerate();
        let (at, write) = writes.min_by_key(|(_, write)| write.arrives)?;
        (write.arrives <= self.now).then(|| self.writes.remove(at))
    }
}

/// Returns the correct time of day at a time of the run.
pub(super) fn time_of_day(at: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + BEGIN + at
}

impl World {
    pub(super) fn new(seed: u64, keep_trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let roughness = rng.pick(&[0, 20, 50, 100]);
        let limits = Limits::some(&mut rng);
        let template = provider::template();
        let services = ["https://one.example", "https://two.example"]
            .map(|origin| Service::new(origin, template.clone()));
        Self {
            contents: Contents::default(),
            state: Mutex::new(State {
                now: Duration::ZERO,
                rng,
                is_calm: false,
                outage: Duration::ZERO,
                roughness,
                activity: 0,
                services: services.into(),
                limits,
                writes: Vec::new(),
                violation: None,
                counts: BTreeMap::new(),
                trace: keep_trace.then(Vec::new),
            }),
        }
    }

    pub(super) fn lock<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    pub(super) fn now(&self) -> Duration {
        self.lock(|state| state.now)
    }

    /// Returns the correct time of day.
    pub(super) fn wall_clock(&self) -> SystemTime {
        time_of_day(self.now())
    }

    pub(super) fn rng<T>(&self, roll: impl FnOnce(&mut Rng) -> T) -> T {
        self.lock(|state| roll(&mut state.rng))
    }

    /// Adds a line to the trace.
    pub(super) fn note(&self, process: usize, what: impl FnOnce() -> String) {
        self.lock(|state| {
            state.activity += 1;
            let now = state.now.as_secs_f64();
            if let Some(trace) = &mut state.trace {
                trace.push(format!("{now:9.3}  p{process}  {}", what()));
            }
        });
    }

    pub(super) fn count(&self, what: &'static str) {
        self.lock(|state| *state.counts.entry(what).or_default() += 1);
    }

    /// Returns the duration of a fault, up to `seconds`, if it happens now. `rate` is its maximum probability in
    /// thousandths.
    pub(super) fn sometimes(
        &self,
        process: usize,
        fault: &'static str,
        rate: u64,
        seconds: u64,
    ) -> Option<Duration> {
        let happens = self.lock(|state| {
            state.activity += 1;
            if state.is_calm || !state.rng.happens(rate * state.roughness / 100) {
                return None;
            }
            *state.counts.entry(fault).or_default() += 1;
            let longest = Duration::from_secs(seconds);
            Some(state.rng.between(Duration::from_millis(1), longest))
        });
        if happens.is_some() {
            self.note(process, || fault.to_owned());
        }
        happens
    }

    /// Returns the fault of an operation on the store, if there is one.
    pub(super) fn store_fault(&self, process: usize, what: &str, at: &str) -> Option<Fault> {
        let fault = self.lock(|state| {
            state.activity += 1;
            if state.is_calm {
                return None;
            }
            if state.now < state.outage {
                return Some(Fault::Refused);
            }
            if !state.rng.happens(20 * state.roughness / 100) {
                return None;
            }
            let (name, fault) = match state.rng.below(5) {
                0 | 1 => {
                    let time = state
                        .rng
                        .between(Duration::from_millis(10), Duration::from_secs(40));
                    ("store: stalled", Fault::Stall(time))
                }
                2 => ("store: refused", Fault::Refused),
                3 => ("store: reply lost", Fault::ReplyLost),
                _ => ("store: repeated", Fault::Repeated),
            };
            *state.counts.entry(name).or_default() += 1;
            Some(fault)
        });
        let is_change = what != "get" && what != "list" && !at.contains("/owners/");
        if is_change || fault.is_some() {
            self.note(process, || match fault {
                None => format!("{what} {at}"),
                Some(fault) => format!("{what} {at}: {fault:?}"),
            });
        }
        fault
    }

    /// Checks the rules for a deleted object.
    pub(super) fn deleted(&self, process: usize, at: &str) {
        if at.contains("/jobs/") || at.contains("/ledger/") {
            self.check(process, checks::every_job_has_its_record);
        }
    }

    /// Checks the state against a rule, and records the first violation.
    pub(super) fn check(&self, process: usize, rule: impl FnOnce(&Contents, &State) -> Result<(), String>) {
        let wrong = self.lock(|state| {
            let wrong = rule(&self.contents, state).err()?;
            state.violation.get_or_insert_with(|| wrong.clone());
            Some(wrong)
        });
        if let Some(wrong) = wrong {
            self.note(process, || format!("VIOLATION: {wrong}"));
        }
    }

    /// Records that an object was written, and checks the rules for it.
    pub(super) fn written(&self, process: usize, at: &Path) {
        let now = self.now();
        self.check(process, |contents, _| contents.note(at, now));
        if Record::is_name(at.as_ref()) {
            self.check(process, checks::no_clip_is_given_up);
        }
    }

    /// Delivers the writes and create requests that arrive now.
    pub(super) fn deliver(&self) {
        while let Some(write) = self.lock(State::next_write) {
            // Its process was killed, or does not wait for it any more.
            if write.reply.is_closed() {
                self.count("store: late write");
                self.note(write.process, || format!("put {}, late", write.at));
            }
            let done = self.contents.put(&write.at, write.payload, write.options);
            if done.is_ok() {
                self.written(write.process, &write.at);
            }
            let _ = write.reply.send(done);
        }
        for number in 0..2 {
            let made = self.lock(|state| {
                let (now, is_calm) = (state.now, state.is_calm);
                state.services[number].deliver(now, &mut state.rng, is_calm)
            });
            for job in made {
                self.count("jobs");
                self.note(9, || format!("{} is made for {:?}", job.id, job.prompt));
                if number == 0 {
                    // The other service assigns the same job ids, but to jobs of other users.
                    self.lock(|state| {
                        let (now, is_calm) = (state.now, state.is_calm);
                        state.services[1].make_foreign(now, &mut state.rng, is_calm);
                    });
                    self.check(9, |contents, state| checks::job_was_made(contents, state, &job));
                }
            }
        }
    }
}
