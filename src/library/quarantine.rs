//! Bytes that were paid for and failed verification: kept until a later attempt succeeds or a person decides.
//!
//! Owns the folder `quarantine/`: `<record>.mp4` has the bytes of the newest attempt of a job, and `<record>.json`
//! says why they are no clip and has the sidecar that they get when a person accepts them. The note is written before
//! the bytes and removed after them, so bytes never lack it; a note without bytes counts as nothing. No listing of
//! clips, verification or sweep looks in here.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use object_store::{Error as StoreError, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};

use super::appender::Appender;
use super::bucket::Content;
use super::documents::Documents;
use super::fault::{io_fault, store_fault};
use super::folder::{Folder, Part, sync_folder};
use super::journal::{JobFile, JobRecord, JobState, created_at, millis_of};
use super::lock::LockedFile;
use super::name::now_millis;
use super::record::{ClipRecord, ReelkinRecord};
use super::staged::{self, ClipDigest, Staged};
use super::{Clip, ClipId, Library, blocking, cut_off};
use crate::error::{Error, ErrorKind, Result};
use crate::money::UsdTicks;

pub(super) const QUARANTINE: &str = "quarantine";
/// The version of a note that this crate writes.
const SCHEMA: u32 = 1;

/// Bytes of a paid clip that were downloaded whole and failed verification.
///
/// [`Library::settle`] with [`Settlement::Accept`](super::Settlement::Accept) makes them the clip of their job;
/// a recovery that gets a clip which passes removes them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct QuarantinedClip {
    /// The id of the record of the paid request.
    pub record: String,
    /// The service's id of the job.
    pub job_id: Option<String>,
    /// The name in the library, `quarantine/<record>.mp4`.
    pub file_name: String,
    /// Where the file is, if the library is a folder.
    pub path: Option<PathBuf>,
    /// Why the bytes are no clip.
    pub reason: String,
    /// Their size.
    pub bytes: u64,
    /// SHA-256 in hex, as it was when they were downloaded.
    pub sha256: Option<String>,
    /// When they were downloaded, in milliseconds since 1970 UTC.
    pub attempted_at: Option<u64>,
}

/// What is known of bytes that failed verification.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// The id of the record of the paid request.
    pub(crate) record: String,
    pub(crate) job_id: String,
    /// Why they are no clip.
    pub(crate) reason: String,
    /// The sidecar that they get when a person accepts them.
    pub(crate) sidecar: ClipRecord,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    schema: u32,
    record: String,
    job_id: String,
    reason: String,
    attempted_at: u64,
    #[serde(flatten)]
    digest: ClipDigest,
    sidecar: ClipRecord,
}

/// Bytes that are there, and their note, which may be damaged.
struct Entry {
    bytes: u64,
    note: Option<Note>,
}

impl Library {
    /// The bytes that failed verification and are kept, oldest request first. Each belongs to a record of
    /// [`jobs`](Self::jobs), unless its job was settled as lost: then they stay until they are
    /// [discarded](Self::discard_quarantined).
    ///
    /// # Errors
    /// `Library` if the library cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn quarantined(&self) -> Result<Vec<QuarantinedClip>> {
        let mut records = self.notes().names().await?;
        records.retain(|record| millis_of(record).is_some());
        records.sort_unstable_by_key(|record| millis_of(record));
        let mut found = Vec::new();
        for record in records {
            found.extend(self.quarantined_clip(&record).await?);
        }
        Ok(found)
    }

    /// The bytes of one job that are in quarantine, by the id of its record.
    pub(crate) async fn quarantined_clip(&self, record: &str) -> Result<Option<QuarantinedClip>> {
        let Some(Entry { bytes, note }) = self.quarantine_entry(record).await? else {
            return Ok(None);
        };
        let file_name = file_name(record);
        let path = self.inner.folder.as_ref().map(|folder| folder.join(&file_name));
        let (reason, note) = match note {
            Some(note) => (note.reason.clone(), Some(note)),
            None => ("the note that says why cannot be read".to_owned(), None),
        };
        Ok(Some(QuarantinedClip {
            record: record.to_owned(),
            job_id: note.as_ref().map(|note| note.job_id.clone()),
            file_name,
            path,
            reason,
            bytes,
            attempted_at: note.as_ref().map(|note| note.attempted_at),
            sha256: note.map(|note| note.digest.sha256),
        }))
    }

    /// Removes the bytes of a job that are in quarantine, by the id of its record, and says whether there were any.
    /// The record stays as it is: while it is open, a recovery fetches the clip again.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no id of a record, `Library` if they cannot be removed.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the bytes or removes them.
    pub async fn discard_quarantined(&self, record: &str) -> Result<bool> {
        created_at(record)?;
        let there = self.quarantine_entry(record).await?.is_some();
        let name = file_name(record);
        let doing = format!("remove {name} of {self}");
        if !there {
            // Nothing to be removed but, perhaps, a note.
        } else if let Some(folder) = self.inner.folder.clone() {
            blocking(move || match fs::remove_file(folder.join(&name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_fault(&doing, error)),
                _ => Ok(()),
            })
            .await?;
        } else {
            match self.inner.store.delete(&self.location(&name)?).await {
                Ok(()) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(store_fault(&doing, error)),
            }
        }
        self.notes().remove(record).await?;
        Ok(there)
    }

    /// Checks that there are bytes in quarantine that can become the clip of a record.
    pub(super) async fn check_acceptable(&self, record: &JobRecord) -> Result<()> {
        let id = &record.id;
        if self.quarantine_entry(id).await?.is_some() || self.is_half_accepted(record).await? {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NotFound,
            format!("accept the bytes of job {id}: none of it are in quarantine"),
        )
        .with_guidance("Library::quarantined and `reelkin ls --open` list what can be accepted"))
    }

    /// Makes the bytes in quarantine the clip of their job, and closes its record. Interrupted, it can be called again.
    pub(super) async fn accept(&self, mut file: JobFile) -> Result<JobRecord> {
        let taken = self.take_out_of_quarantine(file.record()).await;
        let clip = match taken {
            Ok(clip) => clip,
            Err(error) => {
                // Any process may go on with it.
                if let Err(unwritten) = file.change(|record| record.owner = None).await {
                    tracing::warn!(error = %unwritten, "the record still names this process as its owner");
                }
                return Err(error);
            }
        };
        let ours = clip.record.as_ref().and_then(|record| record.reelkin.as_ref());
        let cost = ours.and_then(|ours| ours.cost_usd_ticks).map(UsdTicks::new);
        file.close(|record| {
            record.state = JobState::Saved;
            record.clip = Some(clip.id.to_string());
            record.cost = record.cost.or(cost);
            record.error = None;
            record.quarantined = false;
        })
        .await
    }

    /// The clip of a record whose bytes were accepted, when a crash kept the rest from being done.
    pub(crate) async fn finish_acceptance(&self, record: &JobRecord) -> Result<Option<Clip>> {
        if self.is_half_accepted(record).await? {
            self.take_out_of_quarantine(record).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// Whether the clip is there, and is the bytes that a note of the quarantine is of.
    async fn is_half_accepted(&self, record: &JobRecord) -> Result<bool> {
        if !record.quarantined {
            return Ok(false);
        }
        let name = clip_of(record)?;
        let Some(note) = self.note(&record.id).await? else {
            return Ok(false);
        };
        self.has_become(&name, &note).await
    }

    /// Whether the clip of that name is the bytes that a note is of.
    async fn has_become(&self, name: &ClipId, note: &Note) -> Result<bool> {
        Ok(self.has(&name.file_name()).await? && self.digest(name).await? == note.digest)
    }

    /// The bytes get their name as a clip, then comes the sidecar, and the note goes last. Nothing is overwritten.
    async fn take_out_of_quarantine(&self, record: &JobRecord) -> Result<Clip> {
        let (id, name) = (&record.id, clip_of(record)?);
        let note = self.note(id).await?;
        if let Some(note) = &note
            && record.job_id.as_deref() != Some(&note.job_id)
        {
            return Err(Error::new(
                ErrorKind::Library,
                format!("accept the bytes of job {id}: they are of another job of the service"),
            ));
        }
        if let Some(job_id) = &record.job_id {
            self.drop_orphan(&name, job_id).await?;
        }
        let there = match &note {
            Some(note) if self.has_become(&name, note).await? => Some(note.digest.clone()),
            _ => None,
        };
        let digest = if let Some(digest) = there {
            digest
        } else {
            let digest = self.quarantine_digest(id).await?;
            let from = file_name(id);
            if let Some(folder) = self.inner.folder.clone() {
                let name = name.clone();
                blocking(move || folder.publish(&folder.join(&from), &name)).await?;
            } else {
                let bucket = &self.inner.bucket;
                bucket.publish(&name, Content::Object(&from), &digest).await?;
            }
            digest
        };
        let is_noted = note.as_ref().is_some_and(|note| note.digest == digest);
        let sidecar = note.map_or_else(|| sidecar_of(record), |note| note.sidecar);
        let mut clip = self.clip(&name).await?;
        if clip.record.is_none() {
            let sidecar = accepted(sidecar, digest, is_noted);
            clip = self.set_record(&name, sidecar).await?;
        }
        self.discard_quarantined(id).await?;
        Ok(clip)
    }

    fn notes(&self) -> Documents {
        Documents::new(self, QUARANTINE)
    }

    /// A note. `None` where there is none that can be read.
    async fn note(&self, record: &str) -> Result<Option<Note>> {
        let Some(found) = self.notes().read(record).await? else {
            return Ok(None);
        };
        let note = serde_json::from_slice(&found.json).ok();
        Ok(note.filter(|note: &Note| note.schema == SCHEMA && note.record == record))
    }

    /// What is in quarantine of a record.
    async fn quarantine_entry(&self, record: &str) -> Result<Option<Entry>> {
        let name = file_name(record);
        let bytes = if let Some(folder) = self.inner.folder.clone() {
            blocking(move || Ok(folder.has(&name)?.then(|| folder.size(&name)).flatten())).await?
        } else {
            let object = self.inner.bucket.object(&name, &format!("find {name}")).await?;
            object.map(|object| object.size)
        };
        let Some(bytes) = bytes else { return Ok(None) };
        let note = self.note(record).await?;
        Ok(Some(Entry { bytes, note }))
    }

    async fn quarantine_digest(&self, record: &str) -> Result<ClipDigest> {
        let name = file_name(record);
        let doing = format!("read {name}");
        let missing = || Error::new(ErrorKind::NotFound, format!("{doing} of {self}"));
        if let Some(folder) = self.inner.folder.clone() {
            let digest = move || {
                folder
                    .has(&name)?
                    .then(|| staged::digest(&folder.join(&name)))
                    .transpose()
            };
            return blocking(digest).await?.ok_or_else(missing);
        }
        let object = self.inner.bucket.object(&name, &doing).await?;
        object.ok_or_else(missing)?.digest(&doing).await
    }

    /// Puts a whole file into quarantine, over what an earlier attempt of the job left there.
    async fn put_into_quarantine(
        self,
        part: PathBuf,
        file: LockedFile,
        digest: ClipDigest,
        rejected: Rejected,
    ) -> Result<()> {
        let Rejected {
            record,
            job_id,
            reason,
            sidecar,
        } = rejected;
        created_at(&record)?;
        let there = self.quarantine_entry(&record).await?;
        let is_same = |there: &Entry| {
            let noted = there.note.as_ref().map(|note| &note.digest);
            there.bytes == digest.bytes && noted == Some(&digest)
        };
        if digest.bytes == 0 || there.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        let name = file_name(&record);
        let note = Note {
            schema: SCHEMA,
            attempted_at: now_millis(),
            digest,
            record,
            job_id,
            reason,
            sidecar,
        };
        let json = serde_json::to_vec_pretty(&note).map_err(|error| {
            Error::new(ErrorKind::Library, format!("write the note for {name}")).with_source(error)
        })?;
        self.notes().put(&note.record, json).await?;
        match self.inner.folder.clone() {
            Some(folder) => blocking(move || move_in(&folder, &part, &file, &name)).await,
            None => {
                let bucket = &self.inner.bucket;
                bucket.replace_with_file(&name, &part, note.digest.bytes).await
            }
        }
    }
}

impl Staged {
    /// Puts the bytes that are staged into quarantine, and begins an empty file for the next attempt.
    ///
    /// # Errors
    /// `Library` when they could not be kept. Then they are gone, unless the file could not be begun anew.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop what was begun, and the staged file is not removed.
    pub(crate) async fn quarantine(&mut self, rejected: Rejected) -> Result<()> {
        self.flush().await?;
        self.keep = true;
        let (file, hash) = self.file.finish().await.map_err(|error| self.fault(error))?;
        let digest = match hash {
            Some((hash, bytes)) => ClipDigest::new(hash, bytes),
            None => {
                let path = self.path.clone();
                blocking(move || staged::digest(&path)).await?
            }
        };
        let put = self
            .library
            .clone()
            .put_into_quarantine(self.path.clone(), file, digest, rejected);
        let kept = tokio::spawn(put).await.map_err(cut_off);
        self.lock.release();
        let Part { file, path, lock } = self.library.open_part(&self.id).await?;
        (self.file, self.path, self.written) = (Appender::new(file), path, u64::MAX);
        self.lock = lock;
        self.truncate(0).await?;
        self.keep = false;
        kept?
    }
}

/// Moves a whole file into the folder of the quarantine, which its note has made.
fn move_in(folder: &Folder, part: &Path, file: &File, name: &str) -> Result<()> {
    let place = folder.join(QUARANTINE);
    let target = folder.join(name);
    let moved = file.sync_all().and_then(|()| {
        if !fs::symlink_metadata(&place)?.is_dir() {
            let message = format!("{QUARANTINE} in the library is not a folder");
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
        fs::rename(part, &target)?;
        sync_folder(&place)
    });
    moved.map_err(|error| io_fault(&format!("write {name}"), error))
}

/// `record` is the id of a record, and so a plain name.
fn file_name(record: &str) -> String {
    format!("{QUARANTINE}/{record}.mp4")
}

/// The name that the clip of a record has or will have.
fn clip_of(record: &JobRecord) -> Result<ClipId> {
    match (&record.clip, &record.job_id) {
        (Some(clip), _) => ClipId::parse(clip),
        (None, Some(job_id)) => Ok(ClipId::of_job(job_id)),
        (None, None) => ClipId::parse(&record.id),
    }
}

/// What a record says of its clip, where the note is damaged.
fn sidecar_of(record: &JobRecord) -> ClipRecord {
    let mut sidecar = ClipRecord::new(record.created_at);
    sidecar.prompt.clone_from(&record.prompt);
    sidecar.model.clone_from(&record.model);
    sidecar.reelkin = Some(ReelkinRecord {
        cost_usd_ticks: record.cost.map(UsdTicks::ticks),
        operation: Some(record.operation.clone()),
        job_id: record.job_id.clone(),
        warnings: Some(vec![
            "accepted without verification: the note that said why the clip failed it was damaged".to_owned(),
        ]),
        ..ReelkinRecord::new()
    });
    sidecar
}

/// The sidecar of an accepted clip, with size and hash of its bytes as they are.
fn accepted(mut sidecar: ClipRecord, digest: ClipDigest, is_noted: bool) -> ClipRecord {
    let ours = sidecar.reelkin.get_or_insert_with(ReelkinRecord::new);
    ours.sha256 = Some(digest.sha256);
    ours.bytes = Some(digest.bytes);
    if !is_noted {
        let warnings = ours.warnings.get_or_insert_default();
        warnings.push("the accepted bytes are not those whose hash was written down".to_owned());
    }
    sidecar
}
