//! One simulated process, with its own runtime and clock, a client, and the calls that it works on.
//!
//! A process runs only while it is stepped, one poll of one task at a time. A process that is not stepped is suspended.
//! To kill a process, its runtime is dropped, at the await points that its tasks have reached.

use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::runtime::{Builder, Runtime};

use super::checks::{self, PREFIX};
use super::provider::Reached;
use super::rng::Rng;
use super::store::Bucket;
use super::world::World;
use crate::client::{ChainOutcome, Recovered, VideoClient};
use crate::error::{ErrorKind, Result};
use crate::host::simulated::{self, Machine};
use crate::job::PollPolicy;
use crate::journal::JobRecord;
use crate::library::{Clip, Library};
use crate::money::Spent;
use crate::planner::ClipNotes;

/// The machine that a process runs on.
struct Clock {
    world: Arc<World>,
    /// The error of its wall clock, in milliseconds.
    skew: AtomicI64,
    rng: Mutex<Rng>,
    last: AtomicU64,
}

impl Machine for Clock {
    fn wall_clock(&self) -> SystemTime {
        let skew = self.skew.load(Ordering::Relaxed);
        let by = Duration::from_millis(skew.unsigned_abs());
        let right = self.world.wall_clock();
        if skew < 0 { right - by } else { right + by }
    }

    fn random(&self) -> u32 {
        let bits = self.rng.lock().unwrap().next();
        u32::try_from(bits >> 32).unwrap()
    }

    fn last_name(&self) -> &AtomicU64 {
        &self.last
    }
}

/// A call of a verb of the client.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) what: String,
    pub(super) has_ended: AtomicBool,
}

/// The result of a call.
pub(super) trait CallResult {
    /// Returns the clips in the result. All of them must be in the library.
    fn clips(&self) -> &[Clip] {
        &[]
    }
}

impl CallResult for Clip {
    fn clips(&self) -> &[Clip] {
        std::slice::from_ref(self)
    }
}

impl CallResult for ChainOutcome {
    fn clips(&self) -> &[Clip] {
        &self.clips
    }
}

impl CallResult for Recovered {
    fn clips(&self) -> &[Clip] {
        &self.saved
    }
}

impl CallResult for ClipNotes {}
impl CallResult for JobRecord {}
impl CallResult for Spent {}

/// The counter of each kind of successful call, by the beginning of the call's name.
pub(super) const DONE: [(&str, &str); 9] = [
    ("generate", "done: generate"),
    ("edit", "done: edit"),
    ("extend", "done: extend"),
    ("continue", "done: continue"),
    ("analyze", "done: analyze"),
    ("chain", "done: chain"),
    ("recover", "done: recover"),
    ("pick up", "done: pick up"),
    ("settle", "done: settle"),
];

/// After this many steps in which nothing happened, a process counts as waiting for time to pass.
const IDLE: u32 = 3;

pub(super) struct Process {
    pub(super) number: usize,
    world: Arc<World>,
    clock: Arc<Clock>,
    /// The same clock, as the trait object that the crate uses.
    machine: Arc<dyn Machine>,
    runtime: Runtime,
    pub(super) client: VideoClient,
    /// A client of the same library that uses the other service.
    pub(super) elsewhere: VideoClient,
    pub(super) calls: Vec<Arc<Call>>,
    /// The end of its suspension.
    pub(super) suspended: Option<Duration>,
    /// Whether its monotonic clock stops while it is suspended.
    pub(super) stands_still: bool,
    /// How far its monotonic clock is behind.
    behind: Duration,
    /// The number of steps since something happened.
    idle: Cell<u32>,
    /// Whether its calls wait for a job without a deadline.
    pub(super) is_patient: bool,
    /// Whether it was asked to stop.
    is_stopped: Arc<AtomicBool>,
}

impl Process {
    pub(super) fn new(world: &Arc<World>, number: usize) -> Self {
        let (seed, skew, poll, budget) = world.lock(|state| {
            let rng = &mut state.rng;
            let skew = match rng.below(4) {
                0 => i64::try_from(rng.below(3_600_000)).unwrap() - 1_800_000,
                _ => 0,
            };
            let deadline = match rng.below(10) {
                0 => Duration::MAX,
                1 => Duration::from_secs(15),
                _ => Duration::from_secs(60 + rng.below(600)),
            };
            let poll = PollPolicy {
                deadline,
                ..PollPolicy::default()
            };
            (rng.next(), skew, poll, state.limits.budget())
        });
        let clock = Arc::new(Clock {
            world: Arc::clone(world),
            skew: AtomicI64::new(skew),
            rng: Mutex::new(Rng::new(seed)),
            last: AtomicU64::new(0),
        });
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .event_interval(1)
            .global_queue_interval(1)
            .build()
            .unwrap();
        let store = Bucket {
            world: Arc::clone(world),
            process: number,
        };
        let library = Library::on_store(Arc::new(store), PREFIX).unwrap();
        let is_patient = poll.deadline == Duration::MAX;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let client = |service| {
            let provider = Arc::new(Reached {
                world: Arc::clone(world),
                process: number,
                number: service,
                is_stopped: Arc::clone(&is_stopped),
            });
            VideoClient::simulated(provider, library.clone(), poll.clone(), budget)
        };
        Self {
            number,
            world: Arc::clone(world),
            machine: Arc::clone(&clock) as _,
            clock,
            runtime,
            client: client(0),
            elsewhere: client(1),
            calls: Vec::new(),
            suspended: None,
            stands_still: false,
            behind: Duration::ZERO,
            idle: Cell::new(0),
            is_patient,
            is_stopped,
        }
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        simulated::run_on(&self.machine, || self.runtime.block_on(work))
    }

    /// Starts a call. `prompt` is the prompt if the call is a single request.
    pub(super) fn call<T: CallResult>(
        &mut self,
        what: String,
        prompt: Option<String>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) {
        self.idle.set(0);
        let call = Arc::new(Call {
            what: what.clone(),
            has_ended: AtomicBool::new(false),
        });
        self.calls.push(Arc::clone(&call));
        let (world, number) = (Arc::clone(&self.world), self.number);
        world.note(number, || format!("call: {what}"));
        self.run(async move {
            tokio::spawn(async move {
                let done = work.await;
                world.note(number, || match &done {
                    Ok(_) => format!("done: {what}"),
                    Err(error) => format!("failed: {what}: {:?}: {error}", error.kind()),
                });
                let name = DONE.iter().find(|(verb, _)| what.starts_with(verb));
                if let (Ok(_), Some((_, name))) = (&done, name) {
                    world.count(name);
                }
                world.check(number, |contents, state| match &done {
                    Ok(done) => done.clips().iter().try_for_each(|clip| {
                        checks::is_given(contents, state, clip.id.as_str(), &what, |job| {
                            prompt.as_ref().is_none_or(|prompt| job.prompt == *prompt)
                        })
                    }),
                    Err(error) if error.kind() == ErrorKind::Internal => Err(format!("{what} panicked")),
                    Err(error) => prompt.as_deref().map_or(Ok(()), |prompt| {
                        checks::charge_is_true(state, prompt, error.may_have_been_charged())
                    }),
                });
                call.has_ended.store(true, Ordering::Relaxed);
            });
        });
    }

    pub(super) fn is_idle(&self) -> bool {
        self.calls
            .iter()
            .all(|call| call.has_ended.load(Ordering::Relaxed))
    }

    pub(super) const fn is_running(&self) -> bool {
        self.suspended.is_none()
    }

    /// Returns whether a step may have an effect before time passes.
    pub(super) fn is_awake(&self) -> bool {
        self.is_running() && self.idle.get() < IDLE
    }

    /// Polls one task.
    pub(super) fn step(&self) {
        let before = self.world.lock(|state| state.activity);
        self.run(tokio::task::yield_now());
        let happened = self.world.lock(|state| state.activity) != before;
        self.idle.set(if happened { 0 } else { self.idle.get() + 1 });
    }

    /// Advances the time of the run by `time`.
    pub(super) fn pass(&mut self, time: Duration) {
        self.idle.set(0);
        let now = self.world.now();
        if let Some(until) = self.suspended {
            self.behind += time;
            if now < until {
                return;
            }
            self.suspended = None;
            self.world.note(self.number, || "resumed".to_owned());
            let behind = std::mem::take(&mut self.behind);
            if !self.stands_still {
                self.run(tokio::time::advance(behind));
            }
            return;
        }
        self.run(tokio::time::advance(time));
    }

    pub(super) fn set_clock(&self, skew: i64) {
        self.clock.skew.store(skew, Ordering::Relaxed);
        self.world
            .note(self.number, || format!("its wall clock is wrong by {skew} ms"));
    }

    /// Asks the process to stop, as a signal does. It may finish what it has sent, and sends nothing new.
    pub(super) fn stop(&self) {
        self.idle.set(0);
        self.world.note(self.number, || "asked to stop".to_owned());
        self.is_stopped.store(true, Ordering::Relaxed);
        self.client.stop();
        self.elsewhere.stop();
    }

    /// Ends the process as a kill does.
    pub(super) fn kill(self) {
        self.world.note(self.number, || "killed".to_owned());
        let Self {
            machine,
            runtime,
            client,
            elsewhere,
            ..
        } = self;
        simulated::run_on(&machine, || {
            drop(runtime);
            drop((client, elsewhere));
        });
    }
}
