package dev.reelkin

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch
import kotlinx.coroutines.selects.select
import kotlinx.coroutines.supervisorScope

/**
 * Answers the library's questions for a token with a function of the caller's, in coroutines of its own. The library
 * never waits here: it asks, gives up at its deadline, and then the function is cancelled.
 */
internal class Tokens(private val source: suspend () -> AccessToken) : TokenCallback {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.IO)

    override fun ask(answer: NativeTokenAnswer) {
        scope.launch {
            answer.use {
                supervisorScope {
                    val work = launch { reply(it) }
                    val over = launch { it.over() }
                    select {
                        work.onJoin { over.cancel() }
                        over.onJoin { work.cancel() }
                    }
                }
            }
        }
    }

    private suspend fun reply(answer: NativeTokenAnswer) {
        try {
            answer.give(source())
        } catch (error: Throwable) {
            // Whatever it is: one that got away from here would be nobody's.
            answer.refuse(error.message?.let { "${error::class.simpleName}: $it" } ?: error.toString())
        }
    }
}
