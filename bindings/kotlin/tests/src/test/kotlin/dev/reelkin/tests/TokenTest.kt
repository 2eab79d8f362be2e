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

/** A function of the caller's that gives tokens, in place of a key. The sandbox's key is the token that is right. */
class TokenTest {
    private fun Bench.client(timeouts: Timeouts? = null, token: suspend () -> AccessToken) = VideoClient(
        folder.resolve("tokens").toString(),
        baseUrl = sandbox.baseUrl,
        poll = Bench.quick,
        timeouts = timeouts,
        token = token,
    )

    @Test
    fun oneCallServesAWholeJob() = Bench.run {
        val asked = AtomicInteger()
        val source = client {
            delay(10.milliseconds)
            asked.incrementAndGet()
            AccessToken(sandbox.apiKey, 1.hours)
        }
        source.use {
            it.generate("a bay", duration = 1.seconds)
            it.visibleModels()
        }
        assertEquals(1, asked.get())
        assertEquals(1, creates)
    }

    @Test
    fun withoutAnExpiryItIsAskedForEachRequest() = Bench.run {
        val asked = AtomicInteger()
        val source = client {
            asked.incrementAndGet()
            AccessToken(sandbox.apiKey)
        }
        source.use { repeat(2) { _ -> it.visibleModels() } }
        assertEquals(2, asked.get())
    }

    @Test
    fun whatItThrowsIsTheErrorAndNothingIsSent() = Bench.run {
        for (thrown in listOf(IllegalStateException("no token\nfor you"), StackOverflowError("no token\nfor you"))) {
            client { throw thrown }.use {
                val error = refused<VideoError.Auth> { it.generate("a bay", duration = 1.seconds) }
                assertEquals("get a token: ${thrown::class.simpleName}: no token for you", error.reason)
                assertEquals(Charge.NO, error.mayHaveBeenCharged)
                assertTrue(error.isRetryable)
                assertEquals(emptyList<JobRecord>(), it.library.jobs())
            }
        }
        assertEquals(0uL, sandbox.state.createRequests)
    }

    @Test
    fun oneThatHangsEndsAtTheDeadlineAndIsCancelled() = Bench.run {
        val ended = CompletableDeferred<Unit>()
        val soon = defaultTimeouts().copy(token = 300.milliseconds)
        val source = client(soon) {
            try {
                awaitCancellation()
            } finally {
                ended.complete(Unit)
            }
        }
        source.use {
            val error = refused<VideoError.Auth> { it.generate("a bay", duration = 1.seconds) }
            assertTrue("within 0.3 s" in error.reason, error.reason)
            withTimeout(30.seconds) { ended.await() }
        }
        assertEquals(0uL, sandbox.state.createRequests)
    }

    @Test
    fun aThreadThatItBlocksHoldsUpNobody() = Bench.run {
        val blocked = CompletableDeferred<Unit>()
        val source = client(defaultTimeouts().copy(token = 300.milliseconds)) {
            Thread.sleep(3_000)
            blocked.complete(Unit)
            AccessToken(sandbox.apiKey)
        }
        source.use {
            refused<VideoError.Auth> { it.visibleModels() }
            assertFalse(blocked.isCompleted)
            // Another client of the process goes on meanwhile.
            client.generate("a street", duration = 1.seconds)
        }
    }

    @Test
    fun aTokenIsNotShownAndNoKeyIsGivenBesides() = Bench.run {
        assertFalse("SECRET" in AccessToken("SECRET", 1.hours).toString())
        val error = refused<VideoError.Config> {
            VideoClient(folder.toString(), apiKey = "key", baseUrl = sandbox.baseUrl) { AccessToken("token") }
        }
        assertTrue("give one of them" in error.reason, error.reason)
        client { AccessToken("two\nlines") }.use {
            assertTrue("line break" in refused<VideoError.Auth> { it.visibleModels() }.reason)
        }
    }
}
