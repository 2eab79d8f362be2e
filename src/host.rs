//! The sources of nondeterminism besides files and sockets: the wall clock, random numbers, and blocking threads.
//!
//! Owns the only access to each, so that the simulation (`tests/simulation`) can replace them. Does not know what they
//! are used for. Monotonic time comes from tokio, whose clock tests can pause.

use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

pub(crate) use getrandom::Error as RandomError;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
pub(crate) use tokio::time::Instant;

use crate::timestamp::Timestamp;

/// Returns the wall-clock time, which can be wrong and can jump.
pub(crate) fn wall_clock() -> SystemTime {
    #[cfg(all(test, feature = "media"))]
    if let Some(machine) = simulated::machine() {
        return machine.wall_clock();
    }
    SystemTime::now()
}

/// Returns the wall-clock time as a timestamp.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(wall_clock())
}

/// Returns 32 random bits.
pub(crate) fn random() -> Result<u32, RandomError> {
    #[cfg(all(test, feature = "media"))]
    if let Some(machine) = simulated::machine() {
        return Ok(machine.random());
    }
    getrandom::u32()
}

/// Passes the timestamp of the newest clip name that this process generated to `change`.
///
/// The timestamp is in milliseconds since the Unix epoch.
pub(crate) fn with_last_name_millis<T>(change: impl FnOnce(&AtomicU64) -> T) -> T {
    static LAST: AtomicU64 = AtomicU64::new(0);
    #[cfg(all(test, feature = "media"))]
    if let Some(machine) = simulated::machine() {
        return change(machine.last_name());
    }
    change(&LAST)
}

/// Runs blocking I/O or a long computation on a thread for blocking work. The work continues if the handle is dropped.
pub(crate) fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    #[cfg(all(test, feature = "media"))]
    if simulated::machine().is_some() {
        // On the thread of the simulation, so that the seed determines the order.
        return tokio::spawn(async move { work() });
    }
    tokio::task::spawn_blocking(work)
}

/// Returns the runtime that performs reads for a blocking thread: the caller's.
pub(crate) fn read_runtime() -> Handle {
    #[cfg(all(test, feature = "media"))]
    if simulated::machine().is_some() {
        return simulated::read_runtime();
    }
    Handle::current()
}

#[cfg(all(test, feature = "media"))]
pub(crate) mod simulated {
    use std::cell::RefCell;
    use std::sync::atomic::AtomicU64;
    use std::sync::{Arc, OnceLock};
    use std::time::SystemTime;

    use tokio::runtime::{Builder, Handle, Runtime};

    /// A simulated machine, on which a simulated process runs.
    pub(crate) trait Machine: Send + Sync {
        fn wall_clock(&self) -> SystemTime;
        fn random(&self) -> u32;
        fn last_name(&self) -> &AtomicU64;
    }

    thread_local! {
        static MACHINE: RefCell<Option<Arc<dyn Machine>>> = const { RefCell::new(None) };
    }

    pub(super) fn machine() -> Option<Arc<dyn Machine>> {
        MACHINE.with_borrow(Clone::clone)
    }

    /// Returns a runtime on other threads. The thread of the simulation blocks during a read, so it cannot perform the
    /// read itself.
    pub(super) fn read_runtime() -> Handle {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        let runtime = RUNTIME.get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(2)
                .build()
                .expect("a runtime")
        });
        runtime.handle().clone()
    }

    /// Runs `work` with this thread's clock and random numbers taken from `machine`.
    pub(crate) fn run_on<T>(machine: &Arc<dyn Machine>, work: impl FnOnce() -> T) -> T {
        let before = MACHINE.replace(Some(Arc::clone(machine)));
        let output = work();
        MACHINE.set(before);
        output
    }
}
