//! Exact amounts of money, and spending limits.
//!
//! Amounts are integers in the unit of the service's `cost_in_usd_ticks`, 1e-10 US dollars, so that sums are exact.
//! Prices are not here but in the model table.

mod budget;

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::budget::{Budget, Spent};
use crate::error::{Error, Result};

/// An amount of money in ticks of 1e-10 US dollars.
///
/// Arithmetic saturates at the maximum amount instead of wrapping.
///
/// ```
/// use reelkin::UsdTicks;
/// let price: UsdTicks = "0.07".parse()?;
/// assert_eq!((price * 8).to_string(), "$0.56");
/// assert_eq!((price * 8).ticks(), 5_600_000_000);
/// # Ok::<(), reelkin::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UsdTicks(u64);

impl UsdTicks {
    /// The number of ticks in one dollar.
    pub const PER_DOLLAR: u64 = 10_000_000_000;
    /// The amount of zero.
    pub const ZERO: Self = Self(0);

    /// Creates an amount from ticks.
    pub const fn new(ticks: u64) -> Self {
        Self(ticks)
    }

    /// Returns the amount in ticks.
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// Returns the price of `count` pieces if `unit` pieces cost `self`, rounded up to a whole tick.
    ///
    /// The product is exact and an overflow saturates, so that no request looks cheaper than it is.
    pub(crate) fn prorate(self, count: u64, unit: u64) -> Self {
        let product = u128::from(self.0) * u128::from(count);
        Self(u64::try_from(product.div_ceil(u128::from(unit.max(1)))).unwrap_or(u64::MAX))
    }
}

/// Parses an amount in dollars: `usd("5.00")?`.
///
/// # Errors
/// `InvalidRequest` if the text is not a plain decimal number of dollars, or has more than ten decimals.
pub fn usd(dollars: &str) -> Result<UsdTicks> {
    dollars.parse()
}

impl FromStr for UsdTicks {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::invalid(format!(
                "parse the amount {text:?}: use dollars with at most ten decimals, such as 5.00"
            ))
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 10 {
            return Err(bad());
        }
        let whole: u64 = whole.parse().map_err(|_| bad())?;
        let fraction: u64 = format!("{fraction:0<10}").parse().map_err(|_| bad())?;
        whole
            .checked_mul(Self::PER_DOLLAR)
            .and_then(|ticks| ticks.checked_add(fraction))
            .map(Self)
            .ok_or_else(bad)
    }
}

impl fmt::Display for UsdTicks {
    /// Formats dollars with at least two decimals, and more only if needed: `$0.56`, `$0.002`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / Self::PER_DOLLAR, self.0 % Self::PER_DOLLAR);
        let fraction = format!("{fraction:010}");
        let decimals = fraction.trim_end_matches('0').len().max(2);
        write!(f, "${whole}.{}", &fraction[..decimals])
    }
}

impl Add for UsdTicks {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for UsdTicks {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Mul<u64> for UsdTicks {
    type Output = Self;
    fn mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl Sum for UsdTicks {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact_both_ways() {
        for (text, ticks, shown) in [
            ("0.07", 700_000_000, "$0.07"),
            ("5", 50_000_000_000, "$5.00"),
            ("0.002", 20_000_000, "$0.002"),
            ("0.0000000001", 1, "$0.0000000001"),
            ("1.", 10_000_000_000, "$1.00"),
        ] {
            let amount: UsdTicks = text.parse().unwrap();
            assert_eq!(amount.ticks(), ticks, "{text}");
            assert_eq!(amount.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn no_amount_wraps() {
        let max = UsdTicks::new(u64::MAX);
        assert_eq!(max + UsdTicks::new(1), max);
        assert_eq!(max * 2, max);
        assert_eq!([max, max].into_iter().sum::<UsdTicks>(), max);
        assert_eq!(max.prorate(1, 1), max);
        assert_eq!(max.prorate(u64::MAX, 1_000_000), max);
        // The product does not fit in 64 bits.
        assert_eq!(UsdTicks::new(1 << 62).prorate(1000, 1000).ticks(), 1 << 62);
        assert_eq!(UsdTicks::new(1).prorate(1, 1000).ticks(), 1, "rounded up");
        assert_eq!(UsdTicks::new(1).prorate(0, 1000), UsdTicks::ZERO);
        assert_eq!(UsdTicks::new(7).prorate(3, 0).ticks(), 21);
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "-1",
            "1e3",
            "$5",
            "0.00000000001",
            "1,5",
            " 1",
            "99999999999999999999",
        ] {
            assert!(text.parse::<UsdTicks>().is_err(), "{text:?}");
        }
    }
}
