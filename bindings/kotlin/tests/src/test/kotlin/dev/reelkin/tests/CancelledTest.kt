package dev.reelkin.tests

import dev.reelkin.*
import kotlin.reflect.full.declaredMemberFunctions
import kotlin.reflect.KVisibility
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** A call that is cancelled before it starts sends no paid request. */
class CancelledTest {
    // All paid operations, also with planning of the prompt, which is a paid call that comes first.
    private val paid: Map<String, suspend VideoClient.(Clip) -> Any> = mapOf(
        "generate" to { generate("a bay", duration = 1.seconds) },
        "generate planned" to { generate("a bay", duration = 1.seconds, plan = PlanChoice.On(null)) },
        "startGenerate" to { startGenerate(GenerateRequest("a bay", duration = 1.seconds)) },
        "edit" to { edit(it, "night") },
        "startEdit" to { startEdit(EditRequest(it.input, "night")) },
        "extend" to { extend(it, "on", duration = 2.seconds) },
        "startExtend" to { startExtend(ExtendRequest(it.input, "on", duration = 2.seconds)) },
        "continueFrom" to { continueFrom(it, "storm", duration = 1.seconds, plan = PlanChoice.Off) },
        "continueFrom planned" to { continueFrom(it, "storm", duration = 1.seconds) },
        "startContinueFrom" to { startContinueFrom(it, ContinueRequest("storm", duration = 1.seconds)) },
        "chain" to { chain(steps(it)) },
        "startChain" to { startChain(steps(it)) },
        "analyze" to { analyze(it) },
    )
    private val free = setOf("frame", "job", "recover", "startRecover", "spent", "estimate", "visibleModels", "shut")

    private fun steps(clip: Clip) = ChainRequest(
        ChainStart.Clip(clip.input),
        steps = listOf(ContinueRequest("storm", duration = 1.seconds)),
    )

    @Test
    fun everyOperationIsListed() {
        val operations = VideoClient::class.declaredMemberFunctions
            .filter { it.isSuspend && it.visibility == KVisibility.PUBLIC }.map { it.name }.toSet()
        assertEquals(operations, free + paid.keys.map { it.substringBefore(' ') })
    }

    @Test
    fun cancelledCoroutine() = sendsNothing { call ->
        runBlocking(Dispatchers.Default) {
            val work = async {
                currentCoroutineContext().cancel()
                call()
            }
            work.join()
            work.getCompletionExceptionOrNull()
        }
    }

    @Test
    fun undispatchedCancelledCoroutine() = sendsNothing { call ->
        runBlocking(Dispatchers.Default) {
            val work = async(Dispatchers.Unconfined, CoroutineStart.UNDISPATCHED) {
                currentCoroutineContext().cancel()
                call()
            }
            work.join()
            work.getCompletionExceptionOrNull()
        }
    }

    @Test
    fun delayPassedWhileTheThreadWasBusy() = sendsNothing { call ->
        // The call and the coroutine that cancels it share a thread, and the delay is over when the call starts.
        runBlocking {
            val work = async(start = CoroutineStart.LAZY) {
                Thread.sleep(20)
                call()
            }
            launch(start = CoroutineStart.UNDISPATCHED) {
                delay(5.milliseconds)
                work.cancel()
            }
            work.join()
            work.getCompletionExceptionOrNull()
        }
    }

    @Test
    fun timeoutOfZero() = sendsNothing { call ->
        runBlocking { runCatching { withTimeout(Duration.ZERO) { call() } }.exceptionOrNull() }
    }

    private fun sendsNothing(
        cancel: (suspend () -> Any) -> Throwable?,
    ) = Studio.run(minJobDuration = 100.milliseconds) {
        val clip = client.generate("a bay", duration = 2.seconds)
        val before = sandbox.state
        for ((name, call) in paid) {
            val error = cancel { client.call(clip) }
            assertTrue(error is CancellationException, "$name: $error")
        }
        // Waits for requests that are being sent.
        client.shut()
        val after = sandbox.state
        assertEquals(before.creates to before.createRequests, after.creates to after.createRequests)
        assertEquals(before.answers to before.uploads, after.answers to after.uploads)
        assertEquals(emptyList<JobRecord>(), Library.openToRead(folder).jobs())
    }

    @Test
    fun anotherCancelledCoroutineDoesNotMatter() = Studio.run {
        coroutineScope {
            val cancelled = async(start = CoroutineStart.LAZY) { client.generate("a bay", duration = 1.seconds) }
            cancelled.cancel()
            client.generate("a street", duration = 1.seconds)
        }
        assertEquals(1, creates)
    }
}
