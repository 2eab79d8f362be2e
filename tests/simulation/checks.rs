//! What must hold: after every step, and when all is over.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::service::{End, Job};
use super::store::Contents;
use super::world::State;

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
    fn read(name: String, json: &Bytes) -> Option<Self> {
        let record: Self = serde_json::from_slice(json).ok()?;
        Some(Self { name, ..record })
    }

    pub(super) fn is_open(&self) -> bool {
        self.name.starts_with(&format!("{PREFIX}/jobs/"))
    }

    /// What its name says was paid, if that is known for good.
    fn paid(&self) -> Option<u64> {
        let (_, ticks) = self.name.split_once(".paid.")?;
        ticks.strip_suffix(".json")?.parse().ok()
    }
}

/// All records. Of one that is in both places, as in the middle of a move, that of the ledger.
pub(super) fn records(contents: &Contents) -> Vec<Record> {
    let mut by_id = BTreeMap::new();
    for place in ["jobs/", "ledger/"] {
        for (name, json) in contents.below(&format!("{PREFIX}/{place}")) {
            if let Some(record) = Record::read(name, &json) {
                by_id.insert(record.id.clone(), record);
            }
        }
    }
    by_id.into_values().collect()
}

/// Whether a person has said what became of a record of that prompt.
fn is_settled(records: &[Record], prompt: &str) -> bool {
    let mut of = records
        .iter()
        .filter(|record| record.prompt.as_deref() == Some(prompt));
    of.any(|record| record.state == "settled")
}

/// A create made a job.
pub(super) fn job_was_made(contents: &Contents, state: &State, job: &Job) -> Result<(), String> {
    every_job_has_its_record(contents, state)?;
    let jobs = &state.services[0].jobs;
    for earlier in jobs
        .iter()
        .filter(|other| other.prompt == job.prompt && other.id != job.id)
    {
        let is_free = earlier.charge() == 0 && earlier.is_over(state.now);
        if !is_free && !is_settled(&records(contents), &job.prompt) {
            return Err(format!(
                "{:?} was asked for once, and both {} and {} were made for it",
                job.prompt, earlier.id, job.id
            ));
        }
    }
    if let Some(budget) = state.budget {
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

/// Each job of the service has a record that does not call it unsent.
pub(super) fn every_job_has_its_record(contents: &Contents, state: &State) -> Result<(), String> {
    let jobs = &state.services[0].jobs;
    if jobs.is_empty() {
        return Ok(());
    }
    let records = records(contents);
    for job in jobs {
        let of = |record: &&Record| record.prompt.as_deref() == Some(&job.prompt);
        let states: Vec<_> = records
            .iter()
            .filter(of)
            .map(|record| record.state.as_str())
            .collect();
        if states.iter().all(|state| *state == "reserved") {
            return Err(format!(
                "{} of {:?} has no record: {states:?}",
                job.id, job.prompt
            ));
        }
    }
    Ok(())
}

/// No record is closed whose job made a clip that can still be had.
pub(super) fn no_clip_is_given_up(contents: &Contents, state: &State) -> Result<(), String> {
    for record in records(contents).iter().filter(|record| record.state == "failed") {
        let is_its = |job: &&Job| record.job_id.as_deref() == Some(&job.id);
        let made = |job: &&Job| job.end == End::Clip && state.now < job.gone;
        if let Some(job) = state.services[0].jobs.iter().filter(made).find(is_its) {
            return Err(format!(
                "{} makes a clip, and its record is closed as failed",
                job.id
            ));
        }
    }
    Ok(())
}

/// What must hold when everything has been recovered and settled.
pub(super) fn all_is_well(contents: &Contents, state: &State) -> Result<(), String> {
    every_job_has_its_record(contents, state)?;
    let records = records(contents);
    let jobs = &state.services[0].jobs;
    for record in &records {
        money_is_right(record, &records, jobs)?;
    }
    for job in jobs {
        let of: Vec<_> = records
            .iter()
            .filter(|record| record.job_id.as_deref() == Some(&job.id) && record.operation != "pickup")
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
fn money_is_right(record: &Record, records: &[Record], jobs: &[Job]) -> Result<(), String> {
    let is_named = |job: &Job| {
        records
            .iter()
            .any(|other| other.job_id.as_deref() == Some(&job.id))
    };
    let (together, charged): (Vec<&Record>, u64) = match &record.job_id {
        Some(id) => (
            vec![record],
            jobs.iter().filter(|job| job.id == *id).map(Job::charge).sum(),
        ),
        None => {
            let alike = |other: &&Record| other.job_id.is_none() && other.prompt == record.prompt;
            let unnamed = |job: &&Job| record.prompt.as_deref() == Some(&job.prompt) && !is_named(job);
            let alike = match record.prompt {
                Some(_) => records.iter().filter(alike).collect(),
                None => vec![record],
            };
            (alike, jobs.iter().filter(unnamed).map(Job::charge).sum())
        }
    };
    let Some(paid) = together.iter().map(|record| record.paid()).sum::<Option<u64>>() else {
        return Ok(());
    };
    let questions: u64 = together.iter().map(|record| record.questions).sum();
    if paid == charged + questions {
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
            let name = format!("{PREFIX}/{id}.mp4");
            match contents.below(&name).into_iter().find(|(at, _)| *at == name) {
                Some((_, bytes)) if bytes == job.clip => Ok(()),
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
