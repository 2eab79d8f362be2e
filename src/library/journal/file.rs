//! Writing to a record that was taken up.
//!
//! Owns the rules of a write: conditional on the version that was read, before the create only by the owner, and never
//! over a last state. Knows nothing of what the states mean for a clip.

use super::entry::{EntryName, day_of};
use super::owner::{LEASE, Reading};
use super::{JobFile, JobRecord, JobState, KnownJob, TRIES, best_entry, entries};
use crate::error::{Charge, Error, ErrorKind, Result, RetryAdvice};
use crate::library::documents::{Document, Version};
use crate::library::name::now_millis;
use crate::library::{ClipId, Library};
use crate::mutation::{Mutation, is_on};

/// How a record stands that was to be written.
enum Written {
    /// As it was to be.
    Done,
    /// It is not there any more.
    Gone,
    /// It may not be changed: another client gave it its last state, or works on it.
    Kept(Box<JobRecord>),
}

impl JobFile {
    pub(crate) const fn record(&self) -> &JobRecord {
        &self.0.record
    }

    /// Changes the record before its create is sent, whole or not at all.
    ///
    /// # Errors
    /// `Library` when another process has taken the record over or removed it: this process was assumed to be dead, and
    /// nothing may be sent. `Library` when it cannot be written.
    pub(crate) async fn change_unsent(
        &mut self,
        change: impl Fn(&mut JobRecord) + Send + Sync,
    ) -> Result<()> {
        let us = self.0.us.clone();
        let is_ours = |found: &JobRecord| found.owner.as_ref() == Some(&us) && !found.state.is_over();
        match self.write(&change, is_ours).await? {
            Written::Done => Ok(()),
            Written::Gone if is_on(Mutation::SkipLeaseCheck) => Ok(()),
            Written::Gone | Written::Kept(_) => Err(taken_over(&self.0.record.id)),
        }
    }

    /// Makes sure, immediately before a create leaves, that the record is still this client's: by its lease while
    /// that is known to hold, else by writing the record again.
    ///
    /// # Errors
    /// As for [`change_unsent`](Self::change_unsent). Nothing may be sent then.
    pub(crate) async fn check_unsent(&mut self) -> Result<()> {
        if is_on(Mutation::SkipLeaseCheck) {
            return Ok(());
        }
        let library = self.0.held.library.clone();
        let holds_lease = library.holds_lease().await?;
        if holds_lease && self.0.written.elapsed() < LEASE / 2 {
            return Ok(());
        }
        if !holds_lease {
            library.renew_lease().await?;
        }
        self.change_unsent(|_| {}).await
    }

    /// Writes down which job the service made. From now on every write names it, so that one that fails here is made
    /// up for by the next.
    pub(crate) async fn accept(&mut self, job_id: &str, clip: &ClipId) -> Result<()> {
        self.0.job = Some(KnownJob {
            id: job_id.to_owned(),
            clip: clip.to_string(),
        });
        let written = self.change(|record| record.error = None).await;
        if is_on(Mutation::SkipJobIdRetry) {
            self.0.job = None;
        }
        written
    }

    /// Changes the record after its create was sent, whole or not at all. When another process has taken it over
    /// meanwhile, what is known here is added to what is known there. When another process has ended it, that stands,
    /// but the id of a job is added to it.
    pub(crate) async fn change(&mut self, change: impl Fn(&mut JobRecord) + Send + Sync) -> Result<()> {
        let us = self.0.us.clone();
        let change = |record: &mut JobRecord| {
            let owner = record.owner.clone();
            change(record);
            // Another client's ownership is not ours to give up.
            if owner.as_ref() != Some(&us) {
                record.owner = owner;
            }
        };
        self.change_sent(&change).await?;
        self.0.held.is_owner = self.0.record.owner == Some(us);
        Ok(())
    }

    async fn change_sent(&mut self, change: &(impl Fn(&mut JobRecord) + Send + Sync)) -> Result<()> {
        for _ in 0..TRIES {
            match self.write(change, |found| !found.state.is_over()).await? {
                Written::Done => return Ok(()),
                Written::Kept(ended) => return self.add_job_id(*ended).await.map(drop),
                Written::Gone if self.write_again(change).await? => return Ok(()),
                // Somebody else has written it again.
                Written::Gone if self.read_again().await?.is_some() => {}
                Written::Gone if self.0.job.is_none() => return Ok(()),
                Written::Gone => {
                    let ended = self.0.held.library.job_record(&self.0.record.id).await?;
                    return self.add_job_id(ended).await.map(drop);
                }
            }
        }
        Err(keeps_changing(&self.0.record.id))
    }

    /// Moves a record to the ledger, after a last change that ends it. When another process has ended it before, its
    /// word stands, unless this one has a clip and that one has none. A record that another process works on is left
    /// to it, unless this one has a clip.
    pub(crate) async fn close(self, change: impl Fn(&mut JobRecord) + Send + Sync) -> Result<JobRecord> {
        self.close_if(|_| true, change).await
    }

    /// As [`close`](Self::close), as long as `may_end` of what is found there. Otherwise the record is given up, and
    /// returned as it is.
    pub(super) async fn close_if(
        mut self,
        may_end: impl Fn(&JobRecord) -> bool + Send + Sync,
        change: impl Fn(&mut JobRecord) + Send + Sync,
    ) -> Result<JobRecord> {
        let us = self.0.us.clone();
        let change = |record: &mut JobRecord| {
            change(record);
            // What is needed to go on with it is not needed any more, and the link is a secret.
            (record.brief, record.reply) = (None, None);
            // Whose step the next one is: a recovery does not report what its owner reports.
            record.owner = Some(us.clone());
        };
        let mut ended = self.0.record.clone();
        change(&mut ended);
        name_job(&mut ended, self.0.job.as_ref());
        let may_end = |found: &JobRecord| {
            outranks(&ended, found)
                && (ended.state == JobState::Saved || is_free(found, &us))
                && may_end(found)
        };
        let written = self.write(&change, may_end).await?;
        let library = self.0.held.library.clone();
        let closed = match written {
            Written::Done => {
                self.0.held.is_owner = true;
                // This step decided how it ended: the next one is made by whoever looks, should it fail here.
                if let Err(error) = library.move_to_ledger(&self.0.name, &self.0.record).await {
                    tracing::warn!(record = self.0.record.id, %error, "an ended record is not in the ledger yet");
                    return Ok(in_ledger(&self.0.record));
                }
                in_ledger(&self.0.record)
            }
            Written::Kept(theirs) if theirs.state.is_over() => {
                library.move_to_ledger(&self.0.name, &theirs).await?;
                self.add_job_id(in_ledger(&theirs)).await?
            }
            Written::Kept(theirs) => {
                let is_unnamed = theirs.job_id.is_none() && self.0.job.is_some();
                if is_unnamed || theirs.owner.as_ref() == Some(&us) {
                    self.change(|record| record.owner = None).await?;
                }
                self.0.record.clone()
            }
            Written::Gone => {
                let found = library.correct_ledger(in_ledger(&ended)).await?;
                self.add_job_id(found).await?
            }
        };
        self.0.held.is_owner = false;
        Ok(closed)
    }

    /// Removes the record of a request that was never sent and cost nothing.
    pub(crate) async fn discard(mut self) -> Result<()> {
        let change = |record: &mut JobRecord| {
            record.state = JobState::Dropped;
            (record.owner, record.brief, record.reply) = (None, None, None);
        };
        let us = self.0.us.clone();
        // A person may have named its job meanwhile.
        let may_drop = |found: &JobRecord| {
            let has_job = matches!(found.state, JobState::Accepted | JobState::Done);
            !found.state.is_over() && is_free(found, &us) && (!has_job || found.is_pickup())
        };
        let written = self.write(&change, may_drop).await?;
        self.0.held.is_owner = false;
        match written {
            // Nobody writes over this state, so this removes what was written here.
            Written::Done => self.0.held.library.jobs_folder().remove(&self.0.name).await,
            Written::Gone | Written::Kept(_) => Ok(()),
        }
    }

    /// Writes the record with a change, conditional on the version that was read last, as long as what is found
    /// there may be changed.
    async fn write(
        &mut self,
        change: &(impl Fn(&mut JobRecord) + Send + Sync),
        may_change: impl Fn(&JobRecord) -> bool + Send + Sync,
    ) -> Result<Written> {
        for _ in 0..TRIES {
            if !may_change(&self.0.record) {
                return Ok(Written::Kept(Box::new(self.0.record.clone())));
            }
            if self.replace(change).await? {
                return Ok(Written::Done);
            }
            if self.read_again().await?.is_none() {
                return Ok(Written::Gone);
            }
        }
        Err(keeps_changing(&self.0.record.id))
    }

    /// Writes the record with a change, over the version that was read last. Returns whether it was written.
    async fn replace(&mut self, change: &(impl Fn(&mut JobRecord) + Send + Sync)) -> Result<bool> {
        let version = self.0.version.clone();
        self.put(change, Some(&version)).await
    }

    /// Writes the record with a change, over a version or, without one, as a new document. Returns whether it was
    /// written.
    async fn put(
        &mut self,
        change: &(impl Fn(&mut JobRecord) + Send + Sync),
        over: Option<&Version>,
    ) -> Result<bool> {
        let opened = &mut *self.0;
        let documents = opened.held.library.jobs_folder();
        let mut changed = opened.record.clone();
        change(&mut changed);
        name_job(&mut changed, opened.job.as_ref());
        changed.changed_at = now_millis();
        let (now, json) = (Reading::now(), changed.to_json()?);
        let written = match over {
            Some(version) if is_on(Mutation::OverwriteRecords) => {
                documents.put(&opened.name, json).await?;
                Some(version.clone())
            }
            Some(version) => documents.replace(&opened.name, version, json).await?,
            None => documents.create(&opened.name, json).await?,
        };
        let Some(version) = written else {
            return Ok(false);
        };
        (opened.record, opened.version, opened.written) = (changed, version, now);
        Ok(true)
    }

    /// The record as it is in the library now.
    async fn read_again(&mut self) -> Result<Option<&JobRecord>> {
        let opened = &mut *self.0;
        let Some(Document { json, version }) = opened.held.library.jobs_folder().read(&opened.name).await?
        else {
            return Ok(None);
        };
        opened.record = JobRecord::from_json(&opened.record.id, &json)?;
        opened.version = version;
        Ok(Some(&opened.record))
    }

    /// Writes a record anew whose file was removed, unless it is in the ledger. Returns whether it was written.
    async fn write_again(&mut self, change: &(impl Fn(&mut JobRecord) + Send + Sync)) -> Result<bool> {
        let library = self.0.held.library.clone();
        let id = self.0.record.id.clone();
        let written = library.ledger_entry(&id).await?.is_none() && self.put(change, None).await?;
        if written {
            tracing::warn!(
                record = id,
                "the record of a job was removed, and is written again"
            );
        }
        Ok(written)
    }

    /// Adds the id of the job to a record that somebody ended before the job was known here. Returns the record as it is
    /// then.
    async fn add_job_id(&self, ended: JobRecord) -> Result<JobRecord> {
        let Some(job) = self.0.job.as_ref().filter(|_| ended.job_id.is_none()) else {
            return Ok(ended);
        };
        let library = &self.0.held.library;
        tracing::error!(
            record = ended.id,
            job = job.id,
            "a record was ended while its create was on its way, and the job exists"
        );
        let add = |found: &JobRecord| {
            let mut found = found.clone();
            found.job_id.is_none().then(|| {
                found.job_id = Some(job.id.clone());
                found
            })
        };
        for _ in 0..TRIES {
            if let Some(entry) = library.ledger_entry(&ended.id).await? {
                // Without an answer somebody else has changed its name in between.
                if let Some(record) = library.change_ledger(&entry, add).await? {
                    return Ok(record);
                }
            } else {
                // It is still on its way there.
                library.move_to_ledger(&self.0.name, &ended).await?;
            }
        }
        Err(keeps_changing(&ended.id))
    }
}

impl Library {
    /// The second step of an ending: the record is in `jobs/` with its last state.
    pub(super) async fn move_to_ledger(&self, name: &str, record: &JobRecord) -> Result<()> {
        let mut record = in_ledger(record);
        for _ in 0..TRIES {
            if !record.state.is_over() {
                // Somebody has written it again.
                return Ok(());
            }
            if record.is_pickup() || record.state == JobState::Dropped {
                return self.jobs_folder().remove(name).await;
            }
            let entry = EntryName::of(&record);
            let day = self.ledger_of(&day_of(entry.created_at()));
            // Taken already means that somebody else has made this step.
            day.create(&entry.to_string(), record.to_json()?).await?;
            // A clip that was saved meanwhile takes the place of an ending without one.
            match self.jobs_folder().read(name).await? {
                None => return self.keep_best_entry(&record.id).await,
                Some(found) => {
                    let found = in_ledger(&JobRecord::from_json(&record.id, &found.json)?);
                    if found == record {
                        return self.jobs_folder().remove(name).await;
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

    /// Removes all entries of a record from the ledger but the one that is known best.
    async fn keep_best_entry(&self, id: &str) -> Result<()> {
        let Some(best) = self.ledger_entry(id).await? else {
            return Ok(());
        };
        let day = self.ledger_of(&day_of(best.created_at()));
        for entry in entries(&day).await? {
            if entry.id == id && entry != best {
                day.remove(&entry.to_string()).await?;
            }
        }
        Ok(())
    }

    /// The name of a record in the ledger.
    pub(super) async fn ledger_entry(&self, id: &str) -> Result<Option<EntryName>> {
        match super::record::millis_of(id) {
            Some(created_at) => best_entry(&self.ledger_of(&day_of(created_at)), id).await,
            None => Ok(None),
        }
    }

    /// Writes what became of a record that has left `jobs/` meanwhile. Returns what the ledger says then.
    async fn correct_ledger(&self, ended: JobRecord) -> Result<JobRecord> {
        if ended.is_pickup() {
            return Ok(ended);
        }
        for _ in 0..TRIES {
            let Some(entry) = self.ledger_entry(&ended.id).await? else {
                let name = EntryName::of(&ended);
                let day = self.ledger_of(&day_of(name.created_at()));
                day.create(&name.to_string(), ended.to_json()?).await?;
                return Ok(ended);
            };
            let correct = |found: &JobRecord| outranks(&ended, found).then(|| ended.clone());
            // Without an answer somebody else has changed its name in between.
            if let Some(record) = self.change_ledger(&entry, correct).await? {
                return Ok(record);
            }
        }
        Err(keeps_changing(&ended.id))
    }

    /// Changes an entry of the ledger, and its name with its money. `change` returns `None` to leave it. Returns what
    /// the entry says then, or `None` when it is not there any more.
    ///
    /// The content is written first, on the condition that nobody else has changed it. A crash before the new name is
    /// there, or before the old one is gone, leaves the rest to the next call.
    pub(super) async fn change_ledger(
        &self,
        entry: &EntryName,
        change: impl Fn(&JobRecord) -> Option<JobRecord> + Send + Sync,
    ) -> Result<Option<JobRecord>> {
        let day = self.ledger_of(&day_of(entry.created_at()));
        let name = entry.to_string();
        for _ in 0..TRIES {
            let Some(found) = day.read(&name).await? else {
                return Ok(None);
            };
            let mut record = JobRecord::from_json(&entry.id, &found.json)?;
            if let Some(mut changed) = change(&record) {
                changed.changed_at = now_millis();
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

/// A record with its last state as the ledger has it: nobody works on it.
fn in_ledger(record: &JobRecord) -> JobRecord {
    let mut record = record.clone();
    record.owner = None;
    record
}

/// Names the job of a record. Whoever has the answer to the create knows it, whatever somebody else wrote meanwhile.
fn name_job(record: &mut JobRecord, job: Option<&KnownJob>) {
    let Some(job) = job.filter(|job| record.job_id.as_ref() != Some(&job.id)) else {
        return;
    };
    if let Some(other) = &record.job_id {
        tracing::error!(
            record = record.id,
            job = job.id,
            "the record named the job {other}, which is another one"
        );
    }
    if matches!(record.state, JobState::Intended | JobState::Unknown) {
        record.state = JobState::Accepted;
    }
    record.job_id = Some(job.id.clone());
    record.clip = Some(job.clip.clone());
}

/// Whether no other client works on a record.
fn is_free(found: &JobRecord, us: &str) -> bool {
    found.owner.as_deref().is_none_or(|owner| owner == us)
}

/// Whether an ending may take the place of what is found: of anything that is open, and a saved clip also of an ending
/// without one.
fn outranks(ended: &JobRecord, found: &JobRecord) -> bool {
    !found.state.is_over() || (ended.state == JobState::Saved && found.state != JobState::Saved)
}

fn taken_over(id: &str) -> Error {
    Error::new(
        ErrorKind::Library,
        format!(
            "send the request of record {id}: another process assumed that this one was dead and has taken the record over or removed it, so nothing was sent"
        ),
    )
    .with_charge(Charge::No)
    .with_advice(RetryAdvice::Retry)
    .with_guidance("the process was suspended or blocked, or could not reach its library, for longer than its lease lasts; make the request again")
}

fn keeps_changing(id: &str) -> Error {
    Error::new(
        ErrorKind::Library,
        format!("write the record of job {id}: it keeps changing"),
    )
}

#[cfg(test)]
mod tests;
