package dev.reelkin

import kotlin.time.Duration

/**
 * Anything that can go wrong. The classes are the kinds of errors: `when (error) { is VideoError.Moderated -> … }`.
 *
 * Cancelling a coroutine is none of them: it ends with a `CancellationException`, as always.
 */
public sealed class VideoError(
    /** All that is known of it. */
    public val details: ErrorDetails,
) : Exception() {
    /** What was being done to what, and why it failed; on a second line what helps, where there is such a thing. */
    override val message: String get() = listOfNotNull(details.reason, details.guidance).joinToString("\n")

    /** The word for the kind, the same in every language: `submission_unknown`, `moderated`, … */
    public val code: String get() = details.code

    /** What was being done to what, and why it failed. One line. */
    public val reason: String get() = details.reason

    /** A sentence or two that help to do better, where there are any. */
    public val guidance: String? get() = details.guidance

    /** The service's id of the job: [VideoClient.job] picks it up again. In every error after the submit. */
    public val jobId: String? get() = details.jobId

    /** The id of the record in the library's journal, where only a person can settle it: see [Library.settle]. */
    public val record: String? get() = details.record

    /** How long the service asked to wait. */
    public val retryAfter: Duration? get() = details.retryAfter

    /** Whether money may be gone. */
    public val mayHaveBeenCharged: Charge get() = details.mayHaveBeenCharged

    /** What to do next. */
    public val retryAdvice: RetryAdvice get() = details.retryAdvice

    /** Whether the same call may be made again as it is, now or after a pause, without paying twice. */
    public val isRetryable: Boolean get() = details.isRetryable

    /** The client was set up wrongly, or is closed: no key, a base URL that is none, a table that does not parse. */
    public class Config internal constructor(details: ErrorDetails) : VideoError(details)

    /** The service refused the key, or the key lacks the right. */
    public class Auth internal constructor(details: ErrorDetails) : VideoError(details)

    /** The request cannot be sent as it is. Nothing was paid. */
    public class InvalidRequest internal constructor(details: ErrorDetails) : VideoError(details)

    /** A clip, a file or a job that was named does not exist. */
    public class NotFound internal constructor(details: ErrorDetails) : VideoError(details)

    /** The service asked for fewer requests, or has no capacity, or the credit is used up. */
    public class RateLimited internal constructor(details: ErrorDetails) : VideoError(details)

    /** Moderation withheld the clip or refused the request. Not to be sent again unchanged. */
    public class Moderated internal constructor(details: ErrorDetails) : VideoError(details)

    /** The service took the job and reported its failure. */
    public class JobFailed internal constructor(details: ErrorDetails) : VideoError(details)

    /** The service no longer knows the job or its result. */
    public class JobExpired internal constructor(details: ErrorDetails) : VideoError(details)

    /** A create left this machine and no answer came back: a job may exist and may be charged. */
    public class SubmissionUnknown internal constructor(details: ErrorDetails) : VideoError(details)

    /** The deadline passed. The job, where there is one, goes on: pick it up by its id. */
    public class Timeout internal constructor(details: ErrorDetails) : VideoError(details)

    /** Somebody stopped waiting. The job goes on and its charge stands. */
    public class Stopped internal constructor(details: ErrorDetails) : VideoError(details)

    /** A spending limit forbids the request. Nothing was paid. */
    public class Budget internal constructor(details: ErrorDetails) : VideoError(details)

    /** The network or the service failed, and trying again did not help. */
    public class Network internal constructor(details: ErrorDetails) : VideoError(details)

    /** The service answered in a way its contract does not allow. */
    public class Protocol internal constructor(details: ErrorDetails) : VideoError(details)

    /** A clip or a picture cannot be read: damaged, unsupported, or above a limit. */
    public class Media internal constructor(details: ErrorDetails) : VideoError(details)

    /** The native library was built without frames, and a frame was asked for. */
    public class FramesUnavailable internal constructor(details: ErrorDetails) : VideoError(details)

    /** The library could not be read or written. */
    public class Library internal constructor(details: ErrorDetails) : VideoError(details)

    /** A defect of this package ended the work. A job that was sent goes on, and a recovery finishes it. */
    public class Internal internal constructor(details: ErrorDetails) : VideoError(details)

    internal companion object ErrorHandler : UniffiRustCallStatusErrorHandler<VideoError> {
        override fun lift(error_buf: RustBuffer.ByValue): VideoError = FfiConverterTypeVideoError.lift(error_buf)

        /** An error of this side of the boundary: nothing was sent. */
        fun invalidRequest(reason: String): VideoError = InvalidRequest(
            ErrorDetails(
                code = "invalid_request",
                reason = reason,
                attempts = 0u,
                mayHaveBeenCharged = Charge.NO,
                retryAdvice = RetryAdvice.CHANGE,
                isRetryable = false,
            ),
        )
    }
}
