//! The files of the Files API and their public URLs.
//!
//! Owns the table and its limits. Bodies and status codes are those of `routes::files`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use uuid::Uuid;

use super::blob::Blob;
use super::clock::unix_now;
use crate::sandbox::rules::refusal::Refusal;
use crate::sync::lock;

/// Maximum size of an uploaded file, and of a file with a public URL.
pub(crate) const MAX_FILE_BYTES: usize = 50 << 20;

const MAX_FILES: usize = 10_000;

/// Maximum size of all files together. The oldest are removed first.
const MAX_TOTAL_BYTES: u64 = 4 << 30;

const MAX_PUBLIC_URLS: usize = 1_000;

#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) id: String,
    /// Counts up in the order of uploads.
    pub(crate) number: u64,
    pub(crate) filename: String,
    pub(crate) purpose: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) blob: Blob,
    public: Option<PublicLink>,
}

#[derive(Debug, Clone)]
struct PublicLink {
    token: String,
    expires_at: Option<i64>,
}

impl StoredFile {
    /// Returns the public URL and when it expires.
    pub(crate) fn public_url(&self, base: &str) -> Option<(String, Option<i64>)> {
        let link = self.public.as_ref()?;
        let ending = extension(&self.filename);
        let url = format!("{base}/files-cdn/{}/{}.{ending}", link.token, self.id);
        Some((url, link.expires_at))
    }

    pub(crate) fn media_type(filename: &str) -> &'static str {
        match extension(filename).as_str() {
            "png" => "image/png",
            "jpg" | "jpeg" => "image/jpeg",
            "webp" => "image/webp",
            "mp4" => "video/mp4",
            "pdf" => "application/pdf",
            "txt" => "text/plain",
            "json" | "jsonl" => "application/json",
            _ => "application/octet-stream",
        }
    }

    fn is_alive(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

fn extension(filename: &str) -> String {
    filename
        .rsplit_once('.')
        .map_or("", |(_, ending)| ending)
        .to_ascii_lowercase()
}

/// All stored files.
#[derive(Debug, Default)]
pub(crate) struct Files(Mutex<FileTable>);

#[derive(Debug, Default)]
struct FileTable {
    files: HashMap<String, StoredFile>,
    next: u64,
}

impl Files {
    /// Returns a file that exists and has not expired.
    pub(crate) fn find(&self, id: &str) -> Option<StoredFile> {
        let mut table = self.lock();
        if table.files.get(id)?.is_alive(unix_now()) {
            return table.files.get(id).cloned();
        }
        table.files.remove(id);
        None
    }

    /// Like [`find`](Self::find), with the refusal for a file that does not exist.
    pub(crate) fn get(&self, id: &str) -> Result<StoredFile, Refusal> {
        self.find(id).ok_or_else(|| missing(id))
    }

    /// Returns the content and the name of the file with this public token.
    pub(crate) fn find_by_token(&self, token: &str) -> Option<(Blob, String)> {
        let now = unix_now();
        let table = self.lock();
        let is_published = |file: &&StoredFile| {
            file.public
                .as_ref()
                .is_some_and(|link| link.token == token && link.expires_at.is_none_or(|end| end > now))
        };
        let file = table.files.values().find(is_published)?;
        Some((file.blob.clone(), file.filename.clone()))
    }

    /// Returns all files that have not expired, in no order.
    pub(crate) fn list(&self) -> Vec<StoredFile> {
        let now = unix_now();
        let table = self.lock();
        let alive = table.files.values().filter(|file| file.is_alive(now));
        alive.cloned().collect()
    }

    /// Stores a file, and removes the oldest ones if there are too many.
    pub(crate) fn add(&self, filename: &str, purpose: &str, lifetime: Option<i64>, blob: Blob) -> StoredFile {
        let now = unix_now();
        let mut table = self.lock();
        table.next += 1;
        let file = StoredFile {
            id: format!("file_{}", Uuid::new_v4()),
            number: table.next,
            filename: filename.to_owned(),
            purpose: purpose.to_owned(),
            created_at: now,
            expires_at: lifetime.map(|seconds| now + seconds),
            blob,
            public: None,
        };
        let total_bytes =
            |table: &FileTable| table.files.values().map(|file| file.blob.stored()).sum::<u64>();
        while table.files.len() >= MAX_FILES
            || (total_bytes(&table) > MAX_TOTAL_BYTES && !table.files.is_empty())
        {
            let oldest = table
                .files
                .values()
                .min_by_key(|file| file.number)
                .map(|file| file.id.clone());
            oldest.map(|id| table.files.remove(&id));
        }
        table.files.insert(file.id.clone(), file.clone());
        file
    }

    pub(crate) fn remove(&self, id: &str) {
        self.lock().files.remove(id);
    }

    /// Gives a file a public URL. A file that already has one keeps it.
    pub(crate) fn publish(&self, id: &str, lifetime: Option<i64>) -> Result<StoredFile, Refusal> {
        let now = unix_now();
        let mut table = self.lock();
        let public_urls = table.files.values().filter(|file| file.public.is_some()).count();
        let file = table
            .files
            .get_mut(id)
            .filter(|file| file.is_alive(now))
            .ok_or_else(|| missing(id))?;
        if file.blob.len() > MAX_FILE_BYTES as u64 {
            return Err(Refusal::invalid(
                "File is too large for a public URL: the maximum is 50 MiB.",
            ));
        }
        let ending = extension(&file.filename);
        if !matches!(ending.as_str(), "png" | "jpg" | "jpeg" | "mp4" | "pdf") {
            return Err(Refusal::invalid(
                "Public URLs are only supported for png, jpeg, mp4 and pdf files.",
            ));
        }
        let expires_at = lifetime.map(|seconds| now + seconds);
        if let (Some(end), Some(link_end)) = (file.expires_at, expires_at)
            && link_end > end
        {
            return Err(Refusal::invalid(
                "expires_after must not exceed the remaining lifetime of the file.",
            ));
        }
        if file.public.is_none() {
            if public_urls >= MAX_PUBLIC_URLS {
                return Err(Refusal::invalid(
                    "Too many active public URLs: the maximum is 1000.",
                ));
            }
            let token = Uuid::new_v4().simple().to_string();
            file.public = Some(PublicLink {
                token,
                expires_at: expires_at.or(file.expires_at),
            });
        }
        Ok(file.clone())
    }

    /// Removes the public URL of a file.
    pub(crate) fn revoke(&self, id: &str) {
        if let Some(file) = self.lock().files.get_mut(id) {
            file.public = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, FileTable> {
        lock(&self.0)
    }
}

fn missing(id: &str) -> Refusal {
    Refusal::not_found(format!("File {id} was not found."))
}
