//! A clip read in pieces by whoever wants `Read` and `Seek`: of a clip in a bucket only what is looked at
//! is fetched.
//!
//! Owns which blocks are fetched together, which are kept, and how a thread that may wait gets at a store
//! that only async code can ask. Knows nothing of what is in a clip.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::bucket::Object;
use super::{ClipId, Library};
use crate::error::{Error, ErrorKind, Result};
use crate::host::read_runtime;

/// What is kept and fetched at least: a clip in fragments is a chain of small tables with much between them.
const BLOCK: u64 = 16 << 10;
/// Where more is read than a table, each request is so many times as long as the one before it,
const FASTER: u64 = 8;
/// up to so many blocks: 1 MiB.
const MOST_AHEAD: u64 = 64;
/// Most blocks that are kept: 8 MiB.
const MOST_KEPT: usize = 512;
/// The longest that a read waits for its request.
const DEADLINE: Duration = Duration::from_secs(20);

/// A clip of a library as a `Read` and `Seek` that fetches only what is read, in blocks of 16 KiB and, where
/// it is read on and on, up to 1 MiB at once. At most 8 MiB are kept in memory.
///
/// A clone has a position of its own and shares what was fetched. Reading blocks: it belongs on a thread
/// that may wait, such as one of `spawn_blocking`, and never on one that runs async code. A request that
/// is not answered within 20 s fails with `TimedOut`; so does every read when the runtime in which the
/// reader was made is gone.
#[derive(Clone)]
pub struct ClipReader {
    name: Arc<str>,
    object: Arc<Object>,
    kept: Arc<Mutex<Kept>>,
    runtime: Handle,
    /// Turns true when nobody waits for it any more.
    stop: watch::Receiver<bool>,
    position: u64,
    /// The block after the last request, and how many blocks that had.
    next: u64,
    ahead: u64,
}

#[derive(Default)]
struct Kept {
    blocks: HashMap<u64, (Bytes, u64)>,
    /// Counts uses: the block that was used longest ago goes first.
    clock: u64,
}

impl Library {
    /// Opens a clip to be read in pieces.
    ///
    /// # Errors
    /// `NotFound`, `Library`.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn reader(&self, id: &ClipId) -> Result<ClipReader> {
        let name = id.file_name();
        let object = self.object(id, &format!("read clip {name:?}")).await?;
        Ok(ClipReader {
            name: name.into(),
            object: Arc::new(object),
            kept: Arc::default(),
            runtime: read_runtime(),
            stop: watch::channel(false).1,
            position: 0,
            next: 0,
            ahead: 0,
        })
    }
}

impl ClipReader {
    /// The size of the clip.
    pub fn size(&self) -> u64 {
        self.object.size
    }

    /// A clone that can be told to give up, and what tells it: a read that waits for the store then fails at once, and
    /// so does every later one that would have to ask.
    pub fn stoppable(&self) -> (Self, impl FnOnce() + Send + use<>) {
        let (stopper, stop) = watch::channel(false);
        let reader = Self { stop, ..self.clone() };
        (reader, move || {
            stopper.send_replace(true);
        })
    }

    /// All of it, in memory.
    pub(crate) async fn whole(&self) -> Result<Bytes> {
        let object = Object::clone(&self.object);
        object.whole(&format!("read clip {:?}", self.name)).await
    }

    /// All of it, a bounded piece at a time.
    pub(super) fn pieces(&self) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        Object::clone(&self.object).pieces(&format!("read clip {:?}", self.name))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing that can panic is done under this lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn block(&mut self, number: u64) -> io::Result<Bytes> {
        if let Some(block) = self.kept().take(number) {
            return Ok(block);
        }
        let wanted = if number == self.next {
            (self.ahead * FASTER).clamp(1, MOST_AHEAD)
        } else {
            1
        };
        let blocks = self.object.size.div_ceil(BLOCK);
        let count = {
            let kept = self.kept();
            let until = (number + 1..blocks.min(number + wanted)).find(|at| kept.blocks.contains_key(at));
            until.unwrap_or_else(|| blocks.min(number + wanted)) - number
        };
        let start = number * BLOCK;
        let fetched = self.fetch(start..self.object.size.min(start + count * BLOCK))?;
        (self.next, self.ahead) = (number + count, count);
        let mut kept = self.kept();
        let size = usize::try_from(BLOCK).unwrap_or(usize::MAX);
        for (at, from) in (number..).zip((0..fetched.len()).step_by(size)) {
            // Not a slice: one block that is kept would hold all that came with it.
            let block = Bytes::copy_from_slice(&fetched[from..fetched.len().min(from + size)]);
            kept.put(at, block);
        }
        kept.take(number)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Asks for bytes in the runtime, and waits for them here.
    fn fetch(&self, range: Range<u64>) -> io::Result<Bytes> {
        let (sender, answer) = sync_channel(1);
        let object = Arc::clone(&self.object);
        let doing = format!("read clip {:?}", self.name);
        let mut stop = self.stop.clone();
        let asked = self.runtime.spawn({
            let doing = doing.clone();
            async move {
                tokio::select! {
                    biased;
                    // An error means that there is nobody who could.
                    Ok(_) = stop.wait_for(|stop| *stop) => {}
                    // Nobody may listen any more: the answer came too late.
                    answer = object.range(range, &doing) => drop(sender.send(answer)),
                }
            }
        });
        match answer.recv_timeout(DEADLINE) {
            Ok(bytes) => bytes.map_err(io::Error::other),
            Err(RecvTimeoutError::Timeout) => {
                asked.abort();
                let late = format!("{doing}: the store did not answer within {DEADLINE:?}");
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    Error::new(ErrorKind::Timeout, late),
                ))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let why = if *self.stop.borrow() {
                    "stopped"
                } else {
                    "its runtime is shutting down"
                };
                let gone = format!("{doing}: {why}");
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    Error::new(ErrorKind::Stopped, gone),
                ))
            }
        }
    }
}

impl Kept {
    fn take(&mut self, number: u64) -> Option<Bytes> {
        self.clock += 1;
        let (block, used) = self.blocks.get_mut(&number)?;
        *used = self.clock;
        Some(block.clone())
    }

    fn put(&mut self, number: u64, block: Bytes) {
        if self.blocks.len() >= MOST_KEPT {
            let oldest = self.blocks.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(number, _)| *number) {
                self.blocks.remove(&oldest);
            }
        }
        self.clock += 1;
        self.blocks.insert(number, (block, self.clock));
    }
}

impl Read for ClipReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.position >= self.object.size {
            return Ok(0);
        }
        let block = self.block(self.position / BLOCK)?;
        let from = usize::try_from(self.position % BLOCK).unwrap_or(usize::MAX);
        let there = block.get(from..).unwrap_or_default();
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for ClipReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.object.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position =
            position.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.position)
    }
}

impl fmt::Debug for ClipReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClipReader")
            .field("name", &self.name)
            .field("size", &self.object.size)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
