//! One limiter for all requests of a client: first come, first served, creates first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// How many creates may pass a waiting poll before it has its turn.
const CREATES_IN_A_ROW: u32 = 8;
/// Timers wake to the millisecond. Turns that are closer than this to each other, and were due while one slept,
/// are given together.
const TICK: Duration = Duration::from_millis(2);

/// How fast a client may talk to the service.
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
}

/// Which queue a request waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Create,
    Read,
}

#[derive(Clone)]
pub(crate) struct Limiter(Arc<Mutex<State>>);

struct State {
    interval: Duration,
    create_interval: Duration,
    next: Instant,
    next_create: Instant,
    creates: VecDeque<oneshot::Sender<()>>,
    reads: VecDeque<oneshot::Sender<()>>,
    creates_in_a_row: u32,
    pumping: bool,
}

impl Limiter {
    pub(crate) fn new(rate: RateLimit) -> Self {
        let every = |per_second: f64| {
            if per_second > 0.0 {
                Duration::from_secs_f64((1.0 / per_second).min(3600.0))
            } else {
                Duration::ZERO
            }
        };
        let now = Instant::now();
        Self(Arc::new(Mutex::new(State {
            interval: every(rate.requests_per_second),
            create_interval: every(rate.creates_per_second),
            next: now,
            next_create: now,
            creates: VecDeque::new(),
            reads: VecDeque::new(),
            creates_in_a_row: 0,
            pumping: false,
        })))
    }

    /// Waits for a turn. Dropping the wait gives the turn to the next in line.
    pub(crate) async fn turn(&self, lane: Lane) {
        let (turn, wait) = oneshot::channel();
        {
            let mut state = self.lock();
            match lane {
                Lane::Create => state.creates.push_back(turn),
                Lane::Read => state.reads.push_back(turn),
            }
            // Where turns are to be had nobody has to be started to hand them out.
            if !state.pumping && state.serve(Instant::now()).is_some() {
                state.pumping = true;
                tokio::spawn(self.clone().pump());
            }
        }
        // The sender is dropped only with the runtime, and then nobody is waiting any more.
        let _ = wait.await;
    }

    /// Nobody has a turn before this has passed.
    pub(crate) fn pause(&self, pause: Duration) {
        let mut state = self.lock();
        state.next = state.next.max(Instant::now() + pause);
    }

    /// Hands out turns until nobody waits.
    async fn pump(self) {
        loop {
            let until = {
                let mut state = self.lock();
                match state.serve(Instant::now()) {
                    Some(until) => until,
                    None => return,
                }
            };
            tokio::time::sleep_until(until).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent between any two statements, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives every turn that is due; says when the next one is, or `None` when nobody waits.
    fn serve(&mut self, now: Instant) -> Option<Instant> {
        loop {
            if self.creates.is_empty() && self.reads.is_empty() {
                self.pumping = false;
                return None;
            }
            if self.next > now {
                return Some(self.next);
            }
            let create_due = !self.creates.is_empty() && self.next_create <= now;
            let read_waits = !self.reads.is_empty();
            let create_first = create_due && (!read_waits || self.creates_in_a_row < CREATES_IN_A_ROW);
            let turn = if create_first {
                self.creates.pop_front()
            } else if read_waits {
                self.reads.pop_front()
            } else {
                return Some(self.next_create);
            };
            // A waiter that went away takes no turn.
            if turn.is_some_and(|turn| turn.send(()).is_ok()) {
                self.next = following(self.next, now, self.interval);
                if create_first {
                    self.next_create = following(self.next_create, now, self.create_interval);
                    self.creates_in_a_row += 1;
                } else {
                    self.creates_in_a_row = 0;
                }
            }
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
}
