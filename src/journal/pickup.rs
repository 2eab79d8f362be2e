//! Picks up jobs by their id, and keeps several records of one job apart.
//!
//! Owns the rule for two records of one job, which could both save its clip. It applies to a record that picks up a
//! job, and to that of a request whose job became known late. Such a record waits for the record of the request that
//! made the job, then for older ones, and while a client works on any other one. A client looks for other records after
//! the write that claims its own, so of two clients at least one sees the other.
//!
//! Most requests record their job before anyone else can know it, and do not look for other records.

use super::entry_name::EntryName;
use super::lease::Liveness;
use super::record::JobRecord;
use super::{Claim, Journal, OpenJob, ReserveResult};
use crate::error::Result;
use crate::ids::{ClipId, JobId};
use crate::money::Budget;
use crate::storage::is_no_document;

impl Journal {
    /// Claims the open record of a job, or creates one if there is none.
    ///
    /// # Errors
    /// `Library` if an open record cannot be read, because it may be that of the job.
    pub(crate) async fn pick_up(&self, job_id: &JobId, service: &str) -> Result<Claim> {
        if let Some((job, _)) = self.records_of_job(job_id).await?.first() {
            return self.claim_to_finish(job, service).await;
        }
        let mut record = JobRecord::pickup(job_id);
        record.service = Some(service.to_owned());
        let ReserveResult::Reserved(owned) = self.reserve(record, &Budget::new()).await? else {
            return Ok(Claim::Gone);
        };
        // Another client may have done the same concurrently, or recorded the job of a request.
        match self.other_record(owned.record()).await {
            Ok(None) => Ok(Claim::Ours(owned)),
            other => {
                owned.discard().await?;
                other.map(|_| Claim::Gone)
            }
        }
    }

    /// Claims a record like [`claim`](Self::claim), unless another record of its job is finished first. If the other
    /// records cannot be read, the record waits as well.
    pub(crate) async fn claim_to_finish(&self, job: &OpenJob, service: &str) -> Result<Claim> {
        // A record that is not the first one is not claimed even for a moment, because the first one would wait for it.
        if job.0.is_pickup()
            && let Some(record) = self.valid_record(&job.0).await?
            && !record.state.is_over()
            && record.is_for_service(service)
            && self.owner_liveness(&record).await? == Liveness::Dead
            && let Some(claim) = self.other_or_unknown(&record).await
        {
            return Ok(claim);
        }
        let mut owned = match self.claim(job, Some(service)).await? {
            Claim::Ours(owned) => owned,
            claim => return Ok(claim),
        };
        let Some(other) = self.other_or_unknown(owned.record()).await else {
            return Ok(Claim::Ours(owned));
        };
        owned.release().await?;
        let record = Box::new(owned.record().clone());
        Ok(match other {
            // Another client has ended it meanwhile and reports the result.
            _ if record.state.is_over() => Claim::Gone,
            Claim::HeldByOther { is_alive, .. } => Claim::HeldByOther { record, is_alive },
            _ => Claim::Superseded(record),
        })
    }

    async fn other_or_unknown(&self, record: &JobRecord) -> Option<Claim> {
        self.other_record(record).await.unwrap_or_else(|error| {
            tracing::warn!(record = %record.id, %error, "the other records of a job could not be read, so its record waits");
            Some(Claim::Superseded(Box::new(record.clone())))
        })
    }

    /// Returns the result of a claim if another record of the job is finished first, and `None` otherwise.
    async fn other_record(&self, record: &JobRecord) -> Result<Option<Claim>> {
        let Some(job_id) = &record.job_id else {
            return Ok(None);
        };
        if !record.is_pickup() && !record.job_known_late {
            return Ok(None);
        }
        let service = record.service.as_deref();
        let mut goes_before = true;
        for (_, other) in self.records_of_job(job_id).await? {
            if other.id == record.id {
                goes_before = false;
                continue;
            }
            if other.state.is_over() || !service.is_none_or(|service| other.is_for_service(service)) {
                continue;
            }
            let liveness = self.owner_liveness(&other).await?;
            if goes_before && liveness == Liveness::Dead {
                return Ok(Some(Claim::Superseded(Box::new(record.clone()))));
            }
            if liveness != Liveness::Dead {
                return Ok(Some(Claim::HeldByOther {
                    record: Box::new(record.clone()),
                    is_alive: liveness == Liveness::Alive,
                }));
            }
        }
        Ok(None)
    }

    /// Returns whether a client works on a record. `Dead` if none does.
    async fn owner_liveness(&self, record: &JobRecord) -> Result<Liveness> {
        let ours = self.inner.lease.get().map(|lease| &lease.id);
        match &record.owner {
            Some(owner) if Some(owner) != ours => self.liveness(owner).await,
            Some(_) if self.lock_work().active.contains(&record.id) => Ok(Liveness::Alive),
            _ => Ok(Liveness::Dead),
        }
    }

    /// Returns the records of a job in `jobs/` that can be read, in the order in which they are finished.
    async fn records_of_job(&self, job_id: &JobId) -> Result<Vec<(OpenJob, JobRecord)>> {
        let suffix = ClipId::job_suffix(job_id);
        let mut found = Vec::new();
        for job in self.open_jobs().await? {
            if job.0.is_pickup() && !job.id().ends_with(&suffix) {
                continue;
            }
            if let Some(record) = self.valid_record(&job.0).await?
                && record.job_id.as_ref() == Some(job_id)
            {
                found.push((job, record));
            }
        }
        // Oldest first, but the record of the request that made the job before all others.
        found.sort_by_key(|(_, record)| (record.is_pickup(), record.job_known_late));
        Ok(found)
    }

    /// Reads an open record. Returns `None` if it is gone or damaged: this version cannot claim such a record.
    ///
    /// # Errors
    /// `Library` if the store failed, or if the record belongs to another user. Then it may be for any job.
    pub(super) async fn valid_record(&self, entry: &EntryName) -> Result<Option<JobRecord>> {
        match self.open_store().read(&entry.to_string()).await {
            Ok(found) => {
                let parse = |json: &[u8]| JobRecord::from_json(entry.id.as_str(), json).ok();
                Ok(found.and_then(|found| parse(&found.json)))
            }
            Err(error) if is_no_document(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordId;
    use crate::journal::JobState;
    use crate::journal::OwnedRecord;
    use crate::journal::for_tests::{journals, reserve};

    const SERVICE: &str = "https://api.x.ai";

    fn job_id() -> JobId {
        JobId::parse("j-1").unwrap()
    }

    fn ours(claim: Claim) -> OwnedRecord {
        match claim {
            Claim::Ours(owned) => owned,
            other => panic!("{other:?}"),
        }
    }

    async fn job(journal: &Journal, id: &RecordId) -> OpenJob {
        journal.open_job(id).await.unwrap().unwrap()
    }

    /// Creates a record that picks up the job. It is older than all records that are made later.
    async fn left_behind(journal: &Journal) -> RecordId {
        let mut record = JobRecord::pickup(&job_id());
        record.service = Some(SERVICE.to_owned());
        let ReserveResult::Reserved(mut owned) = journal.reserve(record, &Budget::new()).await.unwrap()
        else {
            panic!("the id is new")
        };
        owned.release().await.unwrap();
        owned.record().id.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_two_clients_picks_up_a_job() {
        let [one, two, _] = journals();
        let job_id = job_id();
        let (a, b) = tokio::join!(one.pick_up(&job_id, SERVICE), two.pick_up(&job_id, SERVICE));
        let claims = [a.unwrap(), b.unwrap()];
        let claimed = claims.iter().filter(|claim| matches!(claim, Claim::Ours(_)));
        let claimed = claimed.count();
        assert!(claimed <= 1, "{claims:?}");
        // Each that gave way has removed its record.
        assert_eq!(one.jobs().await.unwrap().len(), claimed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_waits_while_a_client_works_on_another_one_of_its_job() {
        let [one, two, three] = journals();
        let older = left_behind(&one).await;
        // Made by a client that did not see the older one, because the clock of that one's client is wrong.
        let younger = left_behind(&two).await;
        let working = ours(
            two.claim(&job(&two, &younger).await, Some(SERVICE))
                .await
                .unwrap(),
        );
        for claim in [
            three
                .claim_to_finish(&job(&three, &older).await, SERVICE)
                .await
                .unwrap(),
            three.pick_up(&job_id(), SERVICE).await.unwrap(),
            // Another task of the client that works on it.
            two.claim_to_finish(&job(&two, &older).await, SERVICE)
                .await
                .unwrap(),
        ] {
            assert!(
                matches!(&claim, Claim::HeldByOther { record, .. } if record.id == older),
                "{claim:?}"
            );
        }
        assert_eq!(three.job_record(&older).await.unwrap().owner, None);

        working.discard().await.unwrap();
        let owned = ours(three.pick_up(&job_id(), SERVICE).await.unwrap());
        assert_eq!(owned.record().id, older);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_of_several_records_is_finished_first() {
        let [one, two, _] = journals();
        let [older, younger] = [left_behind(&one).await, left_behind(&one).await];
        let claim = two
            .claim_to_finish(&job(&two, &younger).await, SERVICE)
            .await
            .unwrap();
        assert!(matches!(claim, Claim::Superseded(_)), "{claim:?}");
        // That of the request goes before both, although it is younger.
        let mut sent = reserve(&one).await;
        sent.accept(&job_id(), &ClipId::of_job("j-1")).await.unwrap();
        sent.release().await.unwrap();
        let request = sent.record().id.clone();
        drop(sent);
        let claim = two
            .claim_to_finish(&job(&two, &older).await, SERVICE)
            .await
            .unwrap();
        assert!(matches!(claim, Claim::Superseded(_)), "{claim:?}");
        let owned = ours(two.pick_up(&job_id(), SERVICE).await.unwrap());
        assert_eq!(owned.record().id, request);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_if_a_person_names_a_job_that_is_being_picked_up() {
        let [one, two, three] = journals();
        let mut sent = reserve(&one).await;
        let unknown = |record: &mut JobRecord| {
            record.state = JobState::Unknown;
            record.owner = None;
        };
        sent.change_unsent(unknown).await.unwrap();
        let id = sent.record().id.clone();
        drop(sent);
        let pickup = ours(two.pick_up(&job_id(), SERVICE).await.unwrap());
        // As if the pickup had begun after the caller had looked for other records of the job.
        let request = job(&three, &id).await;
        let settled = three.settle_with_job(&request, &job_id()).await.unwrap();
        assert!(settled.job_known_late);
        for claim in [
            three.claim_to_finish(&request, SERVICE).await.unwrap(),
            three.pick_up(&job_id(), SERVICE).await.unwrap(),
        ] {
            assert!(
                matches!(&claim, Claim::HeldByOther { record, .. } if record.id == id),
                "{claim:?}"
            );
        }
        pickup.discard().await.unwrap();
        ours(three.claim_to_finish(&request, SERVICE).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_damaged_record_does_not_block_its_job() {
        let [one] = journals();
        let entry = EntryName::of(&JobRecord::pickup(&job_id()));
        one.open_store()
            .put(&entry.to_string(), b"{".to_vec())
            .await
            .unwrap();
        ours(one.pick_up(&job_id(), SERVICE).await.unwrap());
    }
}
