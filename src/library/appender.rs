//! A file that grows at its end: written on a thread that may wait, and hashed on the way.
//!
//! Owns how writing overlaps with what brings the bytes, and whether the hash at hand is that of the file. Refuses
//! to know what is written, and what a failure means.

use std::io::{self, Seek as _, SeekFrom, Write as _};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::lock::LockedFile;
use crate::host::spawn_blocking;

/// Works behind its caller's back: at most one piece is on its way into the file. A failure shows at the next call,
/// whichever that is, and once.
pub(super) struct Appender(State);

enum State {
    Idle(Box<Held>),
    Busy(JoinHandle<(Box<Held>, io::Result<u64>)>),
    /// The runtime ended in the middle of it.
    Lost,
}

struct Held {
    file: LockedFile,
    /// Of everything in the file, and how much that is; nothing where part of it was not written here.
    hash: Option<(Sha256, u64)>,
}

impl Appender {
    pub(super) fn new(file: LockedFile) -> Self {
        let hash = Some((Sha256::new(), 0));
        Self(State::Idle(Box::new(Held { file, hash })))
    }

    /// Takes a piece, once the one before is in the file.
    ///
    /// # Cancel safety
    /// Dropped, it has taken nothing.
    pub(super) async fn append(&mut self, piece: Bytes) -> io::Result<()> {
        self.flush().await?;
        self.begin(move |held| {
            held.file.write_all(&piece)?;
            if let Some((hash, length)) = &mut held.hash {
                hash.update(&piece);
                *length += piece.len() as u64;
            }
            Ok(0)
        })
    }

    /// Waits until the file holds every piece that was taken.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.end().await.map(drop)
    }

    /// How long the file is.
    pub(super) async fn length(&mut self) -> io::Result<u64> {
        self.flush().await?;
        self.begin(|held| Ok(held.file.metadata()?.len()))?;
        self.end().await
    }

    /// Cuts the file to a length that it has, and goes on from there.
    pub(super) async fn cut(&mut self, length: u64) -> io::Result<()> {
        self.flush().await?;
        self.begin(move |held| {
            held.file.set_len(length)?;
            held.hash = match held.hash.take() {
                _ if length == 0 => Some((Sha256::new(), 0)),
                hash => hash.filter(|(_, hashed)| *hashed == length),
            };
            held.file.seek(SeekFrom::Start(length))
        })?;
        self.flush().await
    }

    /// Gives the file away, with the hash and the number of its bytes where all of them were written here.
    pub(super) async fn finish(&mut self) -> io::Result<(LockedFile, Option<(Sha256, u64)>)> {
        let length = self.length().await?;
        match std::mem::replace(&mut self.0, State::Lost) {
            State::Idle(held) => Ok((held.file, held.hash.filter(|(_, hashed)| *hashed == length))),
            State::Busy(_) | State::Lost => Err(lost()),
        }
    }

    fn begin(&mut self, work: impl FnOnce(&mut Held) -> io::Result<u64> + Send + 'static) -> io::Result<()> {
        let State::Idle(mut held) = std::mem::replace(&mut self.0, State::Lost) else {
            return Err(lost());
        };
        self.0 = State::Busy(spawn_blocking(move || {
            let done = work(&mut held);
            (held, done)
        }));
        Ok(())
    }

    async fn end(&mut self) -> io::Result<u64> {
        let State::Busy(work) = &mut self.0 else {
            return Ok(0);
        };
        let (state, done) = match work.await {
            Ok((held, done)) => (State::Idle(held), done),
            Err(_) => (State::Lost, Err(lost())),
        };
        self.0 = state;
        done
    }
}

fn lost() -> io::Error {
    io::Error::other("the runtime is shutting down")
}
