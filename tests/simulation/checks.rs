//! What must hold: after every step, and when all is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::service::{End, Job};
use super::store::Contents;
use super::world::State;
use crate::client::Recovered;
use crate::error::Charge;
use crate::money::{Spent, UsdTicks};

/// The library's prefix in the store.
pub(super) const PREFIX: &str = "team";

/// One record of the journal or the ledger, as it lies in the store.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Record {
    #[serde(skip)]
    pub(super) name: String,
    pub(super) id: String,
    pub(super) state: String,
    pub(super) operation: String,
    pub(super) prompt: Option<String>,
    pub(super) job_id: Option<String>,
    pub(super) clip: Option<String>,
    #[serde(default, rename = "questions_usd_ticks")]
    pub(super) questions: u64,
}

impl Record {
    /// Whether an object of that name is a record.
    pub(super) fn is_name(name: &str) -> bool {
        let rest = name.strip_prefix(PREFIX);
        rest.is_some_and(|rest| {
            (rest.starts_with("/jobs/") && !rest.starts_with("/jobs/owners/")) || rest.starts_with("/ledger/")
        })
    }

    pub(super) fn read(name: &str, json: &Bytes) -> Option<Self> {
        let record: Self = serde_json::from_slice(json).ok()?;
        let name = name.to_owned();
        Some(Self { name, ..record })
    }

    pub(super) fn is_open(&self) -> bool {
        self.name.starts_with(&format!("{PREFIX}/jobs/"))
    }

    /// Whether it was made by somebody who named a job, and not by the one who sent it.
    pub(super) fn is_pickup(&self) -> bool {
        self.operation == "pickup"
    }

    fn is_for(&self, prompt: &str) -> bool {
        self.prompt.as_deref() == Some(prompt)
    }

    /// Whether its create may have left.
    fn is_sent(&self) -> bool {
        !matches!(self.state.as_str(), "reserved" | "dropped")
    }

    /// The day that it counts for, in days since 1970.
    fn day(&self) -> u64 {
        let millis = self
            .id
            .split('_')
            .next()
            .and_then(|millis| millis.parse::<u64>().ok());
        millis.unwrap_or_default() / 86_400_000
    }

    /// What its name says counts against a budget.
    fn booked(&self) -> u64 {
        let ticks = self.name.rsplit('.').nth(1);
        ticks.and_then(|ticks| ticks.parse().ok()).unwrap_or_default()
    }

    /// What its name says was paid, if that is known for good.
    fn paid(&self) -> Option<u64> {
        let (_, ticks) = self.name.split_once(".paid.")?;
        ticks.strip_suffix(".json")?.parse().ok()
    }
}

/// All records. Of one that is in both places, as in the middle of a move, that of the ledger.
pub(super) fn records(contents: &Contents) -> Vec<Arc<Record>> {
    let all = contents.records().into_iter();
    // In the order of their names, `jobs` comes before `ledger`.
    let by_id: BTreeMap<_, _> = all.map(|record| (record.id.clone(), record)).collect();
    by_id.into_values().collect()
}

/// Whether a person has said what became of a record of that prompt.
fn is_settled(records: &[Arc<Record>], prompt: &str) -> bool {
    let mut of = records.iter().filter(|record| record.is_for(prompt));
    of.any(|record| record.state == "settled")
}

/// The record of that job, as the one that sent it wrote it.
fn record_of<'a>(records: &'a [Arc<Record>], job: &Job) -> Option<&'a Arc<Record>> {
    let is_its = |record: &&Arc<Record>| record.job_id.as_deref() == Some(&job.id);
    records.iter().filter(|record| !record.is_pickup()).find(is_its)
}

/// A create made a job.
pub(super) fn job_was_made(contents: &Contents, state: &State, job: &Job) -> Result<(), String> {
    every_job_has_its_record(contents, state)?;
    let jobs = &state.services[0].jobs;
    let records = records(contents);
    for earlier in jobs
        .iter()
        .filter(|other| other.prompt == job.prompt && other.id != job.id)
    {
        let is_free = earlier.charge() == 0 && earlier.is_over(state.now);
        let is_given_up = match record_of(&records, earlier) {
            Some(record) => record.state == "settled",
            None => is_settled(&records, &job.prompt),
        };
        if !is_free && !is_given_up {
            return Err(format!(
                "{:?} was asked for once, and both {} and {} were made for it",
                job.prompt, earlier.id, job.id
            ));
        }
    }
    if let Some(budget) = state.limits.library {
        let spent: u64 = jobs
            .iter()
            .map(|job| {
                if job.is_over(state.now) {
                    job.charge()
                } else {
                    job.price
                }
            })
            .sum();
        if spent > budget {
            return Err(format!("{spent} ticks are spent of a budget of {budget}"));
        }
    }
    Ok(())
}

/// What has left counts against the budget in full.
pub(super) fn budget_is_kept(contents: &Contents, state: &State) -> Result<(), String> {
    let limits = state.limits;
    if !limits.budget().is_limited() {
        return Ok(());
    }
    let records = records(contents);
    let mut days = BTreeMap::<_, u64>::new();
    for record in records.iter().filter(|record| record.is_sent()) {
        let booked = record.booked();
        if limits.request.is_some_and(|limit| booked > limit) {
            return Err(format!("{} is booked of a budget of {limits:?}", record.name));
        }
        *days.entry(record.day()).or_default() += booked;
    }
    let all: u64 = days.values().sum();
    let day = days.into_values().max().unwrap_or_default();
    for (booked, limit) in [(day, limits.day), (all, limits.library)] {
        if limit.is_some_and(|limit| booked > limit) {
            return Err(format!("{booked} ticks are booked of a budget of {limits:?}"));
        }
    }
    Ok(())
}

/// Each job of the service has a record of its own that does not call it unsent.
pub(super) fn every_job_has_its_record(contents: &Contents, state: &State) -> Result<(), String> {
    let jobs = &state.services[0].jobs;
    if jobs.is_empty() {
        return Ok(());
    }
    let records = records(contents);
    for job in jobs {
        let of =
            |record: &&Arc<Record>| record.is_for(&job.prompt) && record.is_sent() && !record.is_pickup();
        let sent = records.iter().filter(of).count();
        let made = jobs.iter().filter(|other| other.prompt == job.prompt).count();
        if sent < made {
            return Err(format!(
                "{} of {:?} has no record: there are {sent} for {made} jobs",
                job.id, job.prompt
            ));
        }
    }
    Ok(())
}

/// No record is closed as failed whose job made a clip that can still be had.
pub(super) fn no_clip_is_given_up(contents: &Contents, state: &State) -> Result<(), String> {
    let records = records(contents);
    let jobs = &state.services[0].jobs;
    // What was only picked up has no place in the ledger: the record of the one that sent it counts.
    let is_closed = |record: &&Arc<Record>| record.state == "failed" && !record.is_pickup();
    for record in records.iter().filter(is_closed) {
        let is_its = |job: &&Job| match &record.job_id {
            Some(id) => *id == job.id,
            None => {
                record.is_for(&job.prompt)
                    && record_of(&records, job).is_none()
                    && !is_settled(&records, &job.prompt)
                    && !is_unresolved(&records, &job.prompt)
            }
        };
        let made = |job: &&Job| job.end == End::Clip && state.now < job.gone;
        if let Some(job) = jobs.iter().filter(made).find(is_its) {
            return Err(format!(
                "{} makes a clip, and its record is closed as failed",
                job.id
            ));
        }
    }
    Ok(())
}

/// Whether a record of that prompt waits for its answer, or for a person.
fn is_unresolved(records: &[Arc<Record>], prompt: &str) -> bool {
    let mut of = records.iter().filter(|record| record.is_for(prompt));
    of.any(|record| record.job_id.is_none() && record.is_open())
}

/// What must hold when everything has been recovered and settled.
pub(super) fn all_is_well(contents: &Contents, state: &State) -> Result<(), String> {
    every_job_has_its_record(contents, state)?;
    let records = records(contents);
    let jobs = &state.services[0].jobs;
    for record in contents.records() {
        if record.is_open() && is_twice(contents, &record) {
            return Err(format!("record {} is open and in the ledger", record.id));
        }
    }
    // What was only picked up costs nothing: the record of the one that sent it has the price.
    for record in records.iter().filter(|record| !record.is_pickup()) {
        let job = jobs.iter().find(|job| match &record.job_id {
            Some(id) => *id == job.id,
            None => record.is_for(&job.prompt),
        });
        let has_price = record.operation != "analyze" && job.is_none_or(|job| job.names_price);
        if record.state == "saved" && record.paid().is_none() && has_price {
            return Err(format!("{} is saved, and its price is not known", record.name));
        }
        money_is_right(record, &records, jobs)?;
    }
    for job in jobs {
        let of: Vec<_> = records
            .iter()
            .filter(|record| record.job_id.as_deref() == Some(&job.id) && !record.is_pickup())
            .collect();
        match of.as_slice() {
            [record] => clip_is_safe(contents, state, record, job)?,
            [] if is_settled(&records, &job.prompt) => {}
            [] => return Err(format!("{} is in no record, and nobody settled it", job.id)),
            _ => return Err(format!("{} is in {} records", job.id, of.len())),
        }
    }
    clips_are_theirs(contents, jobs)
}

/// What a record says was paid was paid; what is not known is marked so. Records of one prompt that name no job are
/// held together against its jobs that no record names.
fn money_is_right(record: &Arc<Record>, records: &[Arc<Record>], jobs: &[Job]) -> Result<(), String> {
    let is_named = |job: &Job| {
        let mut senders = records.iter().filter(|other| !other.is_pickup());
        senders.any(|other| other.job_id.as_deref() == Some(&job.id))
    };
    let (together, charged): (Vec<&Arc<Record>>, u64) = match &record.job_id {
        Some(id) => (
            vec![record],
            jobs.iter().filter(|job| job.id == *id).map(Job::charge).sum(),
        ),
        None => {
            let alike = |other: &&Arc<Record>| other.job_id.is_none() && other.prompt == record.prompt;
            let unnamed = |job: &&Job| record.prompt.as_deref() == Some(&job.prompt) && !is_named(job);
            let alike = match record.prompt {
                Some(_) => records.iter().filter(alike).collect(),
                None => vec![record],
            };
            (alike, jobs.iter().filter(unnamed).map(Job::charge).sum())
        }
    };
    let paid: u64 = together.iter().filter_map(|record| record.paid()).sum();
    let is_known = |record: &&Arc<Record>| record.paid().is_some();
    let questions: u64 = together
        .iter()
        .copied()
        .filter(is_known)
        .map(|record| record.questions)
        .sum();
    let is_right = if together.iter().all(is_known) {
        paid == charged + questions
    } else {
        // Of the rest it is said that it is not known.
        paid <= charged + questions
    };
    if is_right {
        return Ok(());
    }
    Err(format!(
        "the ledger says {paid} ticks in {}, and {charged} were charged",
        record.name
    ))
}

/// A job that made a clip is saved or open; or a person or the service gave it up.
fn clip_is_safe(contents: &Contents, state: &State, record: &Record, job: &Job) -> Result<(), String> {
    if job.end != End::Clip || !job.is_over(state.now) {
        return Ok(());
    }
    match record.state.as_str() {
        "saved" => {
            let id = record.clip.as_deref().unwrap_or_default();
            match clip(contents, id) {
                Some(bytes) if bytes == job.clip => sidecar_is_right(contents, id, job),
                Some(_) => Err(format!("{} is saved as {id} with other bytes", job.id)),
                None => Err(format!("{} is called saved, and {id} is not there", job.id)),
            }
        }
        "settled" => Ok(()),
        _ if record.is_open() => Ok(()),
        // The service forgot it before anybody came.
        _ if state.now >= job.gone => Ok(()),
        other => Err(format!(
            "{} made a clip, and its record is closed as {other}",
            job.id
        )),
    }
}

/// Whether a record that is open is in the ledger as well.
fn is_twice(contents: &Contents, record: &Record) -> bool {
    let mut others = contents.records().into_iter();
    others.any(|other| other.id == record.id && !other.is_open())
}

/// What the library says was spent is what its records say and, where all is known, what the service charged.
pub(super) fn sum_is_right(contents: &Contents, state: &State, spent: Spent) -> Result<(), String> {
    let records = records(contents);
    let paid: u64 = records.iter().filter_map(|record| record.paid()).sum();
    if spent.paid != UsdTicks::new(paid) {
        return Err(format!("{spent:?} are called spent, and the records say {paid}"));
    }
    let service = &state.services[0];
    let charged = service.questions + service.jobs.iter().map(Job::charge).sum::<u64>();
    if spent.reserved != UsdTicks::ZERO && !records.iter().any(|record| record.is_open()) {
        return Err(format!("nothing is open, and {spent:?} are called spent"));
    }
    let is_known = records.iter().all(|record| record.paid().is_some());
    if paid > charged || (is_known && paid != charged) {
        return Err(format!(
            "{paid} ticks are called paid, and {charged} were charged"
        ));
    }
    Ok(())
}

/// A clip that a caller was given is in the library, and is what a job made that `is_its`. `what` names it.
pub(super) fn is_given(
    contents: &Contents,
    state: &State,
    id: &str,
    what: &str,
    is_its: impl Fn(&Job) -> bool,
) -> Result<(), String> {
    let Some(bytes) = clip(contents, id) else {
        return Err(format!("a caller was given {id}, which is not in the library"));
    };
    let mut jobs = state.services[0].jobs.iter();
    if let Some(job) = jobs.find(|job| job.clip == bytes && is_its(job)) {
        return sidecar_is_right(contents, id, job);
    }
    Err(format!("a caller was given {id}, and it is not what {what} made"))
}

/// What is written beside a clip is about it.
fn sidecar_is_right(contents: &Contents, id: &str, job: &Job) -> Result<(), String> {
    let sidecar = contents.get(&format!("{PREFIX}/{id}.mp4.json"));
    let sidecar = sidecar.ok_or_else(|| format!("{id} has no sidecar"))?;
    let sidecar: Value =
        serde_json::from_slice(&sidecar).map_err(|error| format!("sidecar of {id}: {error}"))?;
    let ours = &sidecar["reelkin"];
    let is_right = ours["job_id"] == job.id.as_str()
        && ours["bytes"] == job.clip.len()
        // Who picked a job up by its id alone does not know its prompt.
        && (sidecar["userPrompt"] == job.prompt.as_str() || sidecar["userPrompt"].is_null());
    if is_right {
        return Ok(());
    }
    Err(format!("the sidecar of {id} is not about {}: {sidecar}", job.id))
}

/// What a recovery leaves open it names, and why.
pub(super) fn all_open_are_named(contents: &Contents, recovered: &Recovered) -> Result<(), String> {
    let lists = [
        &recovered.open,
        &recovered.unsettled,
        &recovered.elsewhere,
        &recovered.other_service,
    ];
    let named: BTreeSet<&str> = lists
        .into_iter()
        .flatten()
        .map(|record| record.id.as_str())
        .chain(recovered.stuck.iter().map(|stuck| stuck.record.as_str()))
        .collect();
    let records = records(contents);
    match records
        .iter()
        .find(|record| record.is_open() && !named.contains(record.id.as_str()))
    {
        None => Ok(()),
        Some(record) => Err(format!("a recovery leaves {record:?} open and does not name it")),
    }
}

/// A clip in the library.
fn clip(contents: &Contents, id: &str) -> Option<Bytes> {
    contents.get(&format!("{PREFIX}/{id}.mp4"))
}

/// What a caller was told of the charge for its request is true.
pub(super) fn charge_is_true(state: &State, prompt: &str, charge: Charge) -> Result<(), String> {
    let service = &state.services[0];
    let mut jobs = service.jobs.iter().filter(|job| job.prompt == prompt);
    let is_true = match charge {
        Charge::No => {
            jobs.all(|job| job.charge() == 0 && job.is_over(state.now)) && !service.is_traveling(prompt)
        }
        Charge::Yes => jobs.any(|job| job.charge() > 0),
        Charge::Unknown => true,
    };
    if is_true {
        return Ok(());
    }
    Err(format!(
        "the caller of {prompt:?} was told of its charge: {charge:?}"
    ))
}

/// The clips in the library.
pub(super) fn clips(contents: &Contents) -> Vec<Bytes> {
    let is_clip = |name: &str| {
        name.strip_suffix(".mp4")
            .is_some_and(|name| name.matches('/').count() == 1)
    };
    let all = contents.below(&format!("{PREFIX}/")).into_iter();
    all.filter(|(name, _)| is_clip(name))
        .map(|(_, bytes)| bytes)
        .collect()
}

/// Each clip was made by a job of the account.
fn clips_are_theirs(contents: &Contents, jobs: &[Job]) -> Result<(), String> {
    let is_ours = |clip: &Bytes| jobs.iter().any(|job| job.clip == *clip);
    if clips(contents).iter().all(is_ours) {
        return Ok(());
    }
    Err("the library has a clip that this account did not make".to_owned())
}
