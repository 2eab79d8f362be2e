//! The rate limiter for all requests of a client.
//!
//! Owns the order of requests: creates before other requests, and first come, first served among each. Does not know
//! what a request contains.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::limits::{MIN_RATE, RateLimit};

use crate::sync::lock;

/// Maximum creates in a row while another request waits.
const MAX_CREATES_IN_A_ROW: u32 = 8;
/// Resolution of tokio's timers, with a margin. Requests that were due within this time before a wakeup are admitted
/// together.
const TIMER_RESOLUTION: Duration = Duration::from_millis(2);
/// Maximum time until a waiter recomputes when it is due.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

/// Which queue of the limiter a request waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// Starts a job. Subject to both limits of [`RateLimit`].
    Create,
    Other,
}

/// Admits requests at a limited rate. Clones share the limit.
///
/// There is no background task. Every waiter admits all requests that are due, so the limiter works as long as one
/// runtime with a waiter runs, even if other runtimes with waiters are dropped or idle.
#[derive(Clone)]
pub(crate) struct RateLimiter(Arc<Mutex<State>>);

struct State {
    interval: Duration,
    create_interval: Duration,
    /// When the next request is due.
    next: Instant,
    /// When the next create is due, if a request is due as well.
    next_create: Instant,
    creates: VecDeque<Waiter>,
    others: VecDeque<Waiter>,
    creates_in_a_row: u32,
    /// Number of waiters so far, which numbers them in order of arrival.
    arrivals: u64,
}

/// A request in a queue.
struct Waiter {
    number: u64,
    wake: Arc<Notify>,
}

/// Removes its request from the queue when it is dropped.
struct QueueEntry<'a> {
    limiter: &'a RateLimiter,
    kind: RequestKind,
    number: u64,
    wake: Arc<Notify>,
}

impl Drop for QueueEntry<'_> {
    fn drop(&mut self) {
        self.limiter.lock().remove(self.kind, self.number);
    }
}

impl RateLimiter {
    /// Creates a limiter. The rate must have been checked.
    pub(crate) fn new(rate: RateLimit) -> Self {
        let interval = |per_second: f64| Duration::from_secs_f64(1.0 / per_second.max(MIN_RATE));
        let now = Instant::now();
        Self(Arc::new(Mutex::new(State {
            interval: interval(rate.requests_per_second),
            create_interval: interval(rate.creates_per_second),
            next: now,
            next_create: now,
            creates: VecDeque::new(),
            others: VecDeque::new(),
            creates_in_a_row: 0,
            arrivals: 0,
        })))
    }

    /// Waits until a request may be sent. Dropping the future leaves the queue.
    pub(crate) async fn acquire(&self, kind: RequestKind) {
        let entry = self.enqueue(kind);
        loop {
            let due = {
                let mut state = self.lock();
                state.admit_due(Instant::now());
                match state.due(kind, entry.number) {
                    Some(due) => due,
                    None => return,
                }
            };
            // `wake` notifies a waiter that is admitted or becomes the first of its queue. The timer is needed because
            // the waiters ahead can be in a runtime that does not run.
            let _ = timeout_at(due, entry.wake.notified()).await;
        }
    }

    fn enqueue(&self, kind: RequestKind) -> QueueEntry<'_> {
        let wake = Arc::new(Notify::new());
        let mut state = self.lock();
        let number = state.arrivals;
        state.arrivals += 1;
        state.queue(kind).push_back(Waiter {
            number,
            wake: Arc::clone(&wake),
        });
        QueueEntry {
            limiter: self,
            kind,
            number,
            wake,
        }
    }

    /// Admits no request for at least `pause` from now.
    pub(crate) fn pause(&self, pause: Duration) {
        let mut state = self.lock();
        state.next = state.next.max(Instant::now() + pause);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state consistent, so a poisoned lock can be used.
        lock(&self.0)
    }
}

impl State {
    const fn queue(&mut self, kind: RequestKind) -> &mut VecDeque<Waiter> {
        match kind {
            RequestKind::Create => &mut self.creates,
            RequestKind::Other => &mut self.others,
        }
    }

    /// Admits all requests that are due.
    fn admit_due(&mut self, now: Instant) {
        let mut is_any_admitted = false;
        while self.next <= now {
            let is_create_due = !self.creates.is_empty() && self.next_create <= now;
            let has_others = !self.others.is_empty();
            let is_create_next =
                is_create_due && (!has_others || self.creates_in_a_row < MAX_CREATES_IN_A_ROW);
            let kind = match (is_create_next, has_others) {
                (true, _) => RequestKind::Create,
                (false, true) => RequestKind::Other,
                (false, false) => break,
            };
            let Some(waiter) = self.queue(kind).pop_front() else {
                break;
            };
            waiter.wake.notify_one();
            is_any_admitted = true;
            self.next = next_due(self.next, now, self.interval);
            if is_create_next {
                self.next_create = next_due(self.next_create, now, self.create_interval);
                self.creates_in_a_row += 1;
            } else {
                self.creates_in_a_row = 0;
            }
        }
        if is_any_admitted {
            self.wake_first(RequestKind::Create);
            self.wake_first(RequestKind::Other);
        }
    }

    /// Returns the earliest time at which a waiter is due, or `None` if it was admitted. Exact for the first of a queue.
    fn due(&self, kind: RequestKind, number: u64) -> Option<Instant> {
        let (queue, first, interval) = match kind {
            RequestKind::Create => (
                &self.creates,
                self.next.max(self.next_create),
                self.interval.max(self.create_interval),
            ),
            RequestKind::Other => (&self.others, self.next, self.interval),
        };
        let ahead = queue.binary_search_by_key(&number, |waiter| waiter.number).ok()?;
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        Some(first + interval.saturating_mul(ahead).min(MAX_SLEEP))
    }

    /// Removes a waiter that was not admitted.
    fn remove(&mut self, kind: RequestKind, number: u64) {
        let queue = self.queue(kind);
        if let Ok(index) = queue.binary_search_by_key(&number, |waiter| waiter.number) {
            queue.remove(index);
            if index == 0 {
                self.wake_first(kind);
            }
        }
    }

    /// Wakes the first waiter of a queue, so that it recomputes when it is due.
    fn wake_first(&mut self, kind: RequestKind) {
        if let Some(waiter) = self.queue(kind).front() {
            waiter.wake.notify_one();
        }
    }
}

/// Returns when the next request is due, after one that was due at `due` was admitted at `now`.
///
/// A late wakeup delays the requests after it. If the interval is shorter than timers can resolve, up to one
/// [`TIMER_RESOLUTION`] of the delay is made up.
fn next_due(due: Instant, now: Instant, interval: Duration) -> Instant {
    if interval >= TIMER_RESOLUTION {
        return now + interval;
    }
    let earliest = now.checked_sub(TIMER_RESOLUTION);
    earliest.map_or(now, |earliest| due.max(earliest)) + interval
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn order_of(limiter: &RateLimiter, kinds: &[RequestKind]) -> Vec<(usize, Duration)> {
        let start = Instant::now();
        let done = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (index, kind) in kinds.iter().copied().enumerate() {
            let (limiter, done) = (limiter.clone(), Arc::clone(&done));
            tasks.push(tokio::spawn(async move {
                limiter.acquire(kind).await;
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
    async fn requests_keep_the_rate_and_creates_go_first() {
        let limiter = RateLimiter::new(RateLimit::per_second(2.0, 2.0));
        limiter.pause(Duration::from_secs(1));
        let order = order_of(
            &limiter,
            &[
                RequestKind::Other,
                RequestKind::Other,
                RequestKind::Create,
                RequestKind::Other,
            ],
        )
        .await;
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
    async fn a_rate_above_the_timer_resolution_is_kept() {
        let limiter = RateLimiter::new(RateLimit::per_second(5000.0, 2.0));
        let start = Instant::now();
        let mut tasks = Vec::new();
        for _ in 0..10_000 {
            let limiter = limiter.clone();
            tasks.push(tokio::spawn(
                async move { limiter.acquire(RequestKind::Other).await },
            ));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let took = start.elapsed().as_secs_f64();
        assert!(
            (1.95..2.3).contains(&took),
            "10,000 at 5,000 a second in {took} s"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_is_not_starved_by_creates() {
        let limiter = RateLimiter::new(RateLimit::per_second(10.0, 10.0));
        limiter.pause(Duration::from_secs(1));
        let mut kinds = vec![RequestKind::Other];
        kinds.extend([RequestKind::Create; 20]);
        let order = order_of(&limiter, &kinds).await;
        let place = order.iter().position(|(index, _)| *index == 0).unwrap();
        assert_eq!(place, MAX_CREATES_IN_A_ROW as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_waiter_does_not_use_up_the_rate() {
        let limiter = RateLimiter::new(RateLimit::per_second(1.0, 1.0));
        limiter.pause(Duration::from_secs(1));
        for _ in 0..50 {
            let mut left = Box::pin(limiter.acquire(RequestKind::Other));
            let once = futures_util::poll!(&mut left);
            assert!(once.is_pending());
        }
        let start = Instant::now();
        limiter.acquire(RequestKind::Other).await;
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

    /// Runs a runtime until `waiting` requests wait in it.
    fn wait_in(runtime: &tokio::runtime::Runtime, limiter: &RateLimiter, waiting: usize) {
        for _ in 0..waiting {
            let limiter = limiter.clone();
            runtime.spawn(async move { limiter.acquire(RequestKind::Other).await });
        }
        runtime.block_on(async {
            while limiter.lock().others.len() < waiting {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Asserts that a request in another runtime is admitted.
    fn assert_admits(limiter: &RateLimiter) {
        runtime().block_on(async {
            let acquired = tokio::time::timeout(Duration::from_secs(30), limiter.acquire(RequestKind::Other));
            assert!(acquired.await.is_ok(), "the limiter is stuck");
        });
    }

    #[test]
    fn a_dropped_runtime_does_not_block_others() {
        let limiter = RateLimiter::new(RateLimit::per_second(50.0, 50.0));
        limiter.pause(Duration::from_millis(50));
        let first = runtime();
        wait_in(&first, &limiter, 3);
        drop(first);
        assert_admits(&limiter);
        assert!(limiter.lock().others.is_empty());
    }

    #[test]
    fn an_idle_runtime_does_not_block_others() {
        let limiter = RateLimiter::new(RateLimit::per_second(50.0, 50.0));
        limiter.pause(Duration::from_millis(50));
        let first = runtime();
        wait_in(&first, &limiter, 3);
        assert_admits(&limiter);
    }

    #[test]
    fn a_waiter_continues_when_the_runtime_of_those_ahead_is_dropped() {
        let limiter = RateLimiter::new(RateLimit::per_second(50.0, 50.0));
        limiter.pause(Duration::from_millis(50));
        let first = runtime();
        wait_in(&first, &limiter, 3);
        let other = limiter.clone();
        let waits = std::thread::spawn(move || assert_admits(&other));
        while limiter.lock().others.len() < 4 && !waits.is_finished() {
            std::thread::yield_now();
        }
        drop(first);
        waits.join().unwrap();
    }
}
