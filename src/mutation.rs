//! Guards that can be taken out of the code, in tests alone, to show that the simulation (`tests/simulation`) notices.
//!
//! Owns their names. Outside of tests every guard holds, and the compiler removes the question.

/// One guard that is taken out, and what the code does without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// A few polls with "unknown job" end the job for good.
    UnknownJobIsOver,
    /// A recovery takes up the jobs of every service.
    AnyServiceIsOurs,
    /// A create leaves without a look at its record and its lease.
    LeaseIsNotChecked,
    /// Times of a caller are used as they are.
    TimesAreNotClamped,
    /// A failed step of a chain is sent again, whatever it may have cost.
    #[cfg(feature = "media")]
    ChainPaysAgain,
    /// A step of a chain is given up whose job only its record names.
    #[cfg(feature = "media")]
    ChainForgetsJob,
    /// A clip is saved without a look at it.
    DamagedIsSaved,
    /// A record is written without a condition.
    RecordsAreOverwritten,
    /// A create that was cut off counts as never sent.
    IntendedIsDropped,
    /// A create without an answer is closed as failed.
    NoAnswerIsFailure,
    /// What other requests have reserved does not count against a budget.
    ReservationsAreNotCounted,
    /// The id of a job is written down once, and not again when that failed.
    JobIsNotNamedAgain,
    /// A job that is over is closed whatever becomes of its clip.
    UnsavedIsOver,
}

/// Whether a guard is taken out of the run of this thread.
#[cfg(all(test, feature = "media"))]
pub(crate) fn is_on(mutation: Mutation) -> bool {
    tests::ON.get() == Some(mutation)
}

/// Whether a guard is taken out: never, outside of tests.
#[cfg(not(all(test, feature = "media")))]
pub(crate) const fn is_on(_: Mutation) -> bool {
    false
}

#[cfg(all(test, feature = "media"))]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        pub(super) static ON: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Runs `work` with a guard taken out on this thread.
    pub(crate) fn with<T>(mutation: Option<Mutation>, work: impl FnOnce() -> T) -> T {
        let before = ON.replace(mutation);
        let done = work();
        ON.set(before);
        done
    }
}
