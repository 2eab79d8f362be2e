package dev.reelkin.tests

import dev.reelkin.*
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.delay
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Tokens from a function instead of a key. The sandbox accepts its key as a token. */
class TokenTest {
    private fun Studio.client(timeouts: Timeouts? = null, token: suspend () -> AccessToken) = VideoClient(
        folder.resolve("tokens").toString(),
        baseUrl = sandbox.baseUrl,
        poll = Studio.quick,
        timeouts = timeouts,
        token = token,
    )

    @Test
    fun oneTokenIsEnoughForAJob() = Studio.run {
        val calls = AtomicInteger()
        val source = client {
            delay(10.milliseconds)
            calls.incrementAndGet()
            AccessToken(sandbox.apiKey, 1.hours)
        }
        source.use {
            it.generate("a bay", duration = 1.seconds)
            it.visibleModels()
        }
        assertEquals(1, calls.get())
        assertEquals(1, creates)
    }

    @Test
    fun aTokenWithoutALifetimeIsUsedForOneRequest() = Studio.run {
        val calls = AtomicInteger()
        val source = client {
            calls.incrementAndGet()
            AccessToken(sandbox.apiKey)
        }
        source.use { repeat(2) { _ -> it.visibleModels() } }
        assertEquals(2, calls.get())
    }

    @Test
    fun anExceptionBecomesAnAuthErrorAndNothingIsSent() = Studio.run {
        for (thrown in listOf(IllegalStateException("no token\nfor you"), StackOverflowError("no token\nfor you"))) {
            client { throw thrown }.use {
                val error = expectError<VideoError.Auth> { it.generate("a bay", duration = 1.seconds) }
                assertEquals("get a token: ${thrown::class.simpleName}: no token for you", error.reason)
                assertEquals(Charge.NO, error.mayHaveBeenCharged)
                assertTrue(error.isRetryable)
                assertEquals(emptyList<JobRecord>(), it.library.jobs())
            }
        }
        assertEquals(0uL, sandbox.state.createRequests)
    }

    @Test
    fun aFunctionThatHangsIsCancelledAtTheDeadline() = Studio.run {
        val ended = CompletableDeferred<Unit>()
        val timeouts = defaultTimeouts().copy(token = 300.milliseconds)
        val source = client(timeouts) {
            try {
                awaitCancellation()
            } finally {
                ended.complete(Unit)
            }
        }
        source.use {
            val error = expectError<VideoError.Auth> { it.generate("a bay", duration = 1.seconds) }
            assertTrue("within 0.3 s" in error.reason, error.reason)
            withTimeout(30.seconds) { ended.await() }
        }
        assertEquals(0uL, sandbox.state.createRequests)
    }

    @Test
    fun aBlockedThreadDoesNotDelayOtherCalls() = Studio.run {
        val blocked = CompletableDeferred<Unit>()
        val source = client(defaultTimeouts().copy(token = 300.milliseconds)) {
            Thread.sleep(3_000)
            blocked.complete(Unit)
            AccessToken(sandbox.apiKey)
        }
        source.use {
            expectError<VideoError.Auth> { it.visibleModels() }
            assertFalse(blocked.isCompleted)
            // Another client of the process is not affected.
            client.generate("a street", duration = 1.seconds)
        }
    }

    @Test
    fun tokensAreNotPrintedAndExcludeAKey() = Studio.run {
        assertFalse("SECRET" in AccessToken("SECRET", 1.hours).toString())
        val error = expectError<VideoError.Config> {
            VideoClient(folder.toString(), apiKey = "key", baseUrl = sandbox.baseUrl) { AccessToken("token") }
        }
        assertTrue("give one of them" in error.reason, error.reason)
        client { AccessToken("two\nlines") }.use {
            assertTrue("line break" in expectError<VideoError.Auth> { it.visibleModels() }.reason)
        }
    }
}
