//! Reads a clip through `Read` and `Seek`. Of a clip in a bucket, only the parts that are read are fetched.
//!
//! Owns which blocks are fetched together, which are cached, and how a blocking thread waits for an async store. Does
//! not know what a clip contains.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::object::Object;
use crate::error::{Error, ErrorKind, Result};
use crate::host::read_runtime;
use crate::sync::lock;

/// The size of a block. It is small, because a fragmented clip has many small tables that are far apart.
const BLOCK_BYTES: u64 = 16 << 10;
/// The factor by which each request is longer than the previous one while a clip is read sequentially.
const GROWTH: u64 = 8;
/// The maximum number of blocks in a request, 1 MiB.
const MAX_BLOCKS_PER_REQUEST: u64 = 64;
/// The maximum number of cached blocks, 8 MiB.
const MAX_CACHED_BLOCKS: usize = 512;
/// The deadline of a request.
const DEADLINE: Duration = Duration::from_secs(20);

/// Reads a clip of a library through `Read` and `Seek`.
///
/// Fetches 16 KiB at a time, and up to 1 MiB at a time while the clip is read sequentially. Caches at most 8 MiB. A
/// clone has its own position and shares the cache.
///
/// Reading blocks the thread. Use a thread that may block, for example through `spawn_blocking`, and never one that
/// runs async code. A read fails with `TimedOut` if the store does not answer within 20 s, or if the runtime in which
/// the reader was created has shut down.
#[derive(Clone)]
pub struct ClipReader {
    name: Arc<str>,
    object: Arc<Object>,
    cache: Arc<Mutex<BlockCache>>,
    runtime: Handle,
    /// Becomes true when the caller stops the reader.
    stop: watch::Receiver<bool>,
    position: u64,
    /// The block after those of the last request.
    next_block: u64,
    /// The number of blocks in the last request.
    last_count: u64,
}

/// Blocks by number, each with the time of its last use.
#[derive(Default)]
struct BlockCache {
    blocks: HashMap<u64, (Bytes, u64)>,
    /// Counts uses. The least recently used block is removed first.
    clock: u64,
}

impl ClipReader {
    /// Returns a reader whose requests run in the current runtime.
    pub(crate) fn new(name: &str, object: Object) -> Self {
        Self {
            name: name.into(),
            object: Arc::new(object),
            cache: Arc::default(),
            runtime: read_runtime(),
            stop: watch::channel(false).1,
            position: 0,
            next_block: 0,
            last_count: 0,
        }
    }

    /// Returns the size of the clip in bytes.
    pub fn size(&self) -> u64 {
        self.object.size
    }

    /// Returns a clone, and a function that stops it. A read that is waiting for the store then fails at once, and so
    /// does every later read that needs the store.
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
        lock(&self.cache)
    }

    /// Returns a block from the cache, or fetches it together with the following ones.
    fn block(&mut self, number: u64) -> io::Result<Bytes> {
        if let Some(block) = self.cache().get(number) {
            return Ok(block);
        }
        let max_count = if number == self.next_block {
            (self.last_count * GROWTH).clamp(1, MAX_BLOCKS_PER_REQUEST)
        } else {
            1
        };
        let blocks = self.object.size.div_ceil(BLOCK_BYTES);
        let count = {
            let cache = self.cache();
            let end = blocks.min(number + max_count);
            let cached = (number + 1..end).find(|number| cache.blocks.contains_key(number));
            cached.unwrap_or(end) - number
        };
        let start = number * BLOCK_BYTES;
        let fetched = self.fetch(start..self.object.size.min(start + count * BLOCK_BYTES))?;
        (self.next_block, self.last_count) = (number + count, count);
        let mut cache = self.cache();
        let size = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
        for (fetched_number, from) in (number..).zip((0..fetched.len()).step_by(size)) {
            // A copy, because a slice would keep all of the reply in memory.
            let block = Bytes::copy_from_slice(&fetched[from..fetched.len().min(from + size)]);
            cache.put(fetched_number, block);
        }
        cache
            .get(number)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Sends a request in the runtime and waits for it on this thread.
    fn fetch(&self, range: Range<u64>) -> io::Result<Bytes> {
        let (sender, reply) = sync_channel(1);
        let object = Arc::clone(&self.object);
        let action = format!("read clip {:?}", self.name);
        let mut stop = self.stop.clone();
        let request = self.runtime.spawn({
            let action = action.clone();
            async move {
                tokio::select! {
                    biased;
                    // An error means that the function that stops the reader was dropped without a call.
                    Ok(_) = stop.wait_for(|stop| *stop) => {}
                    // Sending fails if the read has timed out.
                    reply = object.range(range, &action) => drop(sender.send(reply)),
                }
            }
        });
        match reply.recv_timeout(DEADLINE) {
            Ok(bytes) => bytes.map_err(io::Error::other),
            Err(RecvTimeoutError::Timeout) => {
                request.abort();
                let message = format!("{action}: the store did not answer within {DEADLINE:?}");
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    Error::new(ErrorKind::Timeout, message),
                ))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let reason = if *self.stop.borrow() {
                    "stopped"
                } else {
                    "its runtime is shutting down"
                };
                let message = format!("{action}: {reason}");
                Err(io::Error::new(io::ErrorKind::TimedOut, Error::stopped(message)))
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
        if self.blocks.len() >= MAX_CACHED_BLOCKS {
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
        let block = self.block(self.position / BLOCK_BYTES)?;
        let from = usize::try_from(self.position % BLOCK_BYTES).unwrap_or(usize::MAX);
        let rest = block.get(from..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
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
