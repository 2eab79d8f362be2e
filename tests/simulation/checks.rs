//! The rules that are checked during a run and at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::service::{End, Job};
use super::store::Contents;
use super::world::State;
use crate::client::Recovered;
use crate::error::Charge;
use crate::money::{Spent, UsdTicks};
use crate::storage::OWNERS;

/// The library's prefix in the store.
pub(super) const PREFIX: &str = "team";

/// The maximum age of the lease of a client that lives and reaches the store.
const LEASE_AGE: Duration = Duration::from_secs(8);

/// One record of the journal or the ledger, as it is in the store.
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
    owner: Option<String>,
    #[serde(default, rename = "questions_usd_ticks")]
    pub(super) questions: u64,
}

impl Record {
    /// Returns whether an object with this name is a record.
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

    /// Returns whether it was made for a job that was picked up by its id, not by the client that sent the request.
    pub(super) fn is_pickup(&self) -> bool {
        self.operation == "pickup"
    }

    fn is_for(&self, prompt: &str) -> bool {
        self.prompt.as_deref() == Some(prompt)
    }

    /// Returns whether its create request may have been sent.
    fn is_sent(&self) -> bool {
        !matches!(self.state.as_str(), "reserved" | "dropped")
    }

    /// Returns the day that it counts for, in days since the Unix epoch.
    fn day(&self) -> u64 {
        let millis = self
            .id
            .split('_')
            .next()
            .and_then(|millis| millis.parse::<u64>().ok());
        millis.unwrap_or_default() / 86_400_000
    }

    /// Returns the amount in its name that counts against a budget.
    fn booked(&self) -> u64 {
        let ticks = self.name.rsplit('.').nth(1);
        ticks.and_then(|ticks| ticks.parse().ok()).unwrap_or_default()
    }

    /// Returns the amount in its name that was paid, if that is final.
    pub(super) fn paid(&self) -> Option<u64> {
        let (_, ticks) = self.name.split_once(".paid.")?;
        ticks.strip_suffix(".json")?.parse().ok()
    }
}

/// Returns all records. If a record is in both places, in the middle of a move, returns the one in the ledger.
pub(super) fn records(contents: &Contents) -> Vec<Arc<Record>> {
    let all = contents.records().into_iter();
    // Records are sorted by name, so `jobs` comes before `ledger`.
    let by_id: BTreeMap<_, _> = all.map(|record| (record.id.clone(), record)).collect();
    by_id.into_values().collect()
}

/// Returns whether a person has settled a record with this prompt.
fn is_settled(records: &[Arc<Record>], prompt: &str) -> bool {
    let mut of = records.iter().filter(|record| record.is_for(prompt));
    of.any(|record| record.state == "settled")
}

/// Returns the record of a job, from the client that sent the request.
fn record_of<'a>(records: &'a [Arc<Record>], job: &Job) -> Option<&'a Arc<Record>> {
    let is_its = |record: &&Arc<Record>| record.job_id.as_deref() == Some(&job.id);
    records.iter().filter(|record| !record.is_pickup()).find(is_its)
}

/// Checks the rules for a job that a create request has just made.
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

/// Checks that every request that was sent counts against the budget in full.
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

/// Checks that each job of the service has its own record, in a state that allows for a sent request.
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

/// Checks that no record is closed as failed if its job made a clip that can still be downloaded.
pub(super) fn no_clip_is_given_up(contents: &Contents, state: &State) -> Result<(), String> {
    let records = records(contents);
    let jobs = &state.services[0].jobs;
    // A record of a picked-up job is not in the ledger. Only the record of the client that sent the request counts.
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

/// Returns whether a record with this prompt waits for its reply, or for a person.
fn is_unresolved(records: &[Arc<Record>], prompt: &str) -> bool {
    let mut of = records.iter().filter(|record| record.is_for(prompt));
    of.any(|record| record.job_id.is_none() && record.is_open())
}

/// Checks that no record is owned by a client whose calls have ended. A client that lives has renewed its lease within
/// [`LEASE_AGE`].
pub(super) fn nothing_is_held(contents: &Contents, state: &State) -> Result<(), String> {
    let is_alive = |owner: &String| {
        let renewed = contents.written_at(&format!("{PREFIX}/{OWNERS}/{owner}.json"));
        renewed.is_some_and(|at| state.now < at + LEASE_AGE)
    };
    let records = contents.records().into_iter();
    match records
        .filter(|record| record.is_open())
        .find(|record| record.owner.as_ref().is_some_and(is_alive))
    {
        None => Ok(()),
        Some(record) => Err(format!(
            "{} is held by a client that works on nothing",
            record.name
        )),
    }
}

/// Checks the rules for the end of a run, when everything has been recovered and settled.
pub(super) fn all_is_well(contents: &Contents, state: &State) -> Result<(), String> {
    every_job_has_its_record(contents, state)?;
    let records = records(contents);
    let jobs = &state.services[0].jobs;
    for record in contents.records() {
        if record.is_open() && is_twice(contents, &record) {
            return Err(format!("record {} is open and in the ledger", record.id));
        }
    }
    // A picked-up job costs nothing. The record of the client that sent the request has the price.
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
    clips_are_theirs(contents, &records, jobs)
}

/// Checks that the amount in a record was charged, and that an unknown amount is marked as such. Records of one prompt
/// without a job id are compared with the jobs of that prompt that are in no record.
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
        // The other records say that the amount is unknown.
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

/// Checks that a job that made a clip is saved or open, unless a person or the service has given it up.
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
        // The service has deleted the job before a recovery.
        _ if state.now >= job.gone => Ok(()),
        other => Err(format!(
            "{} made a clip, and its record is closed as {other}",
            job.id
        )),
    }
}

/// Returns whether an open record is also in the ledger.
fn is_twice(contents: &Contents, record: &Record) -> bool {
    let mut others = contents.records().into_iter();
    others.any(|other| other.id == record.id && !other.is_open())
}

/// Checks that the sum that the library returns is that of its records and, if all amounts are known, what was charged.
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

/// Checks that a clip in the result of the call `what` is in the library and was made by a job for which `is_its` is
/// true.
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

/// Checks that the sidecar of a clip describes this clip.
fn sidecar_is_right(contents: &Contents, id: &str, job: &Job) -> Result<(), String> {
    let sidecar = contents.get(&format!("{PREFIX}/{id}.mp4.json"));
    let sidecar = sidecar.ok_or_else(|| format!("{id} has no sidecar"))?;
    let sidecar: Value =
        serde_json::from_slice(&sidecar).map_err(|error| format!("sidecar of {id}: {error}"))?;
    let ours = &sidecar["reelkin"];
    let is_right = ours["job_id"] == job.id.as_str()
        && ours["bytes"] == job.clip.len()
// A client that picked up the job by its id does not know the prompt.
        && (sidecar["userPrompt"] == job.prompt.as_str() || sidecar["userPrompt"].is_null());
    if is_right {
        return Ok(());
    }
    Err(format!("the sidecar of {id} is not about {}: {sidecar}", job.id))
}

/// Checks that a recovery reports every record that it leaves open, with the reason.
pub(super) fn all_open_are_named(contents: &Contents, recovered: &Recovered) -> Result<(), String> {
    let lists = [
        &recovered.open,
        &recovered.unsettled,
        &recovered.held_by_others,
        &recovered.other_service,
    ];
    let named: BTreeSet<&str> = lists
        .into_iter()
        .flatten()
        .map(|record| record.id.as_str())
        .chain(recovered.stuck.iter().map(|stuck| stuck.record_id.as_str()))
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

/// Returns the bytes of a clip in the library.
fn clip(contents: &Contents, id: &str) -> Option<Bytes> {
    contents.get(&format!("{PREFIX}/{id}.mp4"))
}

/// Checks the charge for a request that was reported to its caller.
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

/// Returns the bytes of all clips in the library.
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

/// Checks that each clip was made by a job of the account, and that each job has one clip at most. It may have another
/// one if it was picked up by its id before the client that sent the request knew that id.
fn clips_are_theirs(contents: &Contents, records: &[Arc<Record>], jobs: &[Job]) -> Result<(), String> {
    let clips = clips(contents);
    let is_ours = |clip: &Bytes| jobs.iter().any(|job| job.clip == *clip);
    if !clips.iter().all(is_ours) {
        return Err("the library has a clip that this account did not make".to_owned());
    }
    let is_twice = |job: &&Job| {
        let most = 1 + usize::from(record_of(records, job).is_some_and(|record| record.state == "saved"));
        clips.iter().filter(|clip| **clip == job.clip).count() > most
    };
    match jobs.iter().find(is_twice) {
        None => Ok(()),
        Some(job) => Err(format!("the library has two clips of {}", job.id)),
    }
}
