//! Random choices that a seed repeats.

#![cfg(feature = "media")]

/// A random number generator that a seed repeats (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next_u64() % end
    }

    /// Returns one of the items.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

/// Returns a number that a longer run sets in the environment.
#[cfg(feature = "cli")]
pub(crate) fn env_number(variable: &str, usual: u64) -> u64 {
    let told = std::env::var_os(variable).map(|text| text.into_string().unwrap());
    told.map_or(usual, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable}: {text}"))
    })
}
