//! Spending limits, and the sums they are compared with.

use serde::Serialize;

use super::UsdTicks;
use crate::error::{Error, ErrorKind, Result};

/// Limits the spending of a client.
///
/// All processes that use a library share its ledger, but each has its own limits. A request counts with its estimate
/// from before it is sent until the service reports its cost. If the cost stays unknown, the estimate keeps counting.
/// Days are in UTC, and a request belongs to the day on which it began.
///
/// ```
/// use reelkin::{Budget, usd};
/// let budget = Budget::new().per_day(usd("5.00")?).per_request(usd("0.50")?);
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
    /// Returns a budget without limits.
    pub const fn new() -> Self {
        Self {
            per_request: None,
            per_day: None,
            per_library: None,
            unknown_prices: false,
        }
    }

    /// Limits each paid request: a clip including the planning of its prompt, or an analysis.
    pub const fn per_request(mut self, limit: UsdTicks) -> Self {
        self.per_request = Some(limit);
        self
    }

    /// Limits the sum of all requests of a day (UTC).
    pub const fn per_day(mut self, limit: UsdTicks) -> Self {
        self.per_day = Some(limit);
        self
    }

    /// Limits the sum of all requests in the library's ledger.
    pub const fn per_library(mut self, limit: UsdTicks) -> Self {
        self.per_library = Some(limit);
        self
    }

    /// Sets whether requests without a price in the model table are allowed. Defaults to `false`: if there is any limit,
    /// such a request is refused, because its cost cannot be estimated.
    pub const fn unknown_prices(mut self, allowed: bool) -> Self {
        self.unknown_prices = allowed;
        self
    }

    /// Returns whether there is any limit.
    pub const fn is_limited(&self) -> bool {
        self.per_request.is_some() || self.needs_ledger()
    }

    /// Returns whether there is a limit on the sum of requests, which is in the ledger.
    pub(crate) const fn needs_ledger(&self) -> bool {
        self.per_day.is_some() || self.per_library.is_some()
    }

    /// Checks the estimate of one request against the limit of a request.
    pub(crate) fn check_request(&self, estimate: Option<UsdTicks>) -> Result<()> {
        if !self.is_limited() {
            return Ok(());
        }
        let Some(estimate) = estimate else {
            return if self.unknown_prices {
                Ok(())
            } else {
                Err(exceeded(
                    "the model table has no price for this request; use a table that has it, or allow unknown prices",
                ))
            };
        };
        match self.per_request {
            Some(limit) if estimate > limit => Err(exceeded(&format!(
                "the request is estimated at {estimate}; the limit of a request is {limit}"
            ))),
            _ => Ok(()),
        }
    }

    /// Checks the sums of a day and a library against their limits.
    ///
    /// Both sums include the request itself, which is already reserved.
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
                    1 => ", and the cost of one more request is unknown".to_owned(),
                    many => format!(", and the costs of {many} more requests are unknown"),
                };
                return Err(exceeded(&format!(
                    "{} is spent or reserved {of}, and the request is estimated at {estimate}; the limit is {limit}{unpriced}",
                    UsdTicks::new(before)
                )));
            }
        }
        Ok(())
    }
}

fn exceeded(why: &str) -> Error {
    Error::new(ErrorKind::Budget, format!("check the budget: {why}"))
}

/// The spending in a period, from the ledger of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Spent {
    /// The number of paid requests.
    pub requests: u64,
    /// The sum of the costs that the service reported.
    #[serde(rename = "paid_usd_ticks")]
    pub paid: UsdTicks,
    /// The sum of the estimates of requests that were or may have been charged, but whose cost the service did not
    /// report.
    #[serde(rename = "estimated_usd_ticks")]
    pub estimated: UsdTicks,
    /// The sum of the estimates of requests that are in progress or need to be settled.
    #[serde(rename = "reserved_usd_ticks")]
    pub reserved: UsdTicks,
    /// The number of requests that may have been charged an unknown amount.
    pub unpriced: u64,
}

impl Spent {
    /// Returns the sum that counts against a limit.
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
    fn a_request_is_checked_against_every_limit() {
        let ticks = UsdTicks::new;
        let budget = Budget::new()
            .per_day(ticks(100))
            .per_library(ticks(150))
            .per_request(ticks(40));
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
        assert!(Budget::new().check_request(None).is_ok());
        let budget = Budget::new().per_day(UsdTicks::new(1));
        assert_eq!(budget.check_request(None).unwrap_err().kind(), ErrorKind::Budget);
        assert!(budget.unknown_prices(true).check_request(None).is_ok());
    }
}
