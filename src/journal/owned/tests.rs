use std::sync::Arc;
use std::time::SystemTime;

use object_store::memory::InMemory;

use super::super::entry::day_of;
use super::super::{Claim, ReserveResult, Settlement, entries};
use super::*;
use crate::host::Instant;
use crate::money::{Budget, UsdTicks};
use crate::storage::Bucket;

/// Two clients of one bucket.
fn two() -> [Journal; 2] {
    let store = Arc::new(InMemory::new());
    [(); 2].map(|()| {
        Journal::new(Arc::new(Bucket::new(
            Arc::clone(&store) as _,
            "team".into(),
            None,
        )))
    })
}

async fn reserved(journal: &Journal) -> OwnedRecord {
    let mut record = JobRecord::new("generate").unwrap();
    record.estimate = Some(UsdTicks::new(500));
    match journal.reserve(record, &Budget::NONE).await.unwrap() {
        ReserveResult::Reserved(record) => record,
        ReserveResult::OverBudget { error, .. } => panic!("{error}"),
    }
}

/// Claims a record whose owner appears to be dead.
async fn claimed(journal: &Journal, id: &RecordId) -> OwnedRecord {
    let job = journal.open_job(id).await.unwrap().unwrap();
    let found = journal.claim(&job, None).await.unwrap();
    if let Claim::HeldByOther { is_alive, .. } = found {
        assert!(!is_alive);
        journal.inner.watcher.age(LEASE_DURATION);
        return match journal.claim(&job, None).await.unwrap() {
            Claim::Ours(record) => record,
            other => panic!("{other:?}"),
        };
    }
    match found {
        Claim::Ours(record) => record,
        other => panic!("{other:?}"),
    }
}

/// Writes over the version that was last read. Returns whether that succeeded.
async fn write(record: &mut OwnedRecord, change: &(impl Fn(&mut JobRecord) + Send + Sync)) -> bool {
    let version = record.0.version.clone();
    record.put(change, Some(&version)).await.unwrap()
}

fn long_ago() -> Moment {
    Moment::at(
        Instant::now().checked_sub(LEASE_DURATION).unwrap(),
        SystemTime::now().checked_sub(LEASE_DURATION).unwrap(),
    )
}

#[tokio::test]
async fn a_client_that_was_taken_for_dead_sends_nothing() {
    // Its reservation was dropped.
    let [owner, other] = two();
    let mut file = reserved(&owner).await;
    let id = file.record().id.clone();
    claimed(&other, &id).await.discard().await.unwrap();
    let error = file
        .change_unsent(|record| record.state = JobState::Intended)
        .await
        .unwrap_err();
    assert_eq!(error.may_have_been_charged(), Charge::No, "{error}");
    assert!(error.to_string().contains("nothing was sent"), "{error}");
    file.discard().await.unwrap();
    assert!(owner.jobs().await.unwrap().is_empty());

    // It was taken over a moment before.
    let mut file = reserved(&owner).await;
    let id = file.record().id.clone();
    let theirs = claimed(&other, &id).await;
    file.change_unsent(|record| record.state = JobState::Intended)
        .await
        .unwrap_err();
    drop(theirs);
}

#[tokio::test]
async fn a_stale_record_is_written_again_before_its_create_leaves() {
    let [owner, other] = two();
    let mut file = reserved(&owner).await;
    file.change_unsent(|record| record.state = JobState::Intended)
        .await
        .unwrap();
    let version = file.0.version.clone();
    file.check_unsent().await.unwrap();
    assert_eq!(file.0.version, version, "the lease holds, nothing is written");
    file.0.written_at = long_ago();
    file.check_unsent().await.unwrap();
    assert_ne!(file.0.version, version);
    // A lease that was not renewed in time counts as little.
    owner.inner.renewal.set(long_ago());
    let version = file.0.version.clone();
    file.check_unsent().await.unwrap();
    assert_ne!(file.0.version, version);

    let id = file.record().id.clone();
    let mut theirs = claimed(&other, &id).await;
    theirs
        .change(|record| {
            record.state = JobState::Unknown;
            record.owner = None;
        })
        .await
        .unwrap();
    file.0.written_at = long_ago();
    file.check_unsent().await.unwrap_err();
}

#[tokio::test]
async fn what_is_known_after_the_create_is_added_to_what_another_one_wrote() {
    let [owner, other] = two();
    let mut file = reserved(&owner).await;
    let id = file.record().id.clone();
    let theirs = claimed(&other, &id).await;
    file.change(|record| {
        record.state = JobState::Accepted;
        record.job_id = Some(job_id());
        record.owner = None;
    })
    .await
    .unwrap();
    let open = owner.jobs().await.unwrap().remove(0);
    assert_eq!(open.job_id, Some(job_id()));
    assert_eq!(open.owner, theirs.record().owner, "it is theirs to give up");
    // Removed by hand, it is written again.
    let name = file.0.name.clone();
    owner.open_store().remove(&name).await.unwrap();
    file.change(|record| record.state = JobState::Done).await.unwrap();
    assert_eq!(owner.jobs().await.unwrap()[0].state, JobState::Done);
}

/// As after a write that failed.
fn forget_to_write_the_job(file: &mut OwnedRecord) {
    file.0.job = Some(KnownJob {
        id: job_id(),
        clip: "1763829999123_a1b2c3d4".parse().unwrap(),
    });
}

fn job_id() -> JobId {
    JobId::parse("j-1").unwrap()
}

#[tokio::test]
async fn a_record_that_was_ended_meanwhile_gets_the_id_of_its_job() {
    for (ends, steps) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
        let [owner, other] = two();
        let mut file = reserved(&owner).await;
        let id = file.record().id.clone();
        let mut theirs = claimed(&other, &id).await;
        let settled = |record: &mut JobRecord| record.state = JobState::Settled;
        if steps == 1 {
            assert!(write(&mut theirs, &settled).await);
        } else {
            theirs.close(settled).await.unwrap();
        }
        forget_to_write_the_job(&mut file);
        if ends {
            file.close(|record| record.state = JobState::Failed)
                .await
                .unwrap();
        } else {
            file.change(|_| {}).await.unwrap();
        }
        let record = owner.job_record(&id).await.unwrap();
        assert_eq!(record.state, JobState::Settled, "{ends} {steps}");
        assert_eq!(record.job_id, Some(job_id()), "{ends} {steps}");
    }
}

/// The answer to a create arrives between the look of a person and the write of what the person says.
#[tokio::test]
async fn a_job_that_becomes_known_meanwhile_is_not_settled_as_something_else() {
    for said in [
        Settlement::Job("j-2".to_owned()),
        Settlement::NeverMade,
        Settlement::Lost(UsdTicks::new(500)),
    ] {
        let [owner, other] = two();
        let mut file = reserved(&owner).await;
        file.change_unsent(|record| {
            record.state = JobState::Unknown;
            record.owner = None;
        })
        .await
        .unwrap();
        let id = file.record().id.clone();
        let job = other.open_job(&id).await.unwrap().unwrap();
        let named = other.record_to_settle(&job).await.unwrap().job_id;
        forget_to_write_the_job(&mut file);
        file.change(|_| {}).await.unwrap();
        let settled = match &said {
            Settlement::Job(job_id) => {
                let job_id = JobId::parse(job_id).unwrap();
                other.settle_with_job(&job, &job_id).await
            }
            said => other.settle_without_clip(&job, named.as_ref(), said).await,
        };
        let error = settled.unwrap_err();
        assert!(error.to_string().contains("its job is j-1"), "{error}");
        let record = owner.jobs().await.unwrap().remove(0);
        assert_eq!(record.state, JobState::Accepted, "{said:?}");
        assert_eq!(record.job_id, Some(job_id()), "{said:?}");
        assert_eq!(record.owner, None, "{said:?}");
        // A person who checks again can settle it.
        let named = record.job_id.as_ref();
        let settled = other
            .settle_without_clip(&job, named, &Settlement::NeverMade)
            .await
            .unwrap();
        assert_eq!(settled.state, JobState::Settled);
    }
}

#[tokio::test]
async fn a_record_that_two_write_again_stays_open() {
    let [owner, other] = two();
    let mut file = reserved(&owner).await;
    let id = file.record().id.clone();
    let mut theirs = claimed(&other, &id).await;
    let name = file.0.name.clone();
    owner.open_store().remove(&name).await.unwrap();
    theirs
        .change(|record| record.state = JobState::Unknown)
        .await
        .unwrap();
    forget_to_write_the_job(&mut file);
    file.change(|_| {}).await.unwrap();
    let open = owner.jobs().await.unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0].job_id, Some(job_id()));
    assert!(owner.ledger_entry(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_job_that_was_not_written_down_is_named_by_the_next_write() {
    for ends in [false, true] {
        let [owner, _] = two();
        let mut file = reserved(&owner).await;
        file.change_unsent(|record| record.state = JobState::Intended)
            .await
            .unwrap();
        let id = file.record().id.clone();
        forget_to_write_the_job(&mut file);
        if ends {
            file.close(|record| record.state = JobState::Saved).await.unwrap();
        } else {
            file.change(|record| record.quarantined = true).await.unwrap();
        }
        let record = owner.job_record(&id).await.unwrap();
        assert_eq!(record.job_id, Some(job_id()));
        assert_eq!(
            record.clip.as_ref().map(ClipId::as_str),
            Some("1763829999123_a1b2c3d4")
        );
        let state = if ends { JobState::Saved } else { JobState::Accepted };
        assert_eq!(record.state, state);
    }
}

#[tokio::test]
async fn two_that_close_a_record_leave_one_entry() {
    for (first, second, stays) in [
        (JobState::Failed, JobState::Saved, JobState::Saved),
        (JobState::Saved, JobState::Failed, JobState::Saved),
        (JobState::Failed, JobState::Failed, JobState::Failed),
    ] {
        let [one, two] = two();
        let file = reserved(&one).await;
        let id = file.record().id.clone();
        let other = claimed(&two, &id).await;
        let end = |state: JobState| {
            move |record: &mut JobRecord| {
                record.state = state;
                record.cost = (state == JobState::Saved).then_some(UsdTicks::new(700));
            }
        };
        assert_eq!(other.close(end(first)).await.unwrap().state, first);
        assert_eq!(file.close(end(second)).await.unwrap().state, stays);
        let day = one.ledger_store(&day_of(id.millis()));
        let names = day.names().await.unwrap();
        assert_eq!(names.len(), 1, "{first:?} {second:?}: {names:?}");
        assert_eq!(one.job_record(&id).await.unwrap().state, stays);
        assert!(one.jobs().await.unwrap().is_empty());
        assert_eq!(one.spent(..).await.unwrap().requests, 1);
    }
}

#[tokio::test]
async fn an_ending_that_was_interrupted_is_carried_on() {
    let [one, two] = two();
    let mut file = reserved(&one).await;
    let id = file.record().id.clone();
    // The first step of a close, and then the process died.
    let ended = |record: &mut JobRecord| {
        record.state = JobState::Failed;
        record.owner = None;
    };
    assert!(write(&mut file, &ended).await);
    drop(file);
    assert!(two.jobs().await.unwrap().is_empty());
    let job = two.open_job(&id).await.unwrap().unwrap();
    let found = two.claim(&job, None).await.unwrap();
    assert!(matches!(found, Claim::Ended(_)), "{found:?}");
    assert!(two.open_jobs().await.unwrap().is_empty());
    assert_eq!(two.job_record(&id).await.unwrap().state, JobState::Failed);
}

#[tokio::test]
async fn an_ending_is_reported_once() {
    let [owner, other] = two();
    let mut file = reserved(&owner).await;
    let id = file.record().id.clone();
    // Its owner is between the two steps of a close.
    let ended = |record: &mut JobRecord| record.state = JobState::Saved;
    assert!(write(&mut file, &ended).await);
    let job = other.open_job(&id).await.unwrap().unwrap();
    let found = other.claim(&job, None).await.unwrap();
    assert!(
        matches!(found, Claim::HeldByOther { is_alive: false, .. }),
        "{found:?}"
    );
    // A sign of life: it reports the clip itself, and a recovery only makes the step.
    owner.renew_lease().await.unwrap();
    let found = other.claim(&job, None).await.unwrap();
    assert!(matches!(found, Claim::Gone), "{found:?}");
    assert!(other.open_jobs().await.unwrap().is_empty());
    assert_eq!(file.close(ended).await.unwrap().state, JobState::Saved);
    assert_eq!(other.job_record(&id).await.unwrap().owner, None);
    assert_eq!(
        entries(&other.ledger_store(&day_of(id.millis())))
            .await
            .unwrap()
            .len(),
        1
    );
}
