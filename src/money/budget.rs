//! How much may be spent, and how much was.

use serde::Serialize;

use super::UsdTicks;
use crate::error::{Error, ErrorKind, Result};

/// Spending limits of a client, held against the ledger of its library.
///
/// Every process that uses the library adds to the same ledger, each with limits of its own. A request
/// counts with its estimate from before it is sent until the service says what it cost; one whose cost
/// nobody can say goes on counting with its estimate. A day is a day in UTC, and a request belongs to the
/// day on which it was begun.
///
/// ```
/// use reelkin::{Budget, usd};
/// let budget = Budget::per_day(usd("5.00")?).with_per_request(usd("0.50")?);
/// # let _ = budget;
/// # Ok::<(), reelkin::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Budget {
    per_request: Option<UsdTicks>,
    per_day: Option<UsdTicks>,
    per_library: Option<UsdTicks>,
    unknown_prices: bool,
}

impl Budget {
    /// No limits.
    pub const NONE: Self = Self {
        per_request: None,
        per_day: None,
        per_library: None,
        unknown_prices: false,
    };

    /// A limit for each paid request: a clip with the planning of its prompt, an analysis.
    pub const fn per_request(limit: UsdTicks) -> Self {
        Self::NONE.with_per_request(limit)
    }

    /// A limit for all requests of a day (UTC).
    pub const fn per_day(limit: UsdTicks) -> Self {
        Self::NONE.with_per_day(limit)
    }

    /// A limit for everything the library's ledger has.
    pub const fn per_library(limit: UsdTicks) -> Self {
        Self::NONE.with_per_library(limit)
    }

    /// The same with a limit for each request.
    pub const fn with_per_request(mut self, limit: UsdTicks) -> Self {
        self.per_request = Some(limit);
        self
    }

    /// The same with a limit for a day.
    pub const fn with_per_day(mut self, limit: UsdTicks) -> Self {
        self.per_day = Some(limit);
        self
    }

    /// The same with a limit for the library.
    pub const fn with_per_library(mut self, limit: UsdTicks) -> Self {
        self.per_library = Some(limit);
        self
    }

    /// Whether a request may be sent whose price is not in the table. Without this it is refused as soon
    /// as there is any limit: what cannot be estimated cannot be kept within one.
    pub const fn with_unknown_prices(mut self, allowed: bool) -> Self {
        self.unknown_prices = allowed;
        self
    }

    /// Whether there is a limit at all.
    pub const fn is_limited(&self) -> bool {
        self.per_request.is_some() || self.needs_ledger()
    }

    /// Whether what others have spent matters.
    pub(crate) const fn needs_ledger(&self) -> bool {
        self.per_day.is_some() || self.per_library.is_some()
    }

    /// Holds one request against its own limit.
    pub(crate) fn check_request(&self, estimate: Option<UsdTicks>) -> Result<()> {
        if !self.is_limited() {
            return Ok(());
        }
        let Some(estimate) = estimate else {
            return if self.unknown_prices {
                Ok(())
            } else {
                Err(refuse(
                    "the table has no price for this request; give a table that has it, or allow unknown prices",
                ))
            };
        };
        match self.per_request {
            Some(limit) if estimate > limit => Err(refuse(&format!(
                "the request is estimated at {estimate}; the limit of a request is {limit}"
            ))),
            _ => Ok(()),
        }
    }

    /// Holds a request that is booked already against the limits of its day and its library.
    pub(crate) fn check_ledger(&self, estimate: UsdTicks, day: &Spent, all: &Spent) -> Result<()> {
        for (limit, spent, of) in [
            (self.per_day, day, "today"),
            (self.per_library, all, "in this library"),
        ] {
            if let Some(limit) = limit
                && spent.total() > limit
            {
                let before = spent.total().ticks().saturating_sub(estimate.ticks());
                let unpriced = match spent.unpriced {
                    0 => String::new(),
                    1 => ", one more request has a cost that nobody knows".to_owned(),
                    many => format!(", {many} more requests have costs that nobody knows"),
                };
                return Err(refuse(&format!(
                    "{} are spent or reserved {of}, and the request is estimated at {estimate}; the limit is {limit}{unpriced}",
                    UsdTicks::new(before)
                )));
            }
        }
        Ok(())
    }
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::Budget, format!("keep to the budget: {why}"))
}

/// What a ledger says was spent in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Spent {
    /// How many paid requests there were.
    pub requests: u64,
    /// What the service said it charged.
    #[serde(rename = "paid_usd_ticks")]
    pub paid: UsdTicks,
    /// What was expected of requests that were or may have been charged without the service naming an
    /// amount.
    #[serde(rename = "estimated_usd_ticks")]
    pub estimated: UsdTicks,
    /// What is expected of requests that are on their way or wait for a person.
    #[serde(rename = "reserved_usd_ticks")]
    pub reserved: UsdTicks,
    /// How many requests may have cost something nobody can name.
    pub unpriced: u64,
}

impl Spent {
    /// Everything that counts against a limit.
    pub fn total(&self) -> UsdTicks {
        self.paid + self.estimated + self.reserved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(paid: u64) -> Spent {
        Spent {
            paid: UsdTicks::new(paid),
            ..Spent::default()
        }
    }

    #[test]
    fn a_request_is_held_against_every_limit() {
        let ticks = UsdTicks::new;
        let budget = Budget::per_day(ticks(100))
            .with_per_library(ticks(150))
            .with_per_request(ticks(40));
        assert!(budget.check_request(Some(ticks(40))).is_ok());
        let line = budget.check_request(Some(ticks(41))).unwrap_err().to_string();
        assert!(line.contains("the limit of a request is $0.000000004"), "{line}");
        assert!(budget.check_ledger(ticks(40), &spent(100), &spent(150)).is_ok());
        let line = budget.check_ledger(ticks(40), &spent(101), &spent(150));
        assert!(line.unwrap_err().to_string().contains("today"));
        let line = budget.check_ledger(ticks(40), &spent(100), &spent(151));
        assert!(line.unwrap_err().to_string().contains("in this library"));
    }

    #[test]
    fn an_unknown_price_is_refused_under_any_limit() {
        assert!(Budget::NONE.check_request(None).is_ok());
        let budget = Budget::per_day(UsdTicks::new(1));
        assert_eq!(budget.check_request(None).unwrap_err().kind(), ErrorKind::Budget);
        assert!(budget.with_unknown_prices(true).check_request(None).is_ok());
    }
}
