//! What the progress of one job says of its end. Arithmetic on times, no clock of its own.

use std::time::Duration;

use super::times::Expected;

/// What is known of a job's pace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// What to go by while no progress is told.
    pub(super) expected: Expected,
    /// A progress and a time from which on both are measured.
    origin: Option<(f64, Duration)>,
    /// The last progress, 0 to 1, and when it was first seen.
    seen: Option<(f64, Duration)>,
    /// When it was last seen.
    told: Duration,
    /// The steps in which it is told, in percent; 0 before there was one.
    step: u32,
}

impl Pace {
    /// Of a job that was submitted just now.
    pub(super) const fn of_new(expected: Expected) -> Self {
        Self {
            origin: Some((0.0, Duration::ZERO)),
            ..Self::of_found(expected)
        }
    }

    /// Of one that goes on for nobody knows how long: its pace is known from its second progress on.
    pub(super) const fn of_found(expected: Expected) -> Self {
        Self {
            expected,
            origin: None,
            seen: None,
            told: Duration::ZERO,
            step: 0,
        }
    }

    /// The last progress, 0 to 1.
    pub(super) fn fraction(&self) -> Option<f64> {
        self.seen.map(|(fraction, _)| fraction)
    }

    /// Takes what a poll told. Progress never runs backwards; whether it grew.
    pub(super) fn note(&mut self, fraction: f64, elapsed: Duration) -> bool {
        let before = self.fraction();
        if before.is_some_and(|before| fraction < before) {
            return false;
        }
        self.told = elapsed;
        if before == Some(fraction) {
            return false;
        }
        self.seen = Some((fraction, elapsed));
        self.origin.get_or_insert((fraction, elapsed));
        self.step = common_step(self.step, fraction);
        true
    }

    /// The earliest and the latest end, counted like the times that were noted, if it goes on as it went.
    ///
    /// Told in steps, progress was at least the last one when that was first seen, and less than the next one
    /// when it was last seen: one line from the origin through each.
    pub(super) fn end(&self) -> Option<(Duration, Duration)> {
        let ((origin, from), (seen, since)) = (self.origin?, self.seen?);
        let next = (seen + f64::from(self.step) / 100.0).min(1.0);
        let through = |at: Duration, fraction: f64| {
            let whole = at.saturating_sub(from).as_secs_f64() * (1.0 - origin) / (fraction - origin);
            Duration::try_from_secs_f64(whole).map_or(Duration::MAX, |whole| from.saturating_add(whole))
        };
        (seen > origin).then(|| (through(self.told, next), through(since, seen)))
    }
}

/// The largest step of which all that was told is a multiple. At first it is all of it: who knows.
fn common_step(step: u32, fraction: f64) -> u32 {
    let percent = fraction * 100.0;
    if (percent - percent.round()).abs() > 1e-6 {
        return 1;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 100, and whole"
    )]
    let (mut a, mut b) = (step, percent.round() as u32);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn guess() -> Expected {
        Expected::guessed(s(60))
    }

    #[test]
    fn the_end_lies_between_the_two_lines() {
        let mut pace = Pace::of_new(guess());
        assert_eq!(pace.end(), None);
        for at in (5..=45_u32).step_by(10) {
            // Of 50 s, in whole percent.
            pace.note(f64::from(at * 2) / 100.0, s(u64::from(at)));
        }
        let (earliest, latest) = pace.end().unwrap();
        assert!(
            earliest < s(50) && latest >= s(50) && latest <= s(51),
            "{earliest:?} {latest:?}"
        );
    }

    #[test]
    fn progress_that_stands_moves_the_earliest_end_alone() {
        let mut pace = Pace::of_new(guess());
        assert!(pace.note(0.5, s(20)));
        let before = pace.end().unwrap();
        assert!(!pace.note(0.5, s(25)));
        let after = pace.end().unwrap();
        assert!(after.0 > before.0 && after.1 == before.1);
    }

    #[test]
    fn progress_that_runs_backwards_is_not_believed() {
        let mut pace = Pace::of_new(guess());
        pace.note(0.5, s(20));
        let before = pace.end();
        assert!(!pace.note(0.2, s(30)));
        assert_eq!((pace.fraction(), pace.end()), (Some(0.5), before));
    }

    #[test]
    fn of_a_job_that_was_found_the_time_before_does_not_count() {
        let mut pace = Pace::of_found(guess());
        pace.note(0.5, s(0));
        assert_eq!(pace.end(), None);
        pace.note(0.75, s(10));
        assert_eq!(pace.end().unwrap().1, s(20));
    }

    #[test]
    fn coarse_steps_make_the_end_less_sure() {
        let width = |told: &[(f64, u64)]| {
            let mut pace = Pace::of_new(guess());
            for (fraction, at) in told {
                pace.note(*fraction, s(*at));
            }
            let (earliest, latest) = pace.end().unwrap();
            latest.saturating_sub(earliest)
        };
        assert!(width(&[(0.25, 10), (0.5, 20)]) > 4 * width(&[(0.24, 10), (0.49, 20)]));
    }
}
