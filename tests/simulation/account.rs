//! The person who reads the account page of the service and settles requests.

use std::sync::Arc;

use bytes::Bytes;

use super::checks::{self, Record};
use super::service::Job;
use super::world::World;
use crate::journal::Settlement;
use crate::money::UsdTicks;

/// Returns how the person settles each record that is unknown, or failed with an unknown cost.
pub(super) fn page(world: &World) -> Vec<(String, Settlement)> {
    let records = checks::records(&world.contents);
    let clips = checks::clips(&world.contents);
    let settled = |record: &Arc<Record>| {
        let settlement = settlement(world, record, &records, &clips)?;
        Some((record.id.clone(), settlement))
    };
    records.iter().filter_map(settled).collect()
}

fn settlement(
    world: &World,
    record: &Record,
    records: &[Arc<Record>],
    clips: &[Bytes],
) -> Option<Settlement> {
    let is_doubtful = record.state == "failed" && record.name.contains(".estimated.");
    if record.state != "unknown" && !is_doubtful {
        return None;
    }
    let prompt = record.prompt.as_deref()?;
    let others = || records.iter().filter(|other| other.id != record.id);
    let has_record = |job: &Job| {
        let mut senders = others().filter(|other| !other.is_pickup());
        senders.any(|other| other.job_id.as_deref() == Some(&job.id))
    };
    // The jobs that were settled by their amount, without their id.
    let settled = others()
        .filter(|other| other.prompt == record.prompt && other.job_id.is_none())
        .filter(|other| other.paid().is_some_and(|paid| paid > 0))
        .count();
    world.lock(|state| {
        let service = &state.services[0];
        // The job may still be made.
        if service.is_traveling(prompt) {
            return None;
        }
        let made = match &record.job_id {
            Some(id) => service.jobs.iter().find(|job| *id == job.id),
            None => {
                let is_its = |job: &&Job| job.prompt == prompt && !has_record(job);
                let mut charged = service.jobs.iter().filter(|job| job.charge() > 0).filter(is_its);
                let mut free = service.jobs.iter().filter(|job| job.charge() == 0).filter(is_its);
                charged.nth(settled).or_else(|| free.next())
            }
        };
        Some(match made {
            None => Settlement::NeverMade,
            Some(job) if is_doubtful && job.charge() == 0 => Settlement::NeverMade,
            // Its clip is saved already if the job was picked up by its id.
            Some(job) if is_doubtful || state.now >= job.gone || clips.contains(&job.clip) => {
                Settlement::Lost(UsdTicks::new(job.charge()))
            }
            Some(job) => Settlement::Job(job.id.clone()),
        })
    })
}
