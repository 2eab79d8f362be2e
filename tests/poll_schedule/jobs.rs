//! Simulated jobs, and random numbers that are the same in every run.

use std::time::Duration;

/// `SplitMix64` with a fixed seed.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number from 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        f64::from(u32::try_from((bits ^ (bits >> 31)) >> 32).unwrap()) / f64::from(u32::MAX)
    }

    pub(super) fn between(&mut self, from: f64, to: f64) -> f64 {
        from + self.share() * (to - from)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small numbers"
    )]
    pub(super) fn below(&mut self, number: usize) -> usize {
        ((self.share() * number as f64) as usize).min(number - 1)
    }

    /// Returns an approximately standard normal number.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }

    /// Does what `backoff::jitter` does.
    pub(super) fn jitter(&mut self, wait: Duration, share: f64) -> Duration {
        wait.mul_f64(1.0 + share * self.between(-1.0, 1.0))
    }
}

/// How a service reports progress.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reporting {
    /// Linear, in whole percent.
    Steady,
    /// Twenty sections with different speeds, of which the fastest is about six times the slowest.
    Noisy,
    /// A power of the elapsed time, with an exponent from 0.6 to 1.5.
    Curved,
    /// 0 at first, then the true progress.
    Late,
    /// In steps of this many percent.
    Steps(u32),
    /// Half of the answers report none.
    Gaps,
    /// Stays at 99 for the last 3 to 15 % of the time.
    Tail,
    /// No progress at all.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) kind: String,
    pub(super) duration: Duration,
    reporting: Reporting,
    /// A parameter that differs between jobs.
    parameter: f64,
    /// The speeds of the sections of a noisy job.
    speeds: [f64; 20],
}

impl Job {
    pub(super) fn new(kind: String, seconds: f64, reporting: Reporting, random: &mut Random) -> Self {
        Self {
            kind,
            duration: Duration::from_secs_f64(seconds),
            reporting,
            parameter: random.between(0.0, 1.0),
            speeds: std::array::from_fn(|_| random.between(0.3, 1.7)),
        }
    }

    /// Returns the progress that a poll reports at this time.
    pub(super) fn report(&self, now: Duration, random: &mut Random) -> Option<f64> {
        let passed = now.as_secs_f64() / self.duration.as_secs_f64();
        let whole = |share: f64, step: f64| Some((share * 100.0 / step).floor().min(99.0) * step / 100.0);
        match self.reporting {
            Reporting::Noisy => whole(self.noisy_progress(passed), 1.0),
            Reporting::Curved => whole(passed.powf(0.6 + 0.9 * self.parameter), 1.0),
            Reporting::Late if passed < 0.2 + 0.3 * self.parameter => Some(0.0),
            Reporting::Steps(step) => whole(passed, f64::from(step)),
            Reporting::Gaps if random.share() < 0.5 => None,
            Reporting::Steady | Reporting::Late | Reporting::Gaps => whole(passed, 1.0),
            Reporting::Tail => whole((passed / (0.85 + 0.12 * self.parameter)).min(0.99), 1.0),
            Reporting::Nothing => None,
        }
    }

    fn noisy_progress(&self, passed: f64) -> f64 {
        let total: f64 = self.speeds.iter().sum();
        let mut left = passed * 20.0;
        let mut done = 0.0;
        for speed in self.speeds {
            done += speed * left.clamp(0.0, 1.0);
            left -= 1.0;
        }
        done / total
    }
}
