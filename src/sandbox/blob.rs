//! Bytes on disk: rendered clips and stored files.
//!
//! Owns a scratch folder that goes away with the sandbox, and streams any part of what is in it. A clip
//! may be followed by a `free` box of made-up bytes, so a test can have a large one that nobody stores.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::error::{Error, ErrorKind, Result};

const CHUNK: u64 = 64 << 10;

/// The folder of one sandbox.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    next: AtomicU64,
}

impl Scratch {
    pub(super) fn create() -> Result<Arc<Self>> {
        let folder = std::env::temp_dir().join(format!("reelkin-sandbox-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).map_err(|e| {
            Error::new(
                ErrorKind::Config,
                format!("create the scratch folder {}", folder.display()),
            )
            .with_source(e)
        })?;
        Ok(Arc::new(Self {
            folder,
            next: AtomicU64::new(0),
        }))
    }

    /// A path nobody else has. The file is removed when the last owner lets go.
    pub(super) fn file(self: &Arc<Self>, ending: &str) -> ScratchFile {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        ScratchFile {
            path: self.folder.join(format!("{number:08}.{ending}")),
            _folder: Arc::clone(self),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[derive(Debug)]
pub(super) struct ScratchFile {
    path: PathBuf,
    _folder: Arc<Scratch>,
}

impl ScratchFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A file, and what is said to follow it.
#[derive(Debug, Clone)]
pub(super) struct Blob {
    file: Arc<ScratchFile>,
    stored: u64,
    tail: Bytes,
    padding: u64,
}

impl Blob {
    pub(super) fn new(file: ScratchFile) -> io::Result<Self> {
        let stored = std::fs::metadata(file.path())?.len();
        Ok(Self {
            file: Arc::new(file),
            stored,
            tail: Bytes::new(),
            padding: 0,
        })
    }

    /// Ends an MP4 in a `free` box with a name, so that no two clips have equal bytes, and pads it to a
    /// length if that is more.
    pub(super) fn marked(mut self, name: &str, length: Option<u64>) -> Self {
        let header = 8 + name.len() as u64;
        let box_size = length
            .unwrap_or(0)
            .saturating_sub(self.stored)
            .clamp(header, u64::from(u32::MAX));
        let mut tail = BytesMut::with_capacity(8 + name.len());
        tail.extend_from_slice(&u32::try_from(box_size).unwrap_or(u32::MAX).to_be_bytes());
        tail.extend_from_slice(b"free");
        tail.extend_from_slice(name.as_bytes());
        self.padding = box_size - header;
        self.tail = tail.freeze();
        self
    }

    pub(super) fn len(&self) -> u64 {
        self.stored + self.tail.len() as u64 + self.padding
    }

    /// Bytes that really lie on the disk.
    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    /// Where the stored part is. A reader of MP4 misses nothing by stopping there.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The bytes from `start` to before `end`, piece by piece.
    pub(super) fn stream(
        &self,
        start: u64,
        end: u64,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let blob = self.clone();
        let end = end.min(blob.len());
        futures_util::stream::try_unfold((blob, None, start), move |(blob, file, at)| async move {
            if at >= end {
                return Ok(None);
            }
            let (piece, file) = blob.piece(file, at, end).await?;
            let next = at + piece.len() as u64;
            Ok(Some((piece, (blob, file, next))))
        })
    }

    async fn piece(
        &self,
        file: Option<tokio::fs::File>,
        at: u64,
        end: u64,
    ) -> io::Result<(Bytes, Option<tokio::fs::File>)> {
        let tail_end = self.stored + self.tail.len() as u64;
        if at < self.stored {
            let mut file = if let Some(file) = file {
                file
            } else {
                let mut file = tokio::fs::File::open(self.file.path()).await?;
                file.seek(io::SeekFrom::Start(at)).await?;
                file
            };
            let count = CHUNK.min(self.stored.min(end) - at);
            let mut piece = vec![0; usize::try_from(count).unwrap_or_default()];
            file.read_exact(&mut piece).await?;
            return Ok((piece.into(), Some(file)));
        }
        if at < tail_end {
            let from = usize::try_from(at - self.stored).unwrap_or_default();
            let to = usize::try_from(end.min(tail_end) - self.stored).unwrap_or_default();
            return Ok((self.tail.slice(from..to), None));
        }
        let count = CHUNK.min(end - at);
        // Every offset has its own byte: a download resumed at the wrong place shows.
        let noise = (at..at + count).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8);
        Ok((noise.collect(), None))
    }
}
