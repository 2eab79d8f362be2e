//! Mutations: safety checks that tests can disable, to prove that the simulation (`tests/simulation`) notices.
//!
//! Owns the names of the mutations. Outside of tests no mutation is ever active, and the compiler removes the checks for
//! them.

/// A safety check to disable, named after what the code does without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// Ends a job for good after a few "unknown job" replies.
    EndUnknownJobs,
    /// Recovers the jobs of every service, not only of the client's own.
    RecoverAnyService,
    /// Finishes a job of another service that was recorded after its record was claimed.
    FinishAnyService,
    /// Sends a create without checking its record and its lease.
    SkipLeaseCheck,
    /// Uses the durations of a poll policy unclamped.
    SkipClamping,
    /// Sends a failed step of a chain again although it may have been charged.
    #[cfg(feature = "media")]
    ResendPaidStep,
    /// Reopens a step of a chain although its journal record names a job.
    #[cfg(feature = "media")]
    AbandonRecordedStep,
    /// Saves a clip without verifying it.
    SkipVerification,
    /// Writes a journal record unconditionally.
    OverwriteRecords,
    /// Treats a create that was interrupted as never sent.
    DropIntended,
    /// Closes a create that got no reply as failed.
    FailUnansweredCreate,
    /// Ignores the reservations of other requests when it checks a budget.
    IgnoreReservations,
    /// Writes a job id to the journal only once, even if the write fails.
    SkipJobIdRetry,
    /// Sends paid requests after the signal to stop.
    IgnoreStop,
    /// Never releases a record whose work has ended without a release.
    KeepAbandoned,
    /// Closes the record of a finished job whose clip was not saved.
    CloseUnsavedJob,
}

/// Returns whether a mutation is active on this thread.
#[cfg(all(test, feature = "media"))]
pub(crate) fn is_on(mutation: Mutation) -> bool {
    tests::ACTIVE.get() == Some(mutation)
}

/// Returns whether a mutation is active, which is never the case outside of tests.
#[cfg(not(all(test, feature = "media")))]
pub(crate) const fn is_on(_: Mutation) -> bool {
    false
}

#[cfg(all(test, feature = "media"))]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        pub(super) static ACTIVE: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Runs `work` with a mutation active on this thread.
    pub(crate) fn with<T>(mutation: Option<Mutation>, work: impl FnOnce() -> T) -> T {
        let before = ACTIVE.replace(mutation);
        let output = work();
        ACTIVE.set(before);
        output
    }
}
