use std::sync::Arc;
use std::time::{Duration, SystemTime};

use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};

use super::super::entry_name::day_of;
use super::super::{Claim, Settlement, entries};
use super::*;
use crate::host::Instant;
use crate::journal::for_tests::{first_renewal, journals, pass, reserve};
use crate::money::UsdTicks;
use crate::storage::{Bucket, Folder};

/// Claims a record whose owner appears to be dead.
async fn claim(journal: &Journal, id: &RecordId) -> OwnedRecord {
    let job = journal.open_job(id).await.unwrap().unwrap();
    let claimed = journal.claim(&job, None).await.unwrap();
    if let Claim::HeldByOther { is_alive, .. } = claimed {
        assert!(!is_alive);
        journal.inner.watcher.age(LEASE_DURATION);
        return match journal.claim(&job, None).await.unwrap() {
            Claim::Ours(record) => record,
            other => panic!("{other:?}"),
        };
    }
    match claimed {
        Claim::Ours(record) => record,
        other => panic!("{other:?}"),
    }
}

/// Replaces the version that was last read. Returns whether that succeeded.
async fn replace(owned: &mut OwnedRecord, change: &(impl Fn(&mut JobRecord) + Send + Sync)) -> bool {
    let version = owned.0.version.clone();
    owned.put(change, Some(&version)).await.unwrap()
}

/// Returns a moment so long ago that a lease renewed then has expired.
fn long_ago() -> Moment {
    Moment::at(
        Instant::now().checked_sub(LEASE_DURATION).unwrap(),
        SystemTime::now().checked_sub(LEASE_DURATION).unwrap(),
    )
}

#[tokio::test]
async fn a_client_that_was_assumed_dead_sends_nothing() {
    // Another client has removed its reservation.
    let [owner, other] = journals();
    let mut owned = reserve(&owner).await;
    let id = owned.record().id.clone();
    claim(&other, &id).await.discard().await.unwrap();
    let error = owned
        .change_unsent(|record| record.state = JobState::Intended)
        .await
        .unwrap_err();
    assert_eq!(error.may_have_been_charged(), Charge::No, "{error}");
    assert!(error.to_string().contains("nothing was sent"), "{error}");
    owned.discard().await.unwrap();
    assert!(owner.jobs().await.unwrap().is_empty());

    // Another client has claimed its record.
    let mut owned = reserve(&owner).await;
    let id = owned.record().id.clone();
    let theirs = claim(&other, &id).await;
    owned
        .change_unsent(|record| record.state = JobState::Intended)
        .await
        .unwrap_err();
    drop(theirs);
}

#[tokio::test]
async fn a_stale_record_is_written_again_before_its_create_request_is_sent() {
    let [owner, other] = journals();
    let mut owned = reserve(&owner).await;
    owned
        .change_unsent(|record| record.state = JobState::Intended)
        .await
        .unwrap();
    let version = owned.0.version.clone();
    owned.check_unsent().await.unwrap();
    assert_eq!(
        owned.0.version, version,
        "the lease is valid, so nothing is written"
    );
    owned.0.written_at = long_ago();
    owned.check_unsent().await.unwrap();
    assert_ne!(owned.0.version, version);
    // The lease was not renewed in time.
    owner.inner.renewal.set(long_ago());
    let version = owned.0.version.clone();
    owned.check_unsent().await.unwrap();
    assert_ne!(owned.0.version, version);

    let id = owned.record().id.clone();
    let mut theirs = claim(&other, &id).await;
    theirs
        .change(|record| {
            record.state = JobState::Unknown;
            record.owner = None;
        })
        .await
        .unwrap();
    owned.0.written_at = long_ago();
    owned.check_unsent().await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_check_that_took_longer_than_a_lease_is_certain_is_repeated() {
    let slow = Duration::from_secs(12);
    let store = Arc::new(ThrottledStore::new(InMemory::new(), ThrottleConfig::default()));
    let bucket = Bucket::new(Arc::clone(&store) as _, "team".into(), None);
    let journal = Journal::new(Arc::new(bucket));
    let mut owned = reserve(&journal).await;
    let set_speed = |time| store.config_mut(|config| config.wait_put_per_call = time);

    // As if the process was suspended while it waited for one reply.
    owned.0.written_at = long_ago();
    set_speed(slow);
    let check = async {
        owned.check_unsent().await.unwrap();
        owned.0.written_at.elapsed()
    };
    let recover = async {
        pass(slow / 2).await;
        set_speed(Duration::ZERO);
    };
    let (age, ()) = tokio::join!(check, recover);
    assert!(age < Duration::from_secs(1), "{age:?}");

    // A store that stays this slow cannot show whose record it is.
    set_speed(slow);
    owned.0.written_at = long_ago();
    let error = owned.check_unsent().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Library, "{error}");
}

#[tokio::test]
async fn a_change_after_the_create_request_is_applied_to_the_version_of_another_client() {
    let [owner, other] = journals();
    let mut owned = reserve(&owner).await;
    let id = owned.record().id.clone();
    let theirs = claim(&other, &id).await;
    owned
        .change(|record| {
            record.state = JobState::Accepted;
            record.job_id = Some(job_id());
            record.owner = None;
        })
        .await
        .unwrap();
    let open = owner.jobs().await.unwrap().remove(0);
    assert_eq!(open.job_id, Some(job_id()));
    assert_eq!(
        open.owner,
        theirs.record().owner,
        "only the other client may release it"
    );
    // A record that was removed by hand is written again.
    let name = owned.0.name.clone();
    owner.open_store().remove(&name).await.unwrap();
    owned
        .change(|record| record.state = JobState::Done)
        .await
        .unwrap();
    assert_eq!(owner.jobs().await.unwrap()[0].state, JobState::Done);
}

/// Simulates that the job is known but writing it failed.
fn simulate_failed_accept(owned: &mut OwnedRecord) {
    owned.0.job = Some(KnownJob {
        id: job_id(),
        clip: "1763829999123_a1b2c3d4".parse().unwrap(),
        is_late: false,
    });
}

fn job_id() -> JobId {
    JobId::parse("j-1").unwrap()
}

#[tokio::test]
async fn a_record_that_another_client_ended_gets_its_job_id() {
    for (closes, steps) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
        let [owner, other] = journals();
        let mut owned = reserve(&owner).await;
        let id = owned.record().id.clone();
        let mut theirs = claim(&other, &id).await;
        let settled = |record: &mut JobRecord| record.state = JobState::Settled;
        if steps == 1 {
            assert!(replace(&mut theirs, &settled).await);
        } else {
            theirs.close(settled).await.unwrap();
        }
        simulate_failed_accept(&mut owned);
        if closes {
            owned
                .close(|record| record.state = JobState::Failed)
                .await
                .unwrap();
        } else {
            owned.change(|_| {}).await.unwrap();
        }
        let record = owner.job_record(&id).await.unwrap();
        assert_eq!(record.state, JobState::Settled, "{closes} {steps}");
        assert_eq!(record.job_id, Some(job_id()), "{closes} {steps}");
    }
}

/// The reply to the create request arrives between a person's decision and the write of the settlement.
#[tokio::test]
async fn a_settlement_does_not_apply_to_a_job_that_became_known_meanwhile() {
    for settlement in [
        Settlement::Job("j-2".to_owned()),
        Settlement::NeverMade,
        Settlement::Lost(UsdTicks::new(500)),
    ] {
        let [owner, other] = journals();
        let mut owned = reserve(&owner).await;
        owned
            .change_unsent(|record| {
                record.state = JobState::Unknown;
                record.owner = None;
            })
            .await
            .unwrap();
        let id = owned.record().id.clone();
        let job = other.open_job(&id).await.unwrap().unwrap();
        let named = other.record_to_settle(&job).await.unwrap().job_id;
        simulate_failed_accept(&mut owned);
        owned.change(|_| {}).await.unwrap();
        let settled = match &settlement {
            Settlement::Job(job_id) => {
                let job_id = JobId::parse(job_id).unwrap();
                other.settle_with_job(&job, &job_id).await
            }
            settlement => other.settle_without_clip(&job, named.as_ref(), settlement).await,
        };
        let error = settled.unwrap_err();
        assert!(error.to_string().contains("its job is j-1"), "{error}");
        let record = owner.jobs().await.unwrap().remove(0);
        assert_eq!(record.state, JobState::Accepted, "{settlement:?}");
        assert_eq!(record.job_id, Some(job_id()), "{settlement:?}");
        assert_eq!(record.owner, None, "{settlement:?}");
        // With the job id known, it can be settled.
        let named = record.job_id.as_ref();
        let settled = other
            .settle_without_clip(&job, named, &Settlement::NeverMade)
            .await
            .unwrap();
        assert_eq!(settled.state, JobState::Settled);
    }
}

#[tokio::test]
async fn a_removed_record_that_two_clients_restore_stays_open() {
    let [owner, other] = journals();
    let mut owned = reserve(&owner).await;
    let id = owned.record().id.clone();
    let mut theirs = claim(&other, &id).await;
    let name = owned.0.name.clone();
    owner.open_store().remove(&name).await.unwrap();
    theirs
        .change(|record| record.state = JobState::Unknown)
        .await
        .unwrap();
    simulate_failed_accept(&mut owned);
    owned.change(|_| {}).await.unwrap();
    let open = owner.jobs().await.unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0].job_id, Some(job_id()));
    assert!(owner.ledger_entry(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_job_whose_write_failed_is_in_the_next_write() {
    for closes in [false, true] {
        let [owner, _] = journals();
        let mut owned = reserve(&owner).await;
        owned
            .change_unsent(|record| record.state = JobState::Intended)
            .await
            .unwrap();
        let id = owned.record().id.clone();
        simulate_failed_accept(&mut owned);
        if closes {
            owned
                .close(|record| record.state = JobState::Saved)
                .await
                .unwrap();
        } else {
            owned.change(|record| record.quarantined = true).await.unwrap();
        }
        let record = owner.job_record(&id).await.unwrap();
        assert_eq!(record.job_id, Some(job_id()));
        assert_eq!(
            record.clip.as_ref().map(ClipId::as_str),
            Some("1763829999123_a1b2c3d4")
        );
        let state = if closes {
            JobState::Saved
        } else {
            JobState::Accepted
        };
        assert_eq!(record.state, state);
    }
}

#[tokio::test]
async fn a_record_that_two_clients_close_has_one_entry() {
    for (first, second, expected) in [
        (JobState::Failed, JobState::Saved, JobState::Saved),
        (JobState::Saved, JobState::Failed, JobState::Saved),
        (JobState::Failed, JobState::Failed, JobState::Failed),
    ] {
        let [one, two] = journals();
        let owned = reserve(&one).await;
        let id = owned.record().id.clone();
        let other = claim(&two, &id).await;
        let end = |state: JobState| {
            move |record: &mut JobRecord| {
                record.state = state;
                record.cost = (state == JobState::Saved).then_some(UsdTicks::new(700));
            }
        };
        assert_eq!(other.close(end(first)).await.unwrap().state, first);
        assert_eq!(owned.close(end(second)).await.unwrap().state, expected);
        let day = one.ledger_store(&day_of(id.millis()));
        let names = day.names().await.unwrap();
        assert_eq!(names.len(), 1, "{first:?} {second:?}: {names:?}");
        assert_eq!(one.job_record(&id).await.unwrap().state, expected);
        assert!(one.jobs().await.unwrap().is_empty());
        assert_eq!(one.spent(..).await.unwrap().requests, 1);
    }
}

#[tokio::test]
async fn an_interrupted_close_is_completed_by_another_client() {
    let [one, two] = journals();
    let mut owned = reserve(&one).await;
    let id = owned.record().id.clone();
    // The process dies after the first step of a close.
    let ended = |record: &mut JobRecord| {
        record.state = JobState::Failed;
        record.owner = None;
    };
    assert!(replace(&mut owned, &ended).await);
    drop(owned);
    assert!(two.jobs().await.unwrap().is_empty());
    let job = two.open_job(&id).await.unwrap().unwrap();
    let claim = two.claim(&job, None).await.unwrap();
    assert!(matches!(claim, Claim::Ended(_)), "{claim:?}");
    assert!(two.open_jobs().await.unwrap().is_empty());
    assert_eq!(two.job_record(&id).await.unwrap().state, JobState::Failed);
}

#[tokio::test]
async fn only_one_client_reports_how_a_record_ended() {
    let [owner, other] = journals();
    let mut owned = reserve(&owner).await;
    let id = owned.record().id.clone();
    // Its owner is between the two steps of a close.
    let ended = |record: &mut JobRecord| record.state = JobState::Saved;
    assert!(replace(&mut owned, &ended).await);
    let job = other.open_job(&id).await.unwrap().unwrap();
    let claim = other.claim(&job, None).await.unwrap();
    assert!(
        matches!(claim, Claim::HeldByOther { is_alive: false, .. }),
        "{claim:?}"
    );
    // Its owner is alive and reports the clip, so a recovery only completes the move.
    owner.renew_lease().await.unwrap();
    let claim = other.claim(&job, None).await.unwrap();
    assert!(matches!(claim, Claim::Gone), "{claim:?}");
    assert!(other.open_jobs().await.unwrap().is_empty());
    assert_eq!(owned.close(ended).await.unwrap().state, JobState::Saved);
    assert_eq!(other.job_record(&id).await.unwrap().owner, None);
    assert_eq!(
        entries(&other.ledger_store(&day_of(id.millis())))
            .await
            .unwrap()
            .len(),
        1
    );
}

/// The reply to the write that ends a record is lost, and no client owned the record before.
#[tokio::test(start_paused = true)]
async fn a_record_whose_end_was_not_confirmed_reaches_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::new(Arc::new(Folder::create(folder.path()).unwrap()));
    let mut owned = reserve(&journal).await;
    // It must not look for abandoned records while the write is on its way.
    first_renewal().await;
    let id = owned.record().id.clone();
    owned.change(|record| record.owner = None).await.unwrap();
    let mut close = Box::pin(owned.close(|record| record.state = JobState::Saved));
    assert!(futures_util::poll!(&mut close).is_pending());
    // The write continues on its own thread.
    drop(close);
    while journal.job_record(&id).await.unwrap().state != JobState::Saved {
        tokio::task::yield_now().await;
    }
    assert_eq!(journal.open_entries().await.unwrap().len(), 1);
    journal.release_abandoned().await;
    assert!(journal.open_entries().await.unwrap().is_empty());
    assert_eq!(journal.job_record(&id).await.unwrap().state, JobState::Saved);
}
