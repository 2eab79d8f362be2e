//! The names of records. A name contains the cost of its record, so that a sum over thousands of records reads no file.

use chrono::DateTime;

use super::record::{JobRecord, JobState};
use crate::ids::{LATEST_MILLIS, RecordId};
use crate::money::UsdTicks;

/// The cost of a request, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CostState {
    /// The request is open and may cost this amount. `None` if the amount is unknown.
    Reserved(Option<UsdTicks>),
    /// The service charged this amount.
    Paid(UsdTicks),
    /// The request was or may have been charged, the service named no amount, and this amount was estimated.
    Estimated(UsdTicks),
    /// The request was or may have been charged, and the amount is unknown.
    Unpriced,
}

const PAID: &str = "paid";
const ESTIMATED: &str = "estimated";
const UNPRICED: &str = "unpriced";

impl CostState {
    /// Returns the cost of a request, reserved or final.
    pub(super) fn of(record: &JobRecord) -> Self {
        let query_cost = record.query_cost.unwrap_or_default();
        if record.is_pickup() {
            return Self::Paid(UsdTicks::ZERO);
        }
        if !record.state.is_over() {
            return Self::Reserved(record.estimate.map(|estimate| estimate + query_cost))
                .or_unpriced(record.has_unpriced_query);
        }
        let is_free = record
            .error
            .as_ref()
            .is_some_and(|error| error.charged == "no" && record.state != JobState::Saved);
        let state = match (record.cost, record.estimate) {
            (Some(cost), _) => Self::Paid(cost + query_cost),
            _ if is_free => Self::Paid(query_cost),
            (None, Some(estimate)) => Self::Estimated(estimate + query_cost),
            (None, None) => Self::Unpriced,
        };
        state.or_unpriced(record.has_unpriced_query)
    }

    /// Returns the uncertainty of the cost. Of two entries of one record, the one with the lower number counts.
    pub(super) const fn uncertainty(self) -> u8 {
        match self {
            Self::Paid(_) => 0,
            Self::Estimated(_) => 1,
            Self::Unpriced => 2,
            Self::Reserved(_) => 3,
        }
    }

    /// Returns the state with an unknown amount if a part of the cost has no price.
    fn or_unpriced(self, has_unpriced_part: bool) -> Self {
        match self {
            _ if !has_unpriced_part => self,
            Self::Reserved(_) => Self::Reserved(None),
            Self::Paid(_) | Self::Estimated(_) | Self::Unpriced => Self::Unpriced,
        }
    }
}

/// The name of a record: `<id>.<ticks>` while it is open, then `<id>.<class>.<ticks>`. The class is `paid`, `estimated`
/// or `unpriced`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryName {
    pub(super) id: RecordId,
    pub(super) cost: CostState,
}

impl EntryName {
    pub(super) fn of(record: &JobRecord) -> Self {
        Self {
            id: record.id.clone(),
            cost: CostState::of(record),
        }
    }

    /// Returns whether an open record with this name picks up a job. Only then is its cost known before it ends.
    pub(super) const fn is_pickup(&self) -> bool {
        matches!(self.cost, CostState::Paid(_))
    }

    /// Parses a name. Returns `None` if it is not that of a record.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let id = RecordId::parse(parts.next()?).ok()?;
        let cost = match (parts.next()?, parts.next(), parts.next()) {
            (UNPRICED, None, _) => CostState::Reserved(None),
            (ticks, None, _) => CostState::Reserved(Some(UsdTicks::new(ticks.parse().ok()?))),
            (PAID, Some(ticks), None) => CostState::Paid(UsdTicks::new(ticks.parse().ok()?)),
            (ESTIMATED, Some(ticks), None) => CostState::Estimated(UsdTicks::new(ticks.parse().ok()?)),
            (UNPRICED, Some("0"), None) => CostState::Unpriced,
            _ => return None,
        };
        Some(Self { id, cost })
    }
}

impl std::fmt::Display for EntryName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = &self.id;
        match self.cost {
            CostState::Reserved(Some(ticks)) => write!(f, "{id}.{}", ticks.ticks()),
            CostState::Reserved(None) => write!(f, "{id}.{UNPRICED}"),
            CostState::Paid(ticks) => write!(f, "{id}.{PAID}.{}", ticks.ticks()),
            CostState::Estimated(ticks) => write!(f, "{id}.{ESTIMATED}.{}", ticks.ticks()),
            CostState::Unpriced => write!(f, "{id}.{UNPRICED}.0"),
        }
    }
}

/// Returns the day of an instant in UTC, as `YYYY-MM-DD`. An instant after the year 9999 counts as its last day, so
/// that days sort as text.
pub(super) fn day_of(millis: u64) -> String {
    let instant = i64::try_from(millis.min(LATEST_MILLIS))
        .ok()
        .and_then(DateTime::from_timestamp_millis);
    instant.unwrap_or_default().format("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::JobError;
    use crate::operation::Operation;

    #[test]
    fn a_day_is_the_calendar_day_in_utc() {
        for (millis, day) in [
            (0, "1970-01-01"),
            (86_399_999, "1970-01-01"),
            (86_400_000, "1970-01-02"),
            (951_782_400_000, "2000-02-29"),
            (1_709_164_800_000, "2024-02-29"),
            (1_735_689_599_999, "2024-12-31"),
            (1_763_829_999_123, "2025-11-22"),
            (4_107_542_400_000, "2100-03-01"),
            (LATEST_MILLIS + 86_400_000, "9999-12-31"),
            (u64::MAX, "9999-12-31"),
        ] {
            assert_eq!(day_of(millis), day, "{millis}");
        }
    }

    #[test]
    fn a_name_contains_the_cost_of_its_record() {
        let ticks = UsdTicks::new;
        let mut record = JobRecord::new(Operation::Generate).unwrap();
        let name = |record: &JobRecord| {
            let name = EntryName::of(record);
            assert_eq!(EntryName::parse(&name.to_string()), Some(name.clone()), "{name}");
            name.cost
        };
        assert_eq!(name(&record), CostState::Reserved(None));
        (record.estimate, record.query_cost) = (Some(ticks(500)), Some(ticks(30)));
        assert_eq!(name(&record), CostState::Reserved(Some(ticks(530))));
        record.state = JobState::Saved;
        assert_eq!(name(&record), CostState::Estimated(ticks(530)));
        record.cost = Some(ticks(400));
        assert_eq!(name(&record), CostState::Paid(ticks(430)));
        record.has_unpriced_query = true;
        assert_eq!(name(&record), CostState::Unpriced);
        (record.state, record.cost, record.has_unpriced_query) = (JobState::Failed, None, false);
        let error = |charged: &str| JobError {
            code: "job_failed".to_owned(),
            message: String::new(),
            charged: charged.to_owned(),
            service_code: None,
        };
        record.error = Some(error("no"));
        assert_eq!(name(&record), CostState::Paid(ticks(30)));
        record.error = Some(error("unknown"));
        assert_eq!(name(&record), CostState::Estimated(ticks(530)));
        record.estimate = None;
        assert_eq!(name(&record), CostState::Unpriced);
    }

    #[test]
    fn invalid_names_are_not_parsed() {
        for name in [
            "",
            "a",
            "owners",
            "1763829999123_a1b2c3d4",
            "1763829999123_a1b2c3d4.x",
            "x.1",
            "1763829999123_a1b2c3d4.paid",
            "1763829999123_a1b2c3d4.paid.1.2",
            "1763829999123_a1b2c3d4.-1",
        ] {
            assert_eq!(EntryName::parse(name), None, "{name}");
        }
    }
}
