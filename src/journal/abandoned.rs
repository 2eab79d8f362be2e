//! Releases the records that this client owns and no longer works on.
//!
//! A record stays owned if its task was dropped, or if the write that should have released it failed. Other clients leave
//! such a record alone for as long as this client lives, so this client releases it at the next renewal of its lease. If
//! it does not own the record then, it looks again for [`LATE_WRITE`], because a write that timed out may still reach the
//! store.

use std::time::Duration;

use super::move_to_ledger::keeps_changing;
use super::record::JobRecord;
use super::{Journal, MAX_ATTEMPTS, WorkGuard, best_entry};
use crate::error::Result;
use crate::ids::RecordId;
use crate::mutation::{Mutation, is_on};

/// After this time, no write that timed out is expected to reach the store. A store that is opened by URL ends a request
/// after 60 s, and begins its last attempt within 30 s.
const LATE_WRITE: Duration = Duration::from_secs(120);

impl Journal {
    /// Releases all abandoned records. Those that cannot be released now remain for the next call.
    pub(super) async fn release_abandoned(&self) {
        if is_on(Mutation::KeepAbandoned) {
            return;
        }
        let abandoned = self.lock_work().abandoned.clone();
        for (id, since) in abandoned {
            let _releasing = self.inner.releasing.lock().await;
            match self.release(&id).await {
                Ok(Some(is_final)) if is_final || since.elapsed() >= LATE_WRITE => {
                    let mut work = self.lock_work();
                    // It may have been claimed and abandoned again meanwhile.
                    if work.abandoned.get(&id) == Some(&since) {
                        work.abandoned.remove(&id);
                    }
                }
                // It stays in the list even if its work goes on, because that may end without a write.
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(record = %id, %error, "a record that this client no longer works on was not released");
                }
            }
        }
    }

    /// Writes a record without this client as its owner. Returns whether that is final: it is not if this client does not
    /// own the record, because a write that is on its way may still make it the owner. Returns `None` if this client works
    /// on the record again.
    async fn release(&self, id: &RecordId) -> Result<Option<bool>> {
        let (Some(_guard), Some(lease)) = (WorkGuard::new(self, id), self.inner.lease.get()) else {
            return Ok(None);
        };
        let store = self.open_store();
        for _ in 0..MAX_ATTEMPTS {
            let Some(entry) = best_entry(&store, id).await? else {
                return Ok(Some(false));
            };
            let name = entry.to_string();
            let Some(found) = store.read(&name).await? else {
                continue;
            };
            let mut record = JobRecord::from_json(id.as_str(), &found.json)?;
            if record.owner.as_ref() != Some(&lease.id) {
                return Ok(Some(false));
            }
            if record.state.is_over() {
                self.move_to_ledger(&name, &record).await?;
                return Ok(Some(true));
            }
            record.owner = None;
            let released = store.replace(&name, &found.version, record.to_json()?).await?;
            if released.is_some() {
                return Ok(Some(true));
            }
        }
        Err(keeps_changing(id))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::journal::Claim;
    use crate::journal::for_tests::{pass, reserve, try_claim};
    use crate::storage::{Backend, Bucket, Folder};

    // Without a renewal, which would release it as well.
    #[tokio::test(start_paused = true)]
    async fn a_record_is_released_unless_its_work_continues() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(InMemory::new());
        let backends: [Arc<dyn Backend>; 2] = [
            Arc::new(Folder::create(folder.path()).unwrap()),
            Arc::new(Bucket::new(store, "team".into(), None)),
        ];
        for backend in backends {
            let [owner, other] = [(); 2].map(|()| Journal::new(Arc::clone(&backend)));
            let (abandoned, working) = (reserve(&owner).await, reserve(&owner).await);
            let id = abandoned.record().id.clone();
            drop(abandoned);
            assert!(matches!(try_claim(&other, &id).await, Claim::HeldByOther { .. }));
            owner.release_abandoned().await;
            let claimed = try_claim(&other, &id).await;
            assert!(matches!(claimed, Claim::Ours(_)), "{claimed:?}");
            assert!(owner.lock_work().abandoned.is_empty());

            // Abandoned, then claimed again by the same client.
            let id = working.record().id.clone();
            drop(working);
            let Claim::Ours(working) = try_claim(&owner, &id).await else {
                panic!("its own record is free");
            };
            pass(LATE_WRITE).await;
            owner.release_abandoned().await;
            // Its work may end without a write.
            assert!(owner.lock_work().abandoned.contains_key(&id));
            assert!(matches!(try_claim(&other, &id).await, Claim::HeldByOther { .. }));
            working.discard().await.unwrap();
            pass(LATE_WRITE).await;
            owner.release_abandoned().await;
            assert!(owner.lock_work().abandoned.is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_lands_after_the_release_is_released_as_well() {
        let backend: Arc<dyn Backend> = Arc::new(Bucket::new(Arc::new(InMemory::new()), "team".into(), None));
        let [owner, other] = [(); 2].map(|()| Journal::new(Arc::clone(&backend)));
        let abandoned = reserve(&owner).await;
        let mut record = abandoned.record().clone();
        let id = record.id.clone();
        let store = owner.open_store();
        let name = best_entry(&store, &id).await.unwrap().unwrap().to_string();
        let late = store.read(&name).await.unwrap().unwrap().json.to_vec();
        record.owner = None;
        store.put(&name, record.to_json().unwrap()).await.unwrap();
        drop(abandoned);

        owner.release_abandoned().await;
        store.put(&name, late).await.unwrap();
        assert!(matches!(try_claim(&other, &id).await, Claim::HeldByOther { .. }));
        owner.release_abandoned().await;
        let claimed = try_claim(&other, &id).await;
        assert!(matches!(claimed, Claim::Ours(_)), "{claimed:?}");
    }
}
