//! The names of records, which carry their money: a sum over thousands of them reads no file.

use chrono::DateTime;

use super::record::{JobRecord, JobState, millis_of};
use crate::library::name::LATEST;
use crate::money::UsdTicks;

/// What a record says of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Booked {
    /// It is on its way and may cost so much; `None` where nobody can say.
    Reserved(Option<UsdTicks>),
    /// It cost so much, in the service's words.
    Paid(UsdTicks),
    /// It was or may have been charged, the service named no amount, and this was expected.
    Estimated(UsdTicks),
    /// It was or may have been charged, and nobody can say how much.
    Unpriced,
}

const PAID: &str = "paid";
const ESTIMATED: &str = "estimated";
const UNPRICED: &str = "unpriced";

impl Booked {
    /// What a record books, and whether that is for good.
    pub(super) fn of(record: &JobRecord) -> Self {
        let questions = record.questions.unwrap_or_default();
        if record.is_pickup() {
            return Self::Paid(UsdTicks::ZERO);
        }
        if !record.state.is_over() {
            return Self::Reserved(record.estimate.map(|estimate| estimate + questions))
                .unless(record.unpriced_question);
        }
        let free = record
            .error
            .as_ref()
            .is_some_and(|error| error.charged == "no" && record.state != JobState::Saved);
        let booked = match (record.cost, record.estimate) {
            (Some(cost), _) => Self::Paid(cost + questions),
            _ if free => Self::Paid(questions),
            (None, Some(estimate)) => Self::Estimated(estimate + questions),
            (None, None) => Self::Unpriced,
        };
        booked.unless(record.unpriced_question)
    }

    /// The smaller, the more is known: which of two entries of one record counts.
    pub(super) const fn rank(self) -> u8 {
        match self {
            Self::Paid(_) => 0,
            Self::Estimated(_) => 1,
            Self::Unpriced => 2,
            Self::Reserved(_) => 3,
        }
    }

    /// One unknown part makes the whole unknown.
    fn unless(self, unpriced: bool) -> Self {
        match self {
            _ if !unpriced => self,
            Self::Reserved(_) => Self::Reserved(None),
            Self::Paid(_) | Self::Estimated(_) | Self::Unpriced => Self::Unpriced,
        }
    }
}

/// The name of a record: `<id>.<ticks>` while it is open, then `<id>.<class>.<ticks>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryName {
    pub(super) id: String,
    pub(super) booked: Booked,
}

impl EntryName {
    pub(super) fn of(record: &JobRecord) -> Self {
        Self {
            id: record.id.clone(),
            booked: Booked::of(record),
        }
    }

    /// `None` for the name of something else.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let id = parts.next()?;
        millis_of(id)?;
        let booked = match (parts.next()?, parts.next(), parts.next()) {
            (UNPRICED, None, _) => Booked::Reserved(None),
            (ticks, None, _) => Booked::Reserved(Some(UsdTicks::new(ticks.parse().ok()?))),
            (PAID, Some(ticks), None) => Booked::Paid(UsdTicks::new(ticks.parse().ok()?)),
            (ESTIMATED, Some(ticks), None) => Booked::Estimated(UsdTicks::new(ticks.parse().ok()?)),
            (UNPRICED, Some("0"), None) => Booked::Unpriced,
            _ => return None,
        };
        Some(Self {
            id: id.to_owned(),
            booked,
        })
    }

    pub(super) fn created_at(&self) -> u64 {
        millis_of(&self.id).unwrap_or_default()
    }
}

impl std::fmt::Display for EntryName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = &self.id;
        match self.booked {
            Booked::Reserved(Some(ticks)) => write!(f, "{id}.{}", ticks.ticks()),
            Booked::Reserved(None) => write!(f, "{id}.{UNPRICED}"),
            Booked::Paid(ticks) => write!(f, "{id}.{PAID}.{}", ticks.ticks()),
            Booked::Estimated(ticks) => write!(f, "{id}.{ESTIMATED}.{}", ticks.ticks()),
            Booked::Unpriced => write!(f, "{id}.{UNPRICED}.0"),
        }
    }
}

/// The day of an instant in UTC, `YYYY-MM-DD`; from the year 10000 on the last one before, so that days
/// stay in order.
pub(super) fn day_of(millis: u64) -> String {
    let instant = i64::try_from(millis.min(LATEST))
        .ok()
        .and_then(DateTime::from_timestamp_millis);
    instant.unwrap_or_default().format("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::journal::record::JobError;

    #[test]
    fn a_day_is_that_of_the_calendar_in_utc() {
        for (millis, day) in [
            (0, "1970-01-01"),
            (86_399_999, "1970-01-01"),
            (86_400_000, "1970-01-02"),
            (951_782_400_000, "2000-02-29"),
            (1_709_164_800_000, "2024-02-29"),
            (1_735_689_599_999, "2024-12-31"),
            (1_763_829_999_123, "2025-11-22"),
            (4_107_542_400_000, "2100-03-01"),
            (LATEST + 86_400_000, "9999-12-31"),
            (u64::MAX, "9999-12-31"),
        ] {
            assert_eq!(day_of(millis), day, "{millis}");
        }
    }

    #[test]
    fn a_name_says_what_a_record_costs() {
        let ticks = UsdTicks::new;
        let mut record = JobRecord::new("generate").unwrap();
        let name = |record: &JobRecord| {
            let name = EntryName::of(record);
            assert_eq!(EntryName::parse(&name.to_string()), Some(name.clone()), "{name}");
            name.booked
        };
        assert_eq!(name(&record), Booked::Reserved(None));
        (record.estimate, record.questions) = (Some(ticks(500)), Some(ticks(30)));
        assert_eq!(name(&record), Booked::Reserved(Some(ticks(530))));
        record.state = JobState::Saved;
        assert_eq!(name(&record), Booked::Estimated(ticks(530)));
        record.cost = Some(ticks(400));
        assert_eq!(name(&record), Booked::Paid(ticks(430)));
        record.unpriced_question = true;
        assert_eq!(name(&record), Booked::Unpriced);
        (record.state, record.cost, record.unpriced_question) = (JobState::Failed, None, false);
        let error = |charged: &str| JobError {
            code: "job_failed".to_owned(),
            message: String::new(),
            charged: charged.to_owned(),
            service_code: None,
        };
        record.error = Some(error("no"));
        assert_eq!(name(&record), Booked::Paid(ticks(30)));
        record.error = Some(error("unknown"));
        assert_eq!(name(&record), Booked::Estimated(ticks(530)));
        record.estimate = None;
        assert_eq!(name(&record), Booked::Unpriced);
    }

    #[test]
    fn other_names_are_no_entries() {
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
