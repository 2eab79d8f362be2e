package dev.reelkin

import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.yield

/**
 * Ends a call whose coroutine was cancelled already, before anything of it is begun: it may be one that is paid. Called by
 * the generated code.
 *
 * Looking is not enough where the coroutine shares its thread with what cancels it: one turn lets a timeout that is over be
 * noticed, the next has it cancel.
 */
internal suspend fun deliverCancellation() {
    currentCoroutineContext().ensureActive()
    repeat(2) { yield() }
}
