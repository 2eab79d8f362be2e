package dev.reelkin

import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.yield

/**
 * Ends a call whose coroutine was cancelled already, before anything of it is begun: it may be one that is paid. Called by
 * the generated code.
 *
 * Looking is not enough where the coroutine shares its thread with the one that cancels it: in one turn the event loop
 * notices that a delay is over, in the next the coroutine that waited for it cancels.
 */
internal suspend fun deliverCancellation() {
    currentCoroutineContext().ensureActive()
    repeat(2) { yield() }
}
