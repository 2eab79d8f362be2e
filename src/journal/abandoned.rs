//! Releases the records that this client owns and no longer works on.
//!
//! A record stays owned if its task was dropped, or if the write that should have released it failed. Other clients leave
//! such a record alone for as long as this client lives, so this client releases it at the next renewal of its lease.

use super::move_to_ledger::keeps_changing;
use super::record::JobRecord;
use super::{Journal, MAX_ATTEMPTS, WorkGuard, best_entry};
use crate::error::Result;
use crate::ids::RecordId;
use crate::mutation::{Mutation, is_on};

impl Journal {
    /// Releases all abandoned records. Those that cannot be released now remain for the next call.
    pub(super) async fn release_abandoned(&self) {
        if is_on(Mutation::KeepAbandoned) {
            return;
        }
        let abandoned = self.lock_work().abandoned.clone();
        for id in abandoned {
            let _releasing = self.inner.releasing.lock().await;
            match self.release(&id).await {
                Ok(true) => drop(self.lock_work().abandoned.remove(&id)),
                // Its work continues, and releases it.
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(record = %id, %error, "a record that this client no longer works on was not released");
                }
            }
        }
    }

    /// Writes a record without this client as its owner. Returns false if the client works on it again.
    async fn release(&self, id: &RecordId) -> Result<bool> {
        let (Some(_guard), Some(lease)) = (WorkGuard::new(self, id), self.inner.lease.get()) else {
            return Ok(false);
        };
        let store = self.open_store();
        for _ in 0..MAX_ATTEMPTS {
            let Some(entry) = best_entry(&store, id).await? else {
                return Ok(true);
            };
            let name = entry.to_string();
            let Some(found) = store.read(&name).await? else {
                continue;
            };
            let mut record = JobRecord::from_json(id.as_str(), &found.json)?;
            if record.owner.as_ref() != Some(&lease.id) {
                return Ok(true);
            }
            if record.state.is_over() {
                self.move_to_ledger(&name, &record).await?;
                return Ok(true);
            }
            record.owner = None;
            let released = store.replace(&name, &found.version, record.to_json()?).await?;
            if released.is_some() {
                return Ok(true);
            }
        }
        Err(keeps_changing(id))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::journal::Claim;
    use crate::journal::owned::tests::reserve;
    use crate::storage::{Backend, Bucket, Folder};

    pub(in crate::journal) async fn claim(journal: &Journal, id: &RecordId) -> Claim {
        let job = journal.open_job(id).await.unwrap().unwrap();
        journal.claim(&job, None).await.unwrap()
    }

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
            assert!(matches!(claim(&other, &id).await, Claim::HeldByOther { .. }));
            owner.release_abandoned().await;
            let claimed = claim(&other, &id).await;
            assert!(matches!(claimed, Claim::Ours(_)), "{claimed:?}");
            assert!(owner.lock_work().abandoned.is_empty());

            // Abandoned, then claimed again by the same client.
            let id = working.record().id.clone();
            drop(working);
            let Claim::Ours(working) = claim(&owner, &id).await else {
                panic!("its own record is free");
            };
            owner.release_abandoned().await;
            assert!(matches!(claim(&other, &id).await, Claim::HeldByOther { .. }));
            working.discard().await.unwrap();
            owner.release_abandoned().await;
            assert!(owner.lock_work().abandoned.is_empty());
        }
    }
}
