//! What the tests of this module share.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;

use super::{Claim, JobRecord, Journal, OwnedRecord, ReserveResult};
use crate::ids::RecordId;
use crate::money::{Budget, UsdTicks};
use crate::operation::Operation;
use crate::storage::Bucket;

/// Returns the journals of several clients of one bucket.
pub(super) fn journals<const N: usize>() -> [Journal; N] {
    let store = Arc::new(InMemory::new());
    [(); N].map(|()| {
        Journal::new(Arc::new(Bucket::new(
            Arc::clone(&store) as _,
            "team".into(),
            None,
        )))
    })
}

pub(super) async fn reserve(journal: &Journal) -> OwnedRecord {
    let mut record = JobRecord::new(Operation::Generate).unwrap();
    record.estimate = Some(UsdTicks::new(500));
    match journal.reserve(record, &Budget::new()).await.unwrap() {
        ReserveResult::Reserved(record) => record,
        ReserveResult::OverBudget { error, .. } => panic!("{error}"),
        ReserveResult::IdInUse => panic!("a random id is in use"),
    }
}

pub(super) async fn try_claim(journal: &Journal, id: &RecordId) -> Claim {
    let job = journal.open_job(id).await.unwrap().unwrap();
    journal.claim(&job, None).await.unwrap()
}

/// Waits for the first renewal of a lease, which is immediate. The clock must be paused.
pub(super) async fn first_renewal() {
    pass(Duration::from_millis(1)).await;
}

/// Lets time pass. The clock must be paused.
pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
