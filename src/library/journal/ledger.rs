//! Sums over the journal.

use std::collections::HashSet;
use std::ops::{Bound, RangeBounds, RangeInclusive};

use super::entry::{Booked, EntryName, day_of};
use super::{LEDGER, entries};
use crate::error::{Error, Result};
use crate::library::Library;
use crate::library::documents::Documents;
use crate::library::name::now_millis;
use crate::money::{Budget, Spent, UsdTicks};
use crate::mutation::{Mutation, is_on};

/// A reservation that is younger may be in the moment of its own check.
const CROWD_MILLIS: u64 = 10_000;
/// Milliseconds.
const DAY: u64 = 86_400_000;

impl Library {
    /// What was spent on requests that were begun in a time, given in milliseconds since 1970 UTC. `..` is
    /// everything. Reads names only, those of the open records and those of the days in question.
    ///
    /// # Errors
    /// `Library` if the library cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn spent(&self, time: impl RangeBounds<u64> + Send) -> Result<Spent> {
        let first = match time.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let last = match time.end_bound() {
            Bound::Included(last) => *last,
            Bound::Excluded(after) => after.saturating_sub(1),
            Bound::Unbounded => u64::MAX,
        };
        let empty = matches!(time.end_bound(), Bound::Excluded(0)) || first > last;
        if empty {
            return Ok(Spent::default());
        }
        let open = self.open_entries().await?;
        let [spent] = self.sums(&open, [first..=last]).await?;
        Ok(spent)
    }

    /// What was spent in each of the times, by one look at the names. The open entries have to be listed
    /// before: one that is settled meanwhile is then seen twice, and counted once.
    async fn sums<const N: usize>(
        &self,
        open: &[EntryName],
        times: [RangeInclusive<u64>; N],
    ) -> Result<[Spent; N]> {
        let mut sums = times.map(Sum::new);
        for day in Documents::new(self, LEDGER).folders().await? {
            if sums.iter().any(|sum| sum.has(&day)) {
                let settled = entries(&self.ledger_of(&day)).await?;
                for sum in &mut sums {
                    sum.add(&settled);
                }
            }
        }
        Ok(sums.map(|mut sum| {
            sum.add(open);
            sum.spent
        }))
    }

    /// Holds a request that is booked against the limits. Beside the error: whether another one was being
    /// booked, too.
    pub(super) async fn check_budget(&self, ours: &EntryName, budget: &Budget) -> Result<(), (Error, bool)> {
        let estimate = match ours.booked {
            Booked::Reserved(estimate) => estimate,
            _ => Some(UsdTicks::ZERO),
        };
        budget.check_request(estimate).map_err(|error| (error, false))?;
        if !budget.needs_ledger() {
            return Ok(());
        }
        let today = ours.created_at() - ours.created_at() % DAY;
        let sums = async {
            let mut open = self.open_entries().await?;
            if is_on(Mutation::IgnoreReservations) {
                open.retain(|entry| entry.id == ours.id);
            }
            let times = [today..=today.saturating_add(DAY - 1), 0..=u64::MAX];
            let sums = self.sums(&open, times).await?;
            Ok((open, sums))
        };
        let (open, [day, all]) = sums.await.map_err(|error| (error, false))?;
        let Err(error) = budget.check_ledger(estimate.unwrap_or_default(), &day, &all) else {
            return Ok(());
        };
        let since = now_millis().saturating_sub(CROWD_MILLIS);
        let crowded = open
            .iter()
            .any(|entry| entry.id != ours.id && entry.created_at() >= since);
        Err((error, crowded))
    }
}

/// What was spent in a time.
struct Sum {
    time: RangeInclusive<u64>,
    /// The first and the last day of it.
    days: [String; 2],
    spent: Spent,
    seen: HashSet<String>,
}

impl Sum {
    fn new(time: RangeInclusive<u64>) -> Self {
        Self {
            days: [day_of(*time.start()), day_of(*time.end())],
            time,
            spent: Spent::default(),
            seen: HashSet::new(),
        }
    }

    fn has(&self, day: &str) -> bool {
        let [first, last] = &self.days;
        (first.as_str()..=last.as_str()).contains(&day)
    }

    /// Each record is counted once. Of several entries of one record in `entries`, which a crash or two writers can
    /// leave, the one that is known best counts.
    fn add(&mut self, entries: &[EntryName]) {
        let mut entries: Vec<&EntryName> = entries.iter().collect();
        entries.sort_by_key(|entry| entry.booked.rank());
        for entry in entries {
            if self.time.contains(&entry.created_at()) && self.seen.insert(entry.id.clone()) {
                self.count(entry.booked);
            }
        }
    }

    fn count(&mut self, booked: Booked) {
        let spent = &mut self.spent;
        spent.requests += 1;
        match booked {
            Booked::Paid(ticks) => spent.paid += ticks,
            Booked::Estimated(ticks) => spent.estimated += ticks,
            Booked::Reserved(Some(ticks)) => spent.reserved += ticks,
            Booked::Reserved(None) | Booked::Unpriced => spent.unpriced += 1,
        }
    }
}
