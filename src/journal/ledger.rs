//! Sums over the journal, and the check of a request against a budget.

use std::collections::HashSet;
use std::ops::{Bound, RangeBounds, RangeInclusive};

use super::entry_name::{CostState, EntryName, day_of};
use super::{Journal, entries};
use crate::error::{Error, Result};
use crate::host;
use crate::ids::RecordId;
use crate::money::{Budget, Spent, UsdTicks};
use crate::mutation::{Mutation, is_on};
use crate::timestamp::Timestamp;

/// The budget check of a reservation that is younger than this may still be running, and may discard the reservation.
const CONTENTION_MILLIS: u64 = 10_000;
const DAY_MILLIS: u64 = 86_400_000;

impl Journal {
    /// Returns what was spent on requests that were created in a time range. Reads only names: those of the open
    /// records, and those of the closed records of the days in the range.
    pub(crate) async fn spent(&self, time: impl RangeBounds<Timestamp> + Send) -> Result<Spent> {
        let end = time.end_bound().map(|end| end.as_millis());
        let first = match time.start_bound().map(|start| start.as_millis()) {
            Bound::Included(first) => first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let last = match end {
            Bound::Included(last) => last,
            Bound::Excluded(after) => after.saturating_sub(1),
            Bound::Unbounded => u64::MAX,
        };
        let is_empty = end == Bound::Excluded(0) || first > last;
        if is_empty {
            return Ok(Spent::default());
        }
        let open = self.open_entries().await?;
        let [spent] = self.sums(&open, [first..=last]).await?;
        Ok(spent)
    }

    /// Returns what was spent in each of the ranges.
    ///
    /// `open` must be listed before this call. A record that is closed between the two listings is then in both, and is
    /// counted once. In the reverse order it could be in neither.
    async fn sums<const N: usize>(
        &self,
        open: &[EntryName],
        ranges: [RangeInclusive<u64>; N],
    ) -> Result<[Spent; N]> {
        let mut sums = ranges.map(Sum::new);
        for day in self.ledger_days().await? {
            if sums.iter().any(|sum| sum.includes(&day)) {
                let closed = entries(&self.ledger_store(&day)).await?;
                for sum in &mut sums {
                    sum.add(&closed);
                }
            }
        }
        Ok(sums.map(|mut sum| {
            sum.add(open);
            sum.spent
        }))
    }

    /// Checks the limits for a request whose cost was reserved before. On failure, also returns whether a concurrent
    /// reservation may be the reason.
    pub(super) async fn check_budget(&self, ours: &EntryName, budget: &Budget) -> Result<(), (Error, bool)> {
        let estimate = match ours.cost {
            CostState::Reserved(estimate) => estimate,
            _ => Some(UsdTicks::ZERO),
        };
        budget.check_request(estimate).map_err(|error| (error, false))?;
        if !budget.needs_ledger() {
            return Ok(());
        }
        let today = ours.id.millis() - ours.id.millis() % DAY_MILLIS;
        let sums = async {
            let mut open = self.open_entries().await?;
            if is_on(Mutation::IgnoreReservations) {
                open.retain(|entry| entry.id == ours.id);
            }
            let ranges = [today..=today.saturating_add(DAY_MILLIS - 1), 0..=u64::MAX];
            let sums = self.sums(&open, ranges).await?;
            Ok((open, sums))
        };
        let (open, [day, all]) = sums.await.map_err(|error| (error, false))?;
        let Err(error) = budget.check_ledger(estimate.unwrap_or_default(), &day, &all) else {
            return Ok(());
        };
        let since = host::now().as_millis().saturating_sub(CONTENTION_MILLIS);
        let is_contended = open
            .iter()
            .any(|entry| entry.id != ours.id && entry.id.millis() >= since);
        Err((error, is_contended))
    }
}

/// What was spent in a time range.
struct Sum {
    range: RangeInclusive<u64>,
    /// The first and the last day of the range.
    days: [String; 2],
    spent: Spent,
    counted: HashSet<RecordId>,
}

impl Sum {
    fn new(range: RangeInclusive<u64>) -> Self {
        Self {
            days: [day_of(*range.start()), day_of(*range.end())],
            range,
            spent: Spent::default(),
            counted: HashSet::new(),
        }
    }

    fn includes(&self, day: &str) -> bool {
        let [first, last] = &self.days;
        (first.as_str()..=last.as_str()).contains(&day)
    }

    /// Counts each record once. A crash or two writers can leave several entries of one record; the one whose cost is
    /// known best counts.
    fn add(&mut self, entries: &[EntryName]) {
        let mut entries: Vec<&EntryName> = entries.iter().collect();
        entries.sort_by_key(|entry| entry.cost.uncertainty());
        for entry in entries {
            if self.range.contains(&entry.id.millis()) && self.counted.insert(entry.id.clone()) {
                self.count(entry.cost);
            }
        }
    }

    fn count(&mut self, cost: CostState) {
        let spent = &mut self.spent;
        spent.requests += 1;
        match cost {
            CostState::Paid(ticks) => spent.paid += ticks,
            CostState::Estimated(ticks) => spent.estimated += ticks,
            CostState::Reserved(Some(ticks)) => spent.reserved += ticks,
            CostState::Reserved(None) | CostState::Unpriced => spent.unpriced += 1,
        }
    }
}
