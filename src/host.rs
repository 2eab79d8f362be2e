//! What differs from run to run besides files and sockets: the wall clock, random numbers, and threads that may wait.
//!
//! Owns the one place where each is asked for, so that the simulation (`tests/simulation`) can run the rest of the
//! crate with values of its own. Refuses to know what they are used for. Time that only passes is tokio's, whose clock
//! can be paused.

use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
pub(crate) use tokio::time::Instant;

/// Returns the time of day, which can be wrong and can jump.
pub(crate) fn wall_clock() -> SystemTime {
    #[cfg(all(test, feature = "media"))]
    if let Some(machine) = simulated::machine() {
        return machine.wall_clock();
    }
    SystemTime::now()
}

/// Returns the time of day in milliseconds since the Unix epoch, or 0 if the clock is set before that.
pub(crate) fn now_millis() -> u64 {
    let since = wall_clock()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns 32 random bits.
pub(crate) fn random() -> Result<u32, getrandom::Error> {
    #[cfg(all(test, feature = "media"))]
    if let Some(machine) = simulated::machine() {
        return Ok(machine.random());
    }
    getrandom::u32()
}

/// Passes the time in the last name that this process made, in milliseconds since 1970 UTC, to `change`.
pub(crate) fn with_last_name<T>(change: impl FnOnce(&AtomicU64) -> T) -> T {
    static LAST: AtomicU64 = AtomicU64::new(0);
    #[cfg(all(test, feature = "media"))]
    if let Some(machine) = simulated::machine() {
        return change(machine.last_name());
    }
    change(&LAST)
}

/// Runs work that waits for a disk or computes for long on a thread of its own. It continues when the handle is
/// dropped.
pub(crate) fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    #[cfg(all(test, feature = "media"))]
    if simulated::machine().is_some() {
        // On the thread of the simulation, so that its order is that of the seed.
        return tokio::spawn(async move { work() });
    }
    tokio::task::spawn_blocking(work)
}

/// Returns the runtime in which reads are carried out that a blocking thread waits for: the one of the caller.
pub(crate) fn reading_runtime() -> Handle {
    #[cfg(all(test, feature = "media"))]
    if simulated::machine().is_some() {
        return simulated::reading_runtime();
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

    /// A machine that a process of the simulation runs on.
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

    /// A runtime of its own: the thread of the simulation is the one that waits, so nothing runs beside the read.
    pub(super) fn reading_runtime() -> Handle {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        let runtime = RUNTIME.get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(2)
                .build()
                .expect("a runtime")
        });
        runtime.handle().clone()
    }

    /// Runs `work` on a machine: everything that is asked of the host on this thread comes from it.
    pub(crate) fn on<T>(machine: &Arc<dyn Machine>, work: impl FnOnce() -> T) -> T {
        let before = MACHINE.replace(Some(Arc::clone(machine)));
        let done = work();
        MACHINE.set(before);
        done
    }
}
