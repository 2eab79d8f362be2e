//! Appends to a file on a blocking thread, and hashes the bytes at the same time.
//!
//! Owns how writing overlaps with receiving, and whether the hash is that of the whole file. Does not know what the
//! file contains.

use std::io::{self, Seek as _, SeekFrom, Write as _};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::lock::LockedFile;
use crate::host::spawn_blocking;

/// Appends to a file in the background, at most one piece at a time. A failure is returned once, by the next call.
pub(crate) struct HashingWriter(State);

enum State {
    Idle(Box<Output>),
    Busy(JoinHandle<(Box<Output>, io::Result<u64>)>),
    /// The runtime ended during a write.
    Lost,
}

struct Output {
    file: LockedFile,
    /// The hash and the number of the bytes written so far. `None` if a part of the file was not written by this value.
    hash: Option<(Sha256, u64)>,
}

impl HashingWriter {
    pub(crate) fn new(file: LockedFile) -> Self {
        let hash = Some((Sha256::new(), 0));
        Self(State::Idle(Box::new(Output { file, hash })))
    }

    /// Waits until the previous piece is in the file, and then starts to write this one.
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, nothing of the piece is written.
    pub(crate) async fn append(&mut self, piece: Bytes) -> io::Result<()> {
        self.flush().await?;
        self.begin(move |output| {
            output.file.write_all(&piece)?;
            if let Some((hash, length)) = &mut output.hash {
                hash.update(&piece);
                *length += piece.len() as u64;
            }
            Ok(0)
        })
    }

    /// Waits until every accepted piece is in the file.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.end().await.map(drop)
    }

    /// Returns the length of the file.
    pub(crate) async fn length(&mut self) -> io::Result<u64> {
        self.flush().await?;
        self.begin(|output| Ok(output.file.metadata()?.len()))?;
        self.end().await
    }

    /// Truncates the file to `length`. The next piece is written there.
    pub(crate) async fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.flush().await?;
        self.begin(move |output| {
            output.file.set_len(length)?;
            output.hash = match output.hash.take() {
                _ if length == 0 => Some((Sha256::new(), 0)),
                hash => hash.filter(|(_, hashed)| *hashed == length),
            };
            output.file.seek(SeekFrom::Start(length))
        })?;
        self.flush().await
    }

    /// Returns the file, with the hash and the number of its bytes if all of them were written by this value.
    pub(crate) async fn finish(&mut self) -> io::Result<(LockedFile, Option<(Sha256, u64)>)> {
        let length = self.length().await?;
        match std::mem::replace(&mut self.0, State::Lost) {
            State::Idle(output) => Ok((output.file, output.hash.filter(|(_, hashed)| *hashed == length))),
            State::Busy(_) | State::Lost => Err(lost()),
        }
    }

    fn begin(
        &mut self,
        work: impl FnOnce(&mut Output) -> io::Result<u64> + Send + 'static,
    ) -> io::Result<()> {
        let State::Idle(mut output) = std::mem::replace(&mut self.0, State::Lost) else {
            return Err(lost());
        };
        self.0 = State::Busy(spawn_blocking(move || {
            let done = work(&mut output);
            (output, done)
        }));
        Ok(())
    }

    async fn end(&mut self) -> io::Result<u64> {
        let State::Busy(work) = &mut self.0 else {
            return Ok(0);
        };
        let (state, done) = match work.await {
            Ok((output, done)) => (State::Idle(output), done),
            Err(_) => (State::Lost, Err(lost())),
        };
        self.0 = state;
        done
    }
}

fn lost() -> io::Error {
    io::Error::other("the runtime is shutting down")
}
