//! Delivers the crate's log to the logging libraries of the other languages.
//!
//! Owns a bounded queue, from which a thread of the package takes the records. Rust never calls into the other language
//! to log, so that logging cannot wait for a lock or an event loop there. Knows nothing about those libraries.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, SystemTime};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::Timestamp;

/// The queue holds this many records. The oldest one is dropped for a new one.
const MAX_RECORDS: usize = 1000;
/// The longest wait of one call.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// The modules whose records belong to the logger `reelkin.http`.
const HTTP: [&str; 2] = ["reelkin::http", "reelkin::provider"];

/// How important a log record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LogLevel {
    /// Something that was paid for needs attention.
    Error,
    /// Something failed and was worked around.
    Warn,
    /// A job was submitted, a clip was saved.
    Info,
    /// Each reply of the service, and each repeated attempt.
    Debug,
}

/// One record of the log. It contains no key, no signed link and no prompt.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LogRecord {
    /// The level.
    pub level: LogLevel,
    /// `reelkin`, or `reelkin.http` for requests to the service.
    pub logger: String,
    /// The message, with its fields as `name=value`.
    pub message: String,
    /// When it was logged.
    pub time: Timestamp,
}

/// The records of one process.
///
/// A forked child gets its own queue, because a lock that another thread held at the fork is never released there.
struct Queue {
    process: u32,
    records: Mutex<Records>,
    added: Condvar,
}

#[derive(Default)]
struct Records {
    waiting: VecDeque<LogRecord>,
    dropped: u64,
}

static QUEUE: AtomicPtr<Queue> = AtomicPtr::new(std::ptr::null_mut());

impl Queue {
    fn new() -> Self {
        Self {
            process: std::process::id(),
            records: Mutex::default(),
            added: Condvar::new(),
        }
    }

    /// Returns the queue of this process.
    #[expect(unsafe_code, reason = "a lock around the pointer could be held at a fork")]
    fn get() -> &'static Self {
        let process = std::process::id();
        let pointer = QUEUE.load(Ordering::Acquire);
        // SAFETY: the pointer is null or comes from `Box::leak` below. The queue is never freed, and never mutably
        // borrowed after it is shared.
        if let Some(queue) = unsafe { pointer.as_ref() }
            && queue.process == process
        {
            return queue;
        }
        let new = std::ptr::from_mut(Box::leak(Box::new(Self::new())));
        match QUEUE.compare_exchange(pointer, new, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: `new` was leaked above, and no mutable reference to it is used any more.
            Ok(_) => unsafe { &*new },
            // Another thread of this process was first.
            Err(_) => Self::get(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, record: LogRecord) {
        let mut records = self.lock();
        if records.waiting.len() >= MAX_RECORDS {
            records.waiting.pop_front();
            records.dropped += 1;
        }
        records.waiting.push_back(record);
        drop(records);
        self.added.notify_all();
    }

    /// Waits until there is a record. Returns whether there is one.
    fn wait(&self, longest: Duration) -> bool {
        let records = self.lock();
        let (records, _) = self
            .added
            .wait_timeout_while(records, longest, |records| records.waiting.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        !records.waiting.is_empty()
    }

    fn take(&self) -> Vec<LogRecord> {
        let Records { waiting, dropped } = std::mem::take(&mut *self.lock());
        let mut taken = Vec::from(waiting);
        if let Some(first) = taken.first()
            && dropped > 0
        {
            let lost = LogRecord {
                level: LogLevel::Warn,
                logger: "reelkin".to_owned(),
                message: format!("{dropped} older log records were dropped, because nothing took them"),
                time: first.time,
            };
            taken.insert(0, lost);
        }
        taken
    }
}

/// Receives the events of this crate.
///
/// The feature `log` of `tracing` would do the same with less code here. It is not used, because it also adds code to the
/// events and spans of every other crate, which makes a package 0.01 MB larger, and passes their events to `log`.
struct Bridge;

/// What the filter can be: none, then the levels of [`LogLevel`] in its order.
const FILTERS: [LevelFilter; 5] = [
    LevelFilter::OFF,
    LevelFilter::ERROR,
    LevelFilter::WARN,
    LevelFilter::INFO,
    LevelFilter::DEBUG,
];

/// The index of the filter in [`FILTERS`].
static FILTER: AtomicUsize = AtomicUsize::new(0);

fn filter() -> LevelFilter {
    let index = FILTER.load(Ordering::Relaxed);
    FILTERS.get(index).copied().unwrap_or(LevelFilter::OFF)
}

impl Subscriber for Bridge {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let target = metadata.target();
        // Other crates could log what this one never logs, such as headers. Spans contain settings of the user.
        if metadata.is_event() && (target == "reelkin" || target.starts_with("reelkin::")) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(filter())
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= filter()
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let is_http = HTTP.iter().any(|module| metadata.target().starts_with(module));
        let mut text = Text::default();
        event.record(&mut text);
        Queue::get().add(LogRecord {
            level: match *metadata.level() {
                Level::ERROR => LogLevel::Error,
                Level::WARN => LogLevel::Warn,
                Level::INFO => LogLevel::Info,
                _ => LogLevel::Debug,
            },
            logger: if is_http { "reelkin.http" } else { "reelkin" }.to_owned(),
            message: text.message + &text.fields,
            time: SystemTime::now().into(),
        });
    }

    // Spans are never enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The message of an event, and its fields as ` name=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// Sets which records are kept: those of this level and of more important ones, or none. Nothing is kept at first.
#[uniffi::export]
pub fn set_log_level(level: Option<LogLevel>) {
    static INSTALL: Once = Once::new();
    FILTER.store(level.map_or(0, |level| level as usize + 1), Ordering::Relaxed);
    INSTALL.call_once(|| {
        // Fails if the process has a subscriber, which only a program in Rust can have. It then gets the events.
        let _ = tracing::subscriber::set_global_default(Bridge);
    });
    // `tracing` remembers the level.
    tracing::callsite::rebuild_interest_cache();
}

/// Blocks the thread until there is a record to take, or until `longest` is over, at most one minute. Returns whether
/// there is one.
///
/// Taking is a separate call, so that a package can take and log under a lock, and a thread that gets the lock knows that
/// what was taken before is logged.
#[uniffi::export]
pub fn wait_for_log_records(longest: Duration) -> bool {
    Queue::get().wait(longest.min(MAX_WAIT))
}

/// Takes the records out of the queue, oldest first.
#[uniffi::export]
pub fn take_log_records() -> Vec<LogRecord> {
    Queue::get().take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_records_are_dropped_and_counted() {
        let queue = Queue::new();
        for number in 0..MAX_RECORDS + 5 {
            queue.add(LogRecord {
                level: LogLevel::Info,
                logger: "reelkin".to_owned(),
                message: number.to_string(),
                time: Timestamp::default(),
            });
        }
        assert!(queue.wait(Duration::ZERO));
        let taken = queue.take();
        assert_eq!(taken.len(), MAX_RECORDS + 1);
        assert!(taken[0].message.starts_with("5 older log records"), "{taken:?}");
        assert_eq!(taken[1].message, "5");
        assert!(!queue.wait(Duration::ZERO));
        assert_eq!(queue.take(), []);
    }
}
