//! Moves settled records from `jobs/` to the ledger, and corrects them there.

use super::entry_name::{EntryName, day_of};
use super::record::{JobRecord, JobState};
use super::{Journal, MAX_ATTEMPTS, best_entry, entries};
use crate::error::{Error, Result};
use crate::host;
use crate::ids::RecordId;

impl Journal {
    /// Moves a record with a final state from `jobs/` to the ledger.
    pub(super) async fn move_to_ledger(&self, name: &str, record: &JobRecord) -> Result<()> {
        let mut record = without_owner(record);
        for _ in 0..MAX_ATTEMPTS {
            if !record.state.is_over() {
                // Another client has restored it.
                return Ok(());
            }
            if record.is_pickup() || record.state == JobState::Dropped {
                return self.open_store().remove(name).await;
            }
            let entry = EntryName::of(&record);
            let day = self.ledger_store(&day_of(entry.id.millis()));
            // If the name exists, another client has already copied the record.
            day.create(&entry.to_string(), record.to_json()?).await?;
            // A clip that was saved meanwhile replaces a result without a clip.
            match self.open_store().read(name).await? {
                None => return self.keep_best_entry(&record.id).await,
                Some(found) => {
                    let found = without_owner(&JobRecord::from_json(record.id.as_str(), &found.json)?);
                    if found == record {
                        return self.open_store().remove(name).await;
                    }
                    if EntryName::of(&found) != entry {
                        day.remove(&entry.to_string()).await?;
                    }
                    record = found;
                }
            }
        }
        Err(keeps_changing(&record.id))
    }

    /// Removes all ledger entries of a record except the one with the most certain cost.
    async fn keep_best_entry(&self, id: &RecordId) -> Result<()> {
        let Some(best) = self.ledger_entry(id).await? else {
            return Ok(());
        };
        let day = self.ledger_store(&day_of(id.millis()));
        for entry in entries(&day).await? {
            if entry.id == *id && entry != best {
                day.remove(&entry.to_string()).await?;
            }
        }
        Ok(())
    }

    /// Returns the name of a record in the ledger.
    pub(super) async fn ledger_entry(&self, id: &RecordId) -> Result<Option<EntryName>> {
        best_entry(&self.ledger_store(&day_of(id.millis())), id).await
    }

    /// Records how a request ended if its record is no longer in `jobs/`. Returns the ledger's record as it is then.
    pub(super) async fn correct_ledger(&self, ended: JobRecord) -> Result<JobRecord> {
        if ended.is_pickup() {
            return Ok(ended);
        }
        for _ in 0..MAX_ATTEMPTS {
            let Some(entry) = self.ledger_entry(&ended.id).await? else {
                let name = EntryName::of(&ended);
                let day = self.ledger_store(&day_of(name.id.millis()));
                day.create(&name.to_string(), ended.to_json()?).await?;
                return Ok(ended);
            };
            let correct = |found: &JobRecord| outranks(&ended, found).then(|| ended.clone());
            // `None` means that another client has renamed the entry meanwhile.
            if let Some(record) = self.change_ledger(&entry, correct).await? {
                return Ok(record);
            }
        }
        Err(keeps_changing(&ended.id))
    }

    /// Changes a record in the ledger, and its name if its cost changes. If `change` returns `None`, the content stays.
    /// Returns the record as it is then, or `None` if the entry no longer exists.
    ///
    /// The content is written first, conditional on the version that was read. If a crash follows before the file has
    /// its new name, the next call renames it.
    pub(super) async fn change_ledger(
        &self,
        entry: &EntryName,
        change: impl Fn(&JobRecord) -> Option<JobRecord> + Send + Sync,
    ) -> Result<Option<JobRecord>> {
        let day = self.ledger_store(&day_of(entry.id.millis()));
        let name = entry.to_string();
        for _ in 0..MAX_ATTEMPTS {
            let Some(found) = day.read(&name).await? else {
                return Ok(None);
            };
            let mut record = JobRecord::from_json(entry.id.as_str(), &found.json)?;
            if let Some(mut changed) = change(&record) {
                changed.changed_at = host::now();
                let json = changed.to_json()?;
                if day.replace(&name, &found.version, json).await?.is_none() {
                    continue;
                }
                record = changed;
            }
            let new = EntryName::of(&record);
            if new != *entry {
                day.create(&new.to_string(), record.to_json()?).await?;
                day.remove(&name).await?;
            }
            return Ok(Some(record));
        }
        Err(keeps_changing(&entry.id))
    }
}

/// Returns a record without its owner, as it is in the ledger.
pub(super) fn without_owner(record: &JobRecord) -> JobRecord {
    let mut record = record.clone();
    record.owner = None;
    record
}

/// Returns whether a result may replace the stored record. It may replace an open record. A result with a clip may also
/// replace one without.
pub(super) fn outranks(ended: &JobRecord, found: &JobRecord) -> bool {
    !found.state.is_over() || (ended.state == JobState::Saved && found.state != JobState::Saved)
}

pub(super) fn keeps_changing(id: &RecordId) -> Error {
    Error::library(format!(
        "write the record of job {id}: other processes keep changing it"
    ))
}
