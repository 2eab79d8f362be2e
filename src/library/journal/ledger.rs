//! Sums over the journal.

use std::collections::HashSet;
use std::ops::{Bound, RangeBounds};

use super::entry::{Booked, EntryName, day_of};
use super::{JOBS, LEDGER, now_millis};
use crate::error::{Error, Result};
use crate::library::Library;
use crate::library::documents::Documents;
use crate::money::{Budget, Spent, UsdTicks};

/// A reservation that is younger may be in the moment of its own check.
const CROWD_MILLIS: u64 = 10_000;

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
        let mut sum = Sum::default();
        // Open ones first: one that is settled meanwhile is then seen twice, and counted once.
        let open = self.open_entries().await?;
        let days = Documents::new(self, LEDGER).folders().await?;
        let (first_day, last_day) = (day_of(first), (last < u64::MAX).then(|| day_of(last)));
        for day in days {
            if day < first_day || last_day.as_ref().is_some_and(|last| day > *last) {
                continue;
            }
            let names = Documents::new(self, format!("{LEDGER}/{day}")).names().await?;
            for entry in names.iter().filter_map(|name| EntryName::parse(name)) {
                sum.add(&entry, first, last);
            }
        }
        for entry in &open {
            sum.add(entry, first, last);
        }
        Ok(sum.spent)
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
        let sums = async {
            let today = day_start(ours.created_at());
            let day = self.spent(today..today.saturating_add(86_400_000)).await?;
            Ok((day, self.spent(..).await?))
        };
        let (day, all) = sums.await.map_err(|error| (error, false))?;
        let Err(error) = budget.check_ledger(estimate.unwrap_or_default(), &day, &all) else {
            return Ok(());
        };
        let open = Documents::new(self, JOBS).names().await.unwrap_or_default();
        let since = now_millis().saturating_sub(CROWD_MILLIS);
        let crowded = open
            .iter()
            .filter_map(|name| EntryName::parse(name))
            .any(|entry| entry.id != ours.id && entry.created_at() >= since);
        Err((error, crowded))
    }
}

const fn day_start(millis: u64) -> u64 {
    millis - millis % 86_400_000
}

#[derive(Default)]
struct Sum {
    spent: Spent,
    seen: HashSet<String>,
}

impl Sum {
    fn add(&mut self, entry: &EntryName, first: u64, last: u64) {
        if !(first..=last).contains(&entry.created_at()) || !self.seen.insert(entry.id.clone()) {
            return;
        }
        let spent = &mut self.spent;
        spent.requests += 1;
        match entry.booked {
            Booked::Paid(ticks) => spent.paid += ticks,
            Booked::Estimated(ticks) => spent.estimated += ticks,
            Booked::Reserved(Some(ticks)) => spent.reserved += ticks,
            Booked::Reserved(None) | Booked::Unpriced => spent.unpriced += 1,
        }
    }
}
