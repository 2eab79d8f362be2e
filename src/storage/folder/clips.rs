//! Lists the clips of a folder, and reads their sidecars.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, Read as _};

use bytes::Bytes;

use super::Folder;
use crate::error::{Error, Result};
use crate::ids::{self, CLIP_SUFFIX, ClipId, SIDECAR_SUFFIX};
use crate::storage::error::io_error;
use crate::storage::{FilePresence, MAX_SIDECAR_BYTES, sidecar_too_large};

impl Folder {
    /// Returns the size of a regular file, or `None` if it does not exist. Fails for anything else, such as a folder.
    pub(super) fn file_size(&self, name: &str) -> Result<Option<u64>> {
        if let Some((inner, _)) = name.rsplit_once('/')
            && fs::symlink_metadata(self.join(inner)).is_ok_and(|meta| !meta.is_dir())
        {
            let message = format!("read {name:?}: {inner} in the library is not a folder");
            return Err(Error::library(message));
        }
        match fs::symlink_metadata(self.join(name)) {
            Ok(meta) if meta.is_file() => Ok(Some(meta.len())),
            Ok(_) => Err(Error::library(format!("read {name:?}: it is not a regular file"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(&format!("read {name:?}"), error)),
        }
    }

    /// Returns the newest ids older than `before`, newest first, at most `limit`. Uses the index, or else reads all
    /// names once. No file is opened, since common filesystems return the type of a file with its name.
    pub(super) fn list_clips(&self, before: Option<&ClipId>, limit: usize) -> Result<Vec<ClipId>> {
        if let Some(ids) = self.index.newest(before, limit) {
            return Ok(ids);
        }
        let action = || format!("list {self}");
        let mut scan = self.index.scan();
        let mut clips = 0;
        let mut newest: BinaryHeap<Reverse<ClipId>> = BinaryHeap::new();
        for entry in fs::read_dir(&self.root).map_err(|error| io_error(&action(), error))? {
            let entry = entry.map_err(|error| io_error(&action(), error))?;
            let file_name = entry.file_name();
            if let (Some(scan), Some(name)) = (&mut scan, file_name.to_str())
                && entry.file_type().is_ok_and(|kind| kind.is_file())
            {
                scan.add(name);
            }
            let Some(stem) = file_name.to_str().and_then(|name| name.strip_suffix(CLIP_SUFFIX)) else {
                continue;
            };
            clips += 1;
            let is_newer_than = |id: &ClipId| ids::compare_names(stem, id.as_str()) == Ordering::Greater;
            if before.is_some_and(|before| ids::compare_names(stem, before.as_str()) != Ordering::Less) {
                continue;
            }
            let is_full = newest.len() >= limit;
            if is_full && !newest.peek().is_some_and(|Reverse(oldest)| is_newer_than(oldest)) {
                continue;
            }
            let Ok(id) = ClipId::parse(stem) else { continue };
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            if is_full {
                newest.pop();
            }
            newest.push(Reverse(id));
        }
        match scan {
            Some(scan) => scan.keep(),
            None => self.index.create(clips),
        }
        Ok(newest
            .into_sorted_vec()
            .into_iter()
            .map(|Reverse(id)| id)
            .collect())
    }

    /// Returns the ids of all sidecars, newest first. No file is opened.
    pub(super) fn list_sidecars(&self) -> Result<Vec<ClipId>> {
        let mut ids = if let Some(all) = self.index.all() {
            let sidecars = all.into_iter().filter(|(_, presence)| presence.sidecar);
            sidecars.map(|(id, _)| id).collect()
        } else {
            self.scan_sidecars()?
        };
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    fn scan_sidecars(&self) -> Result<Vec<ClipId>> {
        let action = || format!("list {self}");
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(|error| io_error(&action(), error))? {
            let entry = entry.map_err(|error| io_error(&action(), error))?;
            let name = entry.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(SIDECAR_SUFFIX));
            if let Some(Ok(id)) = stem.map(ClipId::parse)
                && entry.file_type().is_ok_and(|kind| kind.is_file())
            {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// Returns all ids, oldest first, each with which of its files exist.
    pub(super) fn list_contents(&self) -> Result<Vec<(ClipId, FilePresence)>> {
        match self.index.all() {
            Some(all) => Ok(all),
            None => Ok(FilePresence::join(
                self.list_clips(None, usize::MAX)?,
                self.list_sidecars()?,
            )),
        }
    }

    /// Reads a sidecar. Returns `None` if it does not exist.
    pub(super) fn read_sidecar(&self, id: &ClipId) -> Result<Option<Bytes>> {
        let name = id.sidecar_name();
        if self.file_size(&name)?.is_none() {
            return Ok(None);
        }
        let mut json = Vec::new();
        let read = File::open(self.join(&name))
            .and_then(|file| file.take(MAX_SIDECAR_BYTES as u64 + 1).read_to_end(&mut json));
        match read {
            Ok(_) if json.len() > MAX_SIDECAR_BYTES => {
                Err(sidecar_too_large(&format!("read sidecar {name:?}")))
            }
            Ok(_) => Ok(Some(json.into())),
            // The sidecar was removed after its size was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(&format!("read sidecar {name:?}"), error)),
        }
    }
}
