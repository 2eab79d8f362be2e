//! Jobs as they may be, and dice that fall alike in every run.

use std::time::Duration;

/// Splitmix: the same numbers in every run.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 0 to 1.
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
        reason = "a handful"
    )]
    pub(super) fn below(&mut self, number: usize) -> usize {
        ((self.share() * number as f64) as usize).min(number - 1)
    }

    /// Of the standard normal distribution, near enough.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }

    /// As `backoff::jitter`.
    pub(super) fn about(&mut self, wait: Duration, share: f64) -> Duration {
        wait.mul_f64(1.0 + share * self.between(-1.0, 1.0))
    }
}

/// How a service tells the progress.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Telling {
    /// Whole percent that grow with the time.
    Steady,
    /// Twenty stretches, each of a speed of its own from 1 to 6.
    Noisy,
    /// With a power of the time from 0.6 to 1.5.
    Curved,
    /// 0 for a part of the time, then what it is.
    Late,
    /// In steps of so many percent.
    Steps(u32),
    /// Half of the answers tell none.
    Gaps,
    /// At 99 before the end, for 3 to 15 % of the time.
    Tail,
    /// No progress at all.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) kind: String,
    pub(super) takes: Duration,
    telling: Telling,
    /// What is different from job to job.
    own: f64,
    stretches: [f64; 20],
}

impl Job {
    pub(super) fn new(kind: String, seconds: f64, telling: Telling, dice: &mut Dice) -> Self {
        Self {
            kind,
            takes: Duration::from_secs_f64(seconds),
            telling,
            own: dice.between(0.0, 1.0),
            stretches: std::array::from_fn(|_| dice.between(0.3, 1.7)),
        }
    }

    /// The progress that a poll at this time brings.
    pub(super) fn told(&self, now: Duration, dice: &mut Dice) -> Option<f64> {
        let passed = now.as_secs_f64() / self.takes.as_secs_f64();
        let whole = |share: f64, step: f64| Some((share * 100.0 / step).floor().min(99.0) * step / 100.0);
        match self.telling {
            Telling::Noisy => whole(self.stretched(passed), 1.0),
            Telling::Curved => whole(passed.powf(0.6 + 0.9 * self.own), 1.0),
            Telling::Late if passed < 0.2 + 0.3 * self.own => Some(0.0),
            Telling::Steps(step) => whole(passed, f64::from(step)),
            Telling::Gaps if dice.share() < 0.5 => None,
            Telling::Steady | Telling::Late | Telling::Gaps => whole(passed, 1.0),
            Telling::Tail => whole((passed / (0.85 + 0.12 * self.own)).min(0.99), 1.0),
            Telling::Nothing => None,
        }
    }

    fn stretched(&self, passed: f64) -> f64 {
        let all: f64 = self.stretches.iter().sum();
        let mut left = passed * 20.0;
        let mut done = 0.0;
        for speed in self.stretches {
            done += speed * left.clamp(0.0, 1.0);
            left -= 1.0;
        }
        done / all
    }
}
