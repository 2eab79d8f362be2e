//! One limiter for all requests of a client: first come, first served, creates first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind, Result};

/// How many creates may pass a waiting poll before it has its turn.
const CREATES_IN_A_ROW: u32 = 8;
/// Timers wake to the millisecond. Turns that are closer than this to each other, and were due while one slept,
/// are given together.
const TICK: Duration = Duration::from_millis(2);
/// A waiter looks again after this at the latest.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// The slowest rate, one request an hour: a client with less would wait for days.
const SLOWEST: f64 = 1.0 / 3600.0;

/// How fast a client may talk to the service.
///
/// Each rate is finite and at least one an hour; anything else is an error of kind `Config` when the client is built.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct RateLimit {
    /// Requests a second, of all kinds and all jobs together.
    pub requests_per_second: f64,
    /// Creates a second. Teams were seen to be held to 2 (2026-08 and 2026-09).
    pub creates_per_second: f64,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            requests_per_second: 10.0,
            creates_per_second: 2.0,
        }
    }
}

impl RateLimit {
    /// So many requests a second, and so many of them creates at the most.
    pub const fn per_second(requests: f64, creates: f64) -> Self {
        Self {
            requests_per_second: requests,
            creates_per_second: creates,
        }
    }

    /// Returns an error for a rate that no limiter can keep.
    pub(super) fn check(&self) -> Result<()> {
        for (name, rate) in [
            ("requests_per_second", self.requests_per_second),
            ("creates_per_second", self.creates_per_second),
        ] {
            if !rate.is_finite() || rate < SLOWEST {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "set up the rate limit: {name} is {rate}; use a finite number of at least one an hour (0.00028)"
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Which queue a request waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Create,
    Read,
}

/// Hands out turns. No task of its own does that: whoever waits also serves, so that the limiter goes on in any
/// runtime that still has somebody waiting, whatever became of the others.
#[derive(Clone)]
pub(crate) struct Limiter(Arc<Mutex<State>>);

struct State {
    interval: Duration,
    create_interval: Duration,
    next: Instant,
    next_create: Instant,
    creates: VecDeque<Waiter>,
    reads: VecDeque<Waiter>,
    creates_in_a_row: u32,
    /// How many have waited so far; numbers them in the order in which they came.
    arrivals: u64,
}

/// One request in a queue.
struct Waiter {
    number: u64,
    wake: Arc<Notify>,
}

/// The place of a request in its queue, which it leaves when it is dropped.
struct Place<'a> {
    limiter: &'a Limiter,
    lane: Lane,
    number: u64,
    wake: Arc<Notify>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.limiter.lock().leave(self.lane, self.number);
    }
}

impl Limiter {
    /// A limiter of a rate that was checked.
    pub(crate) fn new(rate: RateLimit) -> Self {
        let every = |per_second: f64| Duration::from_secs_f64(1.0 / per_second.max(SLOWEST));
        let now = Instant::now();
        Self(Arc::new(Mutex::new(State {
            interval: every(rate.requests_per_second),
            create_interval: every(rate.creates_per_second),
            next: now,
            next_create: now,
            creates: VecDeque::new(),
            reads: VecDeque::new(),
            creates_in_a_row: 0,
            arrivals: 0,
        })))
    }

    /// Waits for a turn. Dropping the wait gives the turn to the next in line.
    pub(crate) async fn turn(&self, lane: Lane) {
        let place = self.join(lane);
        loop {
            let due = {
                let mut state = self.lock();
                state.serve(Instant::now());
                match state.due(lane, place.number) {
                    Some(due) => due,
                    None => return,
                }
            };
            // Woken with the turn, or as the new first in line. The timer does not rely on that: those ahead may be
            // in a runtime that nobody drives.
            let _ = timeout_at(due, place.wake.notified()).await;
        }
    }

    fn join(&self, lane: Lane) -> Place<'_> {
        let wake = Arc::new(Notify::new());
        let mut state = self.lock();
        let number = state.arrivals;
        state.arrivals += 1;
        state.queue(lane).push_back(Waiter {
            number,
            wake: Arc::clone(&wake),
        });
        Place {
            limiter: self,
            lane,
            number,
            wake,
        }
    }

    /// Nobody has a turn before this has passed.
    pub(crate) fn pause(&self, pause: Duration) {
        let mut state = self.lock();
        state.next = state.next.max(Instant::now() + pause);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent between any two statements, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn queue(&mut self, lane: Lane) -> &mut VecDeque<Waiter> {
        match lane {
            Lane::Create => &mut self.creates,
            Lane::Read => &mut self.reads,
        }
    }

    /// Gives every turn that is due.
    fn serve(&mut self, now: Instant) {
        let mut served = false;
        while self.next <= now {
            let create_due = !self.creates.is_empty() && self.next_create <= now;
            let read_waits = !self.reads.is_empty();
            let create_first = create_due && (!read_waits || self.creates_in_a_row < CREATES_IN_A_ROW);
            let lane = match (create_first, read_waits) {
                (true, _) => Lane::Create,
                (false, true) => Lane::Read,
                (false, false) => break,
            };
            let Some(waiter) = self.queue(lane).pop_front() else {
                break;
            };
            waiter.wake.notify_one();
            served = true;
            self.next = following(self.next, now, self.interval);
            if create_first {
                self.next_create = following(self.next_create, now, self.create_interval);
                self.creates_in_a_row += 1;
            } else {
                self.creates_in_a_row = 0;
            }
        }
        if served {
            self.wake_first(Lane::Create);
            self.wake_first(Lane::Read);
        }
    }

    /// When a waiter has its turn at the earliest, or `None` when it had it. Exact for the first in line.
    fn due(&self, lane: Lane, number: u64) -> Option<Instant> {
        let (queue, first, interval) = match lane {
            Lane::Create => (
                &self.creates,
                self.next.max(self.next_create),
                self.interval.max(self.create_interval),
            ),
            Lane::Read => (&self.reads, self.next, self.interval),
        };
        let ahead = queue.binary_search_by_key(&number, |waiter| waiter.number).ok()?;
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        Some(first + interval.saturating_mul(ahead).min(LONGEST_SLEEP))
    }

    /// Takes out a waiter that had no turn yet.
    fn leave(&mut self, lane: Lane, number: u64) {
        let queue = self.queue(lane);
        if let Ok(index) = queue.binary_search_by_key(&number, |waiter| waiter.number) {
            queue.remove(index);
            if index == 0 {
                self.wake_first(lane);
            }
        }
    }

    /// Has the first in line look again when its turn is.
    fn wake_first(&mut self, lane: Lane) {
        if let Some(waiter) = self.queue(lane).front() {
            waiter.wake.notify_one();
        }
    }
}

/// When the turn after this one is.
fn following(due: Instant, now: Instant, interval: Duration) -> Instant {
    if interval >= TICK {
        return now + interval;
    }
    now.checked_sub(TICK).map_or(now, |oldest| due.max(oldest)) + interval
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn order_of(limiter: &Limiter, lanes: &[Lane]) -> Vec<(usize, Duration)> {
        let start = Instant::now();
        let done = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (index, lane) in lanes.iter().copied().enumerate() {
            let (limiter, done) = (limiter.clone(), Arc::clone(&done));
            tasks.push(tokio::spawn(async move {
                limiter.turn(lane).await;
                done.lock().unwrap().push((index, start.elapsed()));
            }));
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        Arc::into_inner(done).unwrap().into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn turns_keep_the_rate_and_creates_go_first() {
        let limiter = Limiter::new(RateLimit::per_second(2.0, 2.0));
        limiter.pause(Duration::from_secs(1));
        let order = order_of(&limiter, &[Lane::Read, Lane::Read, Lane::Create, Lane::Read]).await;
        assert_eq!(
            order.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
            [2, 0, 1, 3]
        );
        assert!(
            order.last().unwrap().1 >= Duration::from_millis(2500),
            "{order:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_beyond_the_timers_is_kept() {
        let limiter = Limiter::new(RateLimit::per_second(5000.0, 2.0));
        let start = Instant::now();
        let mut turns = Vec::new();
        for _ in 0..10_000 {
            let limiter = limiter.clone();
            turns.push(tokio::spawn(async move { limiter.turn(Lane::Read).await }));
        }
        for turn in turns {
            turn.await.unwrap();
        }
        let took = start.elapsed().as_secs_f64();
        assert!(
            (1.95..2.3).contains(&took),
            "10,000 at 5,000 a second in {took} s"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_is_not_starved_by_creates() {
        let limiter = Limiter::new(RateLimit::per_second(10.0, 10.0));
        limiter.pause(Duration::from_secs(1));
        let mut lanes = vec![Lane::Read];
        lanes.extend([Lane::Create; 20]);
        let order = order_of(&limiter, &lanes).await;
        let place = order.iter().position(|(index, _)| *index == 0).unwrap();
        assert_eq!(place, CREATES_IN_A_ROW as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_left_takes_no_turn() {
        let limiter = Limiter::new(RateLimit::per_second(1.0, 1.0));
        limiter.pause(Duration::from_secs(1));
        for _ in 0..50 {
            let mut left = Box::pin(limiter.turn(Lane::Read));
            let once = futures_util::poll!(&mut left);
            assert!(once.is_pending());
        }
        let start = Instant::now();
        limiter.turn(Lane::Read).await;
        assert!(
            start.elapsed() < Duration::from_millis(1100),
            "{:?}",
            start.elapsed()
        );
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    }

    /// Drives a runtime until somebody waits in it.
    fn wait_in(runtime: &tokio::runtime::Runtime, limiter: &Limiter, waiting: usize) {
        for _ in 0..waiting {
            let limiter = limiter.clone();
            runtime.spawn(async move { limiter.turn(Lane::Read).await });
        }
        runtime.block_on(async {
            while limiter.lock().reads.len() < waiting {
                tokio::task::yield_now().await;
            }
        });
    }

    /// A turn is had in another runtime, long before the test would give up.
    fn assert_goes_on(limiter: &Limiter) {
        runtime().block_on(async {
            let turn = tokio::time::timeout(Duration::from_secs(30), limiter.turn(Lane::Read));
            assert!(turn.await.is_ok(), "the limiter is stuck");
        });
    }

    #[test]
    fn a_runtime_that_is_dropped_stops_nobody_elsewhere() {
        let limiter = Limiter::new(RateLimit::per_second(50.0, 50.0));
        limiter.pause(Duration::from_millis(50));
        let first = runtime();
        wait_in(&first, &limiter, 3);
        drop(first);
        assert_goes_on(&limiter);
        assert!(limiter.lock().reads.is_empty());
    }

    #[test]
    fn a_runtime_that_nobody_drives_stops_nobody_elsewhere() {
        let limiter = Limiter::new(RateLimit::per_second(50.0, 50.0));
        limiter.pause(Duration::from_millis(50));
        let first = runtime();
        wait_in(&first, &limiter, 3);
        assert_goes_on(&limiter);
    }

    #[test]
    fn a_waiter_goes_on_when_the_runtime_of_those_ahead_is_dropped() {
        let limiter = Limiter::new(RateLimit::per_second(50.0, 50.0));
        limiter.pause(Duration::from_millis(50));
        let first = runtime();
        wait_in(&first, &limiter, 3);
        let behind = limiter.clone();
        let waits = std::thread::spawn(move || assert_goes_on(&behind));
        while limiter.lock().reads.len() < 4 && !waits.is_finished() {
            std::thread::yield_now();
        }
        drop(first);
        waits.join().unwrap();
    }

    #[test]
    fn a_rate_that_cannot_be_kept_is_refused() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-9] {
            for rate in [RateLimit::per_second(bad, 1.0), RateLimit::per_second(1.0, bad)] {
                let error = rate.check().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
                assert!(error.to_string().contains("_per_second is"), "{error}");
            }
        }
        RateLimit::default().check().unwrap();
        RateLimit::per_second(1e9, SLOWEST).check().unwrap();
    }
}
