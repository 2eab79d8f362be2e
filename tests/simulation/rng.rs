//! The random numbers of a run, all of which come from its seed.

use std::time::Duration;

/// A `SplitMix64` generator.
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 to `limit - 1`.
    pub(super) const fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Returns whether an event with this probability, in thousandths, happens.
    pub(super) const fn happens(&mut self, in_a_thousand: u64) -> bool {
        self.below(1000) < in_a_thousand
    }

    /// Returns a random duration in the range, in steps of a millisecond.
    pub(super) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = u64::try_from(to.saturating_sub(from).as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        from + Duration::from_millis(self.below(span))
    }

    /// Returns a random element.
    pub(super) fn pick<T: Copy>(&mut self, several: &[T]) -> T {
        let at = usize::try_from(self.below(several.len() as u64)).unwrap_or_default();
        several[at]
    }
}
