//! Keeps downloaded bytes that failed verification, until a later attempt succeeds or a person decides.
//!
//! Owns the folder `quarantine/`. `<record>.mp4` contains the bytes of the latest attempt of a job. `<record>.json` is
//! a note with the reason, and with the sidecar that the bytes get if a person accepts them. The note is written before
//! the bytes and removed after them, so bytes always have a note. A note without bytes is ignored. Listings,
//! verification and sweeps ignore this folder.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::record::{ClipRecord, ReelkinRecord};
use super::staged::Staged;
use super::{Clip, Library};
use crate::error::{Error, Result};
use crate::host;
use crate::ids::{ClipId, JobId, RecordId};
use crate::journal::{JobRecord, JobState, OwnedRecord};
use crate::storage::{ClipDigest, FinishedPart, JsonStore, QUARANTINE, shutting_down};
use crate::timestamp::Timestamp;

/// The version of a note that this crate writes.
const SCHEMA: u32 = 1;

/// Bytes of a paid clip that were downloaded completely and failed verification.
///
/// [`Library::settle`] with [`Settlement::Accept`](super::Settlement::Accept) makes them the clip of their job. A
/// recovery that downloads a valid clip removes them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct QuarantinedClip {
    /// The id of the record of the paid request.
    pub record_id: RecordId,
    /// The service's id of the job.
    pub job_id: Option<JobId>,
    /// The name in the library, `quarantine/<record>.mp4`.
    pub file_name: String,
    /// The path of the file, if the library is a folder.
    pub path: Option<PathBuf>,
    /// The reason why the bytes are not a valid clip.
    pub reason: String,
    /// The number of bytes.
    pub bytes: u64,
    /// The SHA-256 of the bytes when they were downloaded, in hex.
    pub sha256: Option<String>,
    /// When they were downloaded, in milliseconds since the Unix epoch.
    pub attempted_at: Option<Timestamp>,
}

/// The JSON beside the bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    schema: u32,
    #[serde(rename = "record")]
    record_id: RecordId,
    job_id: JobId,
    reason: String,
    attempted_at: Timestamp,
    #[serde(flatten)]
    digest: ClipDigest,
    sidecar: ClipRecord,
}

impl Library {
    /// Returns the bytes that failed verification, oldest request first. They belong to records of
    /// [`jobs`](Self::jobs), except those whose job was settled as lost, which remain until they are
    /// [discarded](Self::discard_quarantined).
    ///
    /// # Errors
    /// `Library` if the library cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn quarantined(&self) -> Result<Vec<QuarantinedClip>> {
        let names = self.notes().names().await?;
        let ids = names.iter().filter_map(|name| RecordId::parse(name).ok());
        let mut record_ids: Vec<RecordId> = ids.collect();
        record_ids.sort_unstable_by_key(RecordId::millis);
        let mut clips = Vec::new();
        for record_id in record_ids {
            clips.extend(self.quarantined_clip(&record_id).await?);
        }
        Ok(clips)
    }

    /// Returns the bytes of one job in quarantine, by the id of its record.
    pub(crate) async fn quarantined_clip(&self, record_id: &RecordId) -> Result<Option<QuarantinedClip>> {
        let file_name = file_name(record_id);
        let Some(bytes) = self.backend.size(&file_name).await? else {
            return Ok(None);
        };
        let note = self.note(record_id).await?;
        let path = self.folder().map(|folder| folder.join(&file_name));
        let (reason, note) = match note {
            Some(note) => (note.reason.clone(), Some(note)),
            None => ("the note with the reason cannot be read".to_owned(), None),
        };
        Ok(Some(QuarantinedClip {
            record_id: record_id.clone(),
            job_id: note.as_ref().map(|note| note.job_id.clone()),
            file_name,
            path,
            reason,
            bytes,
            attempted_at: note.as_ref().map(|note| note.attempted_at),
            sha256: note.map(|note| note.digest.sha256),
        }))
    }

    /// Removes the bytes of a job from the quarantine, by the id of its record. Returns whether there were any. The
    /// record does not change: while it is open, a recovery downloads the clip again.
    ///
    /// # Errors
    /// `InvalidRequest` if the id is not valid, `Library` if the bytes cannot be removed.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not remove the bytes.
    pub async fn discard_quarantined(&self, record_id: impl AsRef<str>) -> Result<bool> {
        let record_id = RecordId::parse(record_id.as_ref())?;
        let name = file_name(&record_id);
        let exists = self.exists(&name).await?;
        if exists {
            self.backend.remove(&name).await?;
        }
        self.notes().remove(record_id.as_str()).await?;
        Ok(exists)
    }

    /// Checks that the quarantine has bytes that can become the clip of a record.
    pub(super) async fn check_acceptable(&self, record: &JobRecord) -> Result<()> {
        let id = &record.id;
        if self.exists(&file_name(id)).await? || self.is_published(record).await? {
            return Ok(());
        }
        Err(
            Error::not_found(format!("accept the bytes of job {id}: the quarantine has none"))
                .with_guidance("Library::quarantined and `reelkin ls --open` list what can be accepted"),
        )
    }

    /// Makes the bytes in quarantine the clip of their job, and closes its record. Can be repeated after an
    /// interruption.
    pub(super) async fn accept_quarantined(&self, mut owned: OwnedRecord) -> Result<JobRecord> {
        let clip = match self.publish_quarantined(owned.record()).await {
            Ok(clip) => clip,
            Err(error) => {
                // Releases the record, so that any process may continue.
                if let Err(error) = owned.release().await {
                    tracing::warn!(%error, "the record still names this process as its owner");
                }
                return Err(error);
            }
        };
        let cost = clip.cost();
        owned
            .close(|record| {
                record.state = JobState::Saved;
                record.clip = Some(clip.id.clone());
                record.cost = record.cost.or(cost);
                record.error = None;
                record.quarantined = false;
            })
            .await
    }

    /// Finishes an acceptance that was interrupted after the bytes became the clip. Returns the clip, or `None` if
    /// there was no such acceptance.
    pub(crate) async fn finish_acceptance(&self, record: &JobRecord) -> Result<Option<Clip>> {
        if self.is_published(record).await? {
            self.publish_quarantined(record).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// Returns whether an interrupted acceptance has already made the bytes the clip of the record.
    async fn is_published(&self, record: &JobRecord) -> Result<bool> {
        if !record.quarantined {
            return Ok(false);
        }
        let Some(note) = self.note(&record.id).await? else {
            return Ok(false);
        };
        self.is_clip(&clip_id_of(record), &note).await
    }

    /// Returns whether the clip exists and has the bytes that the note describes.
    async fn is_clip(&self, id: &ClipId, note: &Note) -> Result<bool> {
        Ok(self.exists(&id.file_name()).await? && self.digest(id).await? == note.digest)
    }

    /// Moves the bytes to the name of the clip, then writes the sidecar, then removes the note. Overwrites nothing.
    async fn publish_quarantined(&self, record: &JobRecord) -> Result<Clip> {
        let (id, clip_id) = (&record.id, clip_id_of(record));
        let note = self.note(id).await?;
        if let Some(note) = &note
            && record.job_id.as_ref() != Some(&note.job_id)
        {
            return Err(Error::library(format!(
                "accept the bytes of job {id}: they belong to another job of the service"
            )));
        }
        let published = match &note {
            Some(note) if self.is_clip(&clip_id, note).await? => Some(note.digest.clone()),
            _ => None,
        };
        let digest = if let Some(digest) = published {
            digest
        } else {
            let from = file_name(id);
            let action = format!("read {from}");
            let digest = self.backend.digest(&from, &action).await?;
            let digest = digest.ok_or_else(|| Error::not_found(format!("{action} of {self}")))?;
            let job_id = record.job_id.as_ref().map(JobId::as_str);
            self.sidecar_to_replace(&clip_id, job_id).await?;
            self.backend.publish(&clip_id, &from, &digest).await?;
            digest
        };
        let is_noted = note.as_ref().is_some_and(|note| note.digest == digest);
        let sidecar = note.map_or_else(|| sidecar_of(record), |note| note.sidecar);
        let mut clip = self.clip(&clip_id).await?;
        let saved = clip.record.as_ref().and_then(|record| record.reelkin.as_ref());
        let is_described = saved.is_some_and(|ours| ours.sha256.as_deref() == Some(digest.sha256.as_str()));
        if !is_described {
            let sidecar = accepted_sidecar(sidecar, &digest, is_noted);
            clip = self.set_record(&clip_id, sidecar).await?;
        }
        self.discard_quarantined(id).await?;
        Ok(clip)
    }

    fn notes(&self) -> JsonStore {
        JsonStore::new(&self.backend, QUARANTINE)
    }

    /// Reads a note. Returns `None` if it does not exist or is damaged.
    async fn note(&self, record_id: &RecordId) -> Result<Option<Note>> {
        let Some(found) = self.notes().read(record_id.as_str()).await? else {
            return Ok(None);
        };
        let note = serde_json::from_slice(&found.json).ok();
        Ok(note.filter(|note: &Note| note.schema == SCHEMA && note.record_id == *record_id))
    }

    /// Moves a finished file to the quarantine, and replaces the bytes of an earlier attempt of the job.
    async fn put_into_quarantine(
        self,
        part: FinishedPart,
        record_id: RecordId,
        job_id: JobId,
        reason: String,
        sidecar: ClipRecord,
    ) -> Result<()> {
        let name = file_name(&record_id);
        let is_same = self.backend.size(&name).await? == Some(part.digest.bytes)
            && self
                .note(&record_id)
                .await?
                .is_some_and(|note| note.digest == part.digest);
        if part.digest.bytes == 0 || is_same {
            return Ok(());
        }
        let note = Note {
            schema: SCHEMA,
            record_id,
            job_id,
            reason,
            attempted_at: host::now(),
            digest: part.digest.clone(),
            sidecar,
        };
        let json = serde_json::to_vec_pretty(&note)
            .map_err(|error| Error::library(format!("write the note for {name}")).with_source(error))?;
        self.notes().put(note.record_id.as_str(), json).await?;
        self.backend.replace(&name, part).await
    }
}

impl Staged {
    /// Moves the staged bytes of a job to the quarantine, and begins an empty file for the next attempt. `reason` is why
    /// they are not a valid clip, and `sidecar` what they get if a person accepts them.
    ///
    /// # Errors
    /// `Library` if the bytes could not be kept. They are lost then, unless only the new file could not be created.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop the move, and does not remove the staged file.
    pub(crate) async fn quarantine(
        &mut self,
        record_id: RecordId,
        job_id: JobId,
        reason: String,
        sidecar: ClipRecord,
    ) -> Result<()> {
        self.flush().await?;
        self.keep_for_resume(true);
        let part = self.finished_part().await?;
        let library = self.library().clone();
        let moved = tokio::spawn(library.put_into_quarantine(part, record_id, job_id, reason, sidecar)).await;
        self.restart().await?;
        self.keep_for_resume(false);
        moved.map_err(shutting_down)?
    }
}

fn file_name(record_id: &RecordId) -> String {
    format!("{QUARANTINE}/{record_id}.mp4")
}

/// Returns the id that the clip of a record has or will have.
fn clip_id_of(record: &JobRecord) -> ClipId {
    match (&record.clip, &record.job_id) {
        (Some(clip), _) => clip.clone(),
        (None, Some(job_id)) => ClipId::of_job(job_id.as_str()),
        (None, None) => record.id.to_clip_id(),
    }
}

/// Returns a sidecar made from the record of the request, for bytes whose note is damaged.
fn sidecar_of(record: &JobRecord) -> ClipRecord {
    let mut sidecar = ClipRecord::new(record.created_at);
    sidecar.prompt.clone_from(&record.prompt);
    sidecar.model.clone_from(&record.model);
    sidecar.reelkin = Some(ReelkinRecord {
        cost: record.cost,
        operation: Some(record.operation.clone()),
        job_id: record.job_id.as_ref().map(JobId::to_string),
        warnings: Some(vec![
            "accepted without verification: the note with the reason of its failure was damaged".to_owned(),
        ]),
        ..ReelkinRecord::new()
    });
    sidecar
}

/// Returns the sidecar of an accepted clip, with the size and hash of its bytes.
fn accepted_sidecar(mut sidecar: ClipRecord, digest: &ClipDigest, is_noted: bool) -> ClipRecord {
    sidecar.set_digest(digest);
    if !is_noted {
        let ours = sidecar.reelkin.get_or_insert_with(ReelkinRecord::new);
        let warnings = ours.warnings.get_or_insert_default();
        warnings.push("the hash of the accepted bytes differs from the recorded one".to_owned());
    }
    sidecar
}
