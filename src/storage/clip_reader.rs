//! A clip as `Read` and `Seek`: of a clip in a bucket, only the parts that are read are fetched.
//!
//! Owns which blocks are fetched together, which are cached, and how a blocking thread waits for a store that only async
//! code can call. Does not know what is in a clip.

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
use crate::error::{Error, ErrorKind, Result};
use crate::host::read_runtime;

/// The size of a block. Small, since a fragmented clip is a chain of small tables that are far apart.
const BLOCK: u64 = 16 << 10;
/// The factor by which each request is longer than the previous one while a clip is read sequentially.
const GROWTH: u64 = 8;
/// The maximum number of blocks in a request: 1 MiB.
const MAX_AHEAD: u64 = 64;
/// The maximum number of cached blocks: 8 MiB.
const MAX_CACHED: usize = 512;
/// The maximum time that a read waits for its request.
const DEADLINE: Duration = Duration::from_secs(20);

/// A clip of a library as `Read` and `Seek`. Fetches only what is read: 16 KiB at a time, and up to 1 MiB at a time
/// while it is read sequentially. Caches at most 8 MiB.
///
/// A clone has its own position and shares the cache. Reading blocks, so call it on a thread that may block, for
/// example through `spawn_blocking`, and never on one that runs async code. A request that is not answered within 20 s
/// fails with `TimedOut`, as does every read after the runtime in which the reader was created is gone.
#[derive(Clone)]
pub struct ClipReader {
    name: Arc<str>,
    object: Arc<Object>,
    cache: Arc<Mutex<BlockCache>>,
    runtime: Handle,
    /// Becomes true when the caller gives up.
    stop: watch::Receiver<bool>,
    position: u64,
    /// The block after the last request, and the number of blocks in that request.
    next: u64,
    ahead: u64,
}

/// Blocks by number, each with the time of its last use.
#[derive(Default)]
struct BlockCache {
    blocks: HashMap<u64, (Bytes, u64)>,
    /// Counts uses. The least recently used block is removed first.
    clock: u64,
}

impl ClipReader {
    /// Must be called within the runtime that is to carry out the reads.
    pub(crate) fn new(name: &str, object: Object) -> Self {
        Self {
            name: name.into(),
            object: Arc::new(object),
            cache: Arc::default(),
            runtime: read_runtime(),
            stop: watch::channel(false).1,
            position: 0,
            next: 0,
            ahead: 0,
        }
    }

    /// Returns the size of the clip in bytes.
    pub fn size(&self) -> u64 {
        self.object.size
    }

    /// Returns a clone, and a function that stops it: a read that is waiting for the store then fails at once, and so
    /// does every later read of a block that is not cached.
    pub fn stoppable(&self) -> (Self, impl FnOnce() + Send + use<>) {
        let (stopper, stop) = watch::channel(false);
        let reader = Self { stop, ..self.clone() };
        (reader, move || {
            stopper.send_replace(true);
        })
    }

    /// Reads all of the clip into memory.
    pub(crate) async fn read_all(&self) -> Result<Bytes> {
        let object = Object::clone(&self.object);
        object.read_all(&format!("read clip {:?}", self.name)).await
    }

    /// Reads all of the clip in bounded pieces.
    pub(crate) fn pieces(&self) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        Object::clone(&self.object).pieces(&format!("read clip {:?}", self.name))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, BlockCache> {
        // Nothing panics while this lock is held.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn block(&mut self, number: u64) -> io::Result<Bytes> {
        if let Some(block) = self.cache().get(number) {
            return Ok(block);
        }
        let wanted = if number == self.next {
            (self.ahead * GROWTH).clamp(1, MAX_AHEAD)
        } else {
            1
        };
        let blocks = self.object.size.div_ceil(BLOCK);
        let count = {
            let cache = self.cache();
            let until = (number + 1..blocks.min(number + wanted)).find(|at| cache.blocks.contains_key(at));
            until.unwrap_or_else(|| blocks.min(number + wanted)) - number
        };
        let start = number * BLOCK;
        let fetched = self.fetch(start..self.object.size.min(start + count * BLOCK))?;
        (self.next, self.ahead) = (number + count, count);
        let mut cache = self.cache();
        let size = usize::try_from(BLOCK).unwrap_or(usize::MAX);
        for (at, from) in (number..).zip((0..fetched.len()).step_by(size)) {
            // A copy, because a slice would keep all of the reply in memory.
            let block = Bytes::copy_from_slice(&fetched[from..fetched.len().min(from + size)]);
            cache.put(at, block);
        }
        cache
            .get(number)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Sends a request in the runtime and waits for it on this thread.
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
                    // An error means that the function that stops it was dropped.
                    Ok(_) = stop.wait_for(|stop| *stop) => {}
                    // Sending fails if the read has timed out.
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

impl BlockCache {
    fn get(&mut self, number: u64) -> Option<Bytes> {
        self.clock += 1;
        let (block, used) = self.blocks.get_mut(&number)?;
        *used = self.clock;
        Some(block.clone())
    }

    fn put(&mut self, number: u64, block: Bytes) {
        if self.blocks.len() >= MAX_CACHED {
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
