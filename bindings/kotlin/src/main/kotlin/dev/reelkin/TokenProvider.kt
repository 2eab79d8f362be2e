package dev.reelkin

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch
import kotlinx.coroutines.selects.select
import kotlinx.coroutines.supervisorScope

/**
 * Answers the native library's token requests with a function of the caller.
 *
 * Each request runs in its own coroutine. The native library does not block on it, and the coroutine is cancelled when
 * the deadline for the token passes.
 */
internal class TokenProvider(private val source: suspend () -> AccessToken) : TokenCallback {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.IO)

    override fun requestToken(answer: NativeTokenAnswer) {
        scope.launch {
            answer.use {
                supervisorScope {
                    val reply = launch { reply(it) }
                    val over = launch { it.over() }
                    select {
                        reply.onJoin { over.cancel() }
                        over.onJoin { reply.cancel() }
                    }
                }
            }
        }
    }

    private suspend fun reply(answer: NativeTokenAnswer) {
        try {
            answer.give(source())
        } catch (error: Throwable) {
            // Including errors such as StackOverflowError, which no other code would report.
            answer.refuse(error.message?.let { "${error::class.simpleName}: $it" } ?: error.toString())
        }
    }
}
