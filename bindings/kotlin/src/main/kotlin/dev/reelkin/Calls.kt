package dev.reelkin

import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.yield

/**
 * Throws a `CancellationException` if the coroutine is already cancelled, before a call starts that may cost money. The
 * generated code calls it.
 *
 * A check alone is not enough if the coroutine shares its thread with the one that cancels it. The event loop first
 * resumes a coroutine whose delay is over, and that coroutine cancels this one in the next iteration.
 *
 * Then reads which loggers are enabled.
 */
internal suspend fun beginCall() {
    currentCoroutineContext().ensureActive()
    repeat(2) { yield() }
    Logging.begin()
}
