package dev.reelkin

import kotlin.time.Duration
import kotlin.time.toJavaDuration

/**
 * An error of this package. Each subclass is one kind of error: `when (error) { is VideoError.Moderated -> … }`.
 *
 * Cancelling a coroutine is not an error: calls then throw a `CancellationException`.
 */
public sealed class VideoError(
    /** The details of the error. */
    public val details: ErrorDetails,
) : Exception() {
    /** The [reason] and, on a second line, the [guidance] if there is one. */
    override val message: String get() = listOfNotNull(details.reason, details.guidance).joinToString("\n")

    /** The kind as a word, the same in every language: `submission_unknown`, `moderated`, … */
    public val code: String get() = details.code

    /** One line: what was being done to what, and why it failed. */
    public val reason: String get() = details.reason

    /** A hint on how to fix the problem, or `null`. */
    public val guidance: String? get() = details.guidance

    /** The id of the job at the service, for [VideoClient.job]. Set in every error after the job was submitted. */
    public val jobId: String? get() = details.jobId

    /** The id of the request's journal record, if the request has to be settled by hand with [Library.settle]. */
    public val recordId: String? get() = details.recordId

    /** How long the service asked to wait. */
    public val retryAfter: Duration? get() = details.retryAfter

    /** The [retryAfter] for Java. */
    @SinceKotlin("9999.0")
    @get:JvmName("getRetryAfter")
    public val retryAfterForJava: java.time.Duration? get() = retryAfter?.toJavaDuration()

    /** Whether the request may have been charged. */
    public val mayHaveBeenCharged: Charge get() = details.mayHaveBeenCharged

    /** What to do next. */
    public val retryAdvice: RetryAdvice get() = details.retryAdvice

    /** Whether the same call can be repeated unchanged, now or after a pause, without paying twice. */
    public val isRetryable: Boolean get() = details.isRetryable

    /** The client is misconfigured or closed: no key, an invalid base URL, a model table that does not parse. */
    public class Config internal constructor(details: ErrorDetails) : VideoError(details)

    /** The service rejected the key, or the key lacks a permission. */
    public class Auth internal constructor(details: ErrorDetails) : VideoError(details)

    /** The request is invalid. Nothing was charged. */
    public class InvalidRequest internal constructor(details: ErrorDetails) : VideoError(details)

    /** The clip, file or job does not exist. */
    public class NotFound internal constructor(details: ErrorDetails) : VideoError(details)

    /** The service limited the request rate, has no capacity, or the account has no credit left. */
    public class RateLimited internal constructor(details: ErrorDetails) : VideoError(details)

    /** Moderation blocked the request or the clip. Do not send the request again unchanged. */
    public class Moderated internal constructor(details: ErrorDetails) : VideoError(details)

    /** The service accepted the job and then reported that it failed. */
    public class JobFailed internal constructor(details: ErrorDetails) : VideoError(details)

    /** The job, or the link to its clip, expired at the service. A job that the service does not know is [NotFound]. */
    public class JobExpired internal constructor(details: ErrorDetails) : VideoError(details)

    /** A create request was sent and no usable reply arrived. A job may exist and may be charged. */
    public class SubmissionUnknown internal constructor(details: ErrorDetails) : VideoError(details)

    /** The deadline passed. If there is a job, it continues and can be resumed by its id. */
    public class Timeout internal constructor(details: ErrorDetails) : VideoError(details)

    /** The caller stopped waiting. The job continues and is charged. */
    public class Stopped internal constructor(details: ErrorDetails) : VideoError(details)

    /** The request would exceed a spending limit. Nothing was charged. */
    public class Budget internal constructor(details: ErrorDetails) : VideoError(details)

    /** The network or the service failed, and retries did not help. */
    public class Network internal constructor(details: ErrorDetails) : VideoError(details)

    /** The service sent a response that violates its API contract. */
    public class Protocol internal constructor(details: ErrorDetails) : VideoError(details)

    /** A clip or an image cannot be decoded: it is damaged, unsupported, or above a limit. */
    public class Media internal constructor(details: ErrorDetails) : VideoError(details)

    /** A frame was requested from a native library that was built without media support. */
    public class FramesUnavailable internal constructor(details: ErrorDetails) : VideoError(details)

    /** The library cannot be read or written. */
    public class Library internal constructor(details: ErrorDetails) : VideoError(details)

    /** A bug in this package ended the call. A submitted job continues, and a recovery finishes it. */
    public class Internal internal constructor(details: ErrorDetails) : VideoError(details)

    internal companion object ErrorHandler : UniffiRustCallStatusErrorHandler<VideoError> {
        override fun lift(error_buf: RustBuffer.ByValue): VideoError = FfiConverterTypeVideoError.lift(error_buf)

        /** Creates an error for an argument that is rejected before it reaches the native library. */
        fun invalidRequest(reason: String): VideoError =
            InvalidRequest(details("invalid_request", reason, Charge.NO, RetryAdvice.CHANGE))

        /** Creates the error of a call that ended with a panic, or in a state that the generated code does not expect. */
        fun internal(reason: String): VideoError =
            Internal(details("internal", reason, Charge.UNKNOWN, RetryAdvice.CHECK_ACCOUNT))

        private fun details(code: String, reason: String, charged: Charge, advice: RetryAdvice) = ErrorDetails(
            code = code,
            reason = reason,
            attempts = 0u,
            mayHaveBeenCharged = charged,
            retryAdvice = advice,
            isRetryable = false,
        )
    }
}
