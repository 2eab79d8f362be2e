package dev.reelkin.tests

import dev.reelkin.*
import java.math.BigDecimal
import java.util.concurrent.CyclicBarrier
import kotlin.concurrent.thread
import kotlin.reflect.KVisibility
import kotlin.reflect.jvm.kotlinFunction
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeoutOrNull
import kotlinx.coroutines.yield
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** What the package adds to the generated code: flows, cancellation, images, money, durations, closing. */
class PackageTest {
    @Test
    fun everyCollectorSeesAllEvents() = Studio.run {
        val handle = client.startGenerate(GenerateRequest("a street", duration = 1.seconds))
        val (one, two) = coroutineScope {
            listOf(async { handle.events().toList() }, async(Dispatchers.Default) { handle.events().toList() })
        }.map { it.await() }
        assertEquals(one, two)
        assertTrue(one.first() is JobEvent.Planning)
        assertEquals(handle.id, one.filterIsInstance<JobEvent.Submitted>().single().jobId)
        val clip = handle.await()
        assertEquals(clip.id, (one.last() as JobEvent.Saved).clip)
        assertTrue(handle.isOver)
        assertEquals(one, handle.events().toList())
    }

    @Test
    fun shutFinishesInACancelledCoroutine() = Studio.run {
        var finished = false
        coroutineScope {
            val work = launch {
                try {
                    awaitCancellation()
                } finally {
                    client.shut()
                    finished = true
                }
            }
            yield()
            work.cancelAndJoin()
        }
        assertTrue(finished)
        expectError<VideoError.Config> { client.recover() }
    }

    @Test
    fun framesAreNotEncodedOnTheThreadOfTheCaller() = Studio.run {
        val closed = Frame.fromRgb(2, 2, ByteArray(12)).apply { close() }
        val calls: List<suspend () -> Any> = listOf(
            { client.analyze(closed) },
            { client.edit(closed, "night") },
            { client.extend(closed, "on") },
            { client.continueFrom(closed) },
            { client.startContinueFrom(closed, ContinueRequest("on")) },
        )
        for (call in calls) {
            val error = try {
                call()
                null
            } catch (error: IllegalStateException) {
                error
            }
            // A worker of Dispatchers.Default, not the thread of runBlocking.
            val trace = generateSequence<Throwable>(error) { it.cause }.flatMap { it.stackTrace.asSequence() }
            assertTrue(trace.any { "CoroutineScheduler" in it.className }, "$error")
        }
    }

    @Test
    fun aPanicIsAnErrorOfThePackage() {
        // The generated code would otherwise throw a class of its own, which is internal.
        assertTrue(runCatching { Class.forName("dev.reelkin.InternalException") }.isFailure)
        val internal = VideoError.Internal::class.java
        assertTrue(VideoError::class.java.isAssignableFrom(internal))
    }

    @Test
    fun cancellingAnObserverDoesNotStopTheJob() = Studio.run(minJobDuration = 1.seconds) {
        val handle = client.startGenerate(GenerateRequest("a street", duration = 1.seconds))
        assertTrue(handle.events().first() is JobEvent.Planning)
        assertNull(withTimeoutOrNull(100.milliseconds) { handle.await() })
        assertNull(withTimeoutOrNull(100.milliseconds) { handle.events().toList() })
        assertFalse(handle.isOver)
        assertEquals(handle.id, handle.await().record!!.reelkin!!.jobId)
        assertEquals(1, creates)
    }

    @Test
    fun stopWaitingEndsTheWaitAndTheJobContinues() = Studio.run(minJobDuration = 1.seconds) {
        val handle = client.startGenerate(GenerateRequest("a street", duration = 1.seconds))
        handle.stopWaiting()
        val error = expectError<VideoError.Stopped> { handle.await() }
        assertEquals(handle.id, error.jobId)
        assertEquals(handle.id, client.recover().saved.single().record!!.reelkin!!.jobId)
        assertEquals(1, creates)
    }

    @Test
    fun aTimeoutLosesNothing() = Studio.run(minJobDuration = 1.5.seconds) {
        assertNull(withTimeoutOrNull(700.milliseconds) { client.generate("a street", duration = 1.seconds) })
        assertEquals(creates, client.recover().saved.size)
        assertEquals(1, creates)
    }

    @Test
    fun aHundredCancellationsLoseNothing() = Studio.run {
        repeat(100) { wait ->
            coroutineScope {
                val call = launch(Dispatchers.Default) { client.generate("street $wait", duration = 1.seconds) }
                if (wait % 4 != 0) kotlinx.coroutines.delay((wait / 4).milliseconds)
                call.cancelAndJoin()
            }
        }
        // Create requests that were being sent are not interrupted; the recovery waits for them.
        val recovered = client.recover()
        assertEquals(emptyList<JobRecord>(), recovered.open + recovered.unsettled + recovered.failed)
        assertEquals(creates, client.library.list(limit = 200).clips.size)
        assertEquals(emptyList<JobRecord>(), client.library.jobs())
    }

    @Test
    fun cancellationThrowsACancellationException() = Studio.run(minJobDuration = 5.seconds) {
        coroutineScope {
            val caught = async(Dispatchers.Default) {
                try {
                    client.generate("a street", duration = 1.seconds)
                    null
                } catch (error: CancellationException) {
                    error
                }
            }
            untilSent()
            val cause = CancellationException("enough")
            caught.cancel(cause)
            caught.join()
            assertTrue(caught.isCancelled)
        }
    }

    @Test
    fun threadsShareAClient() = Studio.run {
        val barrier = CyclicBarrier(4)
        val ids = java.util.concurrent.ConcurrentLinkedQueue<String>()
        (1..4).map { number ->
            thread {
                barrier.await()
                // Each thread has its own event loop.
                runBlocking { ids += client.generate("street $number", duration = 1.seconds).id }
            }
        }.forEach { it.join() }
        assertEquals(4, ids.toSet().size)
    }

    @Test
    fun closingStopsWaitingAndKeepsTheJob() = Studio.run(minJobDuration = 2.seconds) {
        coroutineScope {
            val waiting = async(Dispatchers.Default) { runCatching { client.generate("a street", duration = 1.seconds) } }
            untilSent()
            client.close()
            val error = waiting.await().exceptionOrNull() as VideoError.Stopped
            assertEquals(sandbox.state.jobs.single().id, error.jobId)
        }
        client().use { assertEquals(1, it.recover().saved.size) }
        assertEquals(1, creates)
    }

    @Test
    fun chainEvents() = Studio.run {
        val request = ChainRequest(
            ChainStart.Generate(GenerateRequest("a bay", duration = 1.seconds)),
            steps = listOf(ContinueRequest("boats leave", duration = 1.seconds, plan = PlanChoice.Off)),
            budget = BigDecimal("5.00"),
        )
        val handle = client.startChain(request)
        val events = handle.events().toList()
        val outcome = handle.await()
        assertEquals(2, outcome.clips.size)
        assertEquals(2, events.filterIsInstance<ChainEvent.StepFinished>().size)
        assertEquals(handle.id, outcome.id)
        assertTrue(outcome.cost > BigDecimal.ZERO)
        // Sending the same request again resumes the chain.
        assertEquals(outcome.clips.map { it.id }, client.chain(request).clips.map { it.id })
        assertEquals(2, creates)
    }

    @Test
    fun recoveryEvents() = Studio.run {
        val handle = client.startGenerate(GenerateRequest("a street", duration = 1.seconds))
        handle.stopWaiting()
        expectError<VideoError.Stopped> { handle.await() }
        val recovery = client.startRecover()
        val events = recovery.events().toList()
        assertEquals(1, recovery.await().saved.size)
        assertTrue(events.any { it is RecoveryEvent.Found && it.jobs == 1uL }, "$events")
    }

    @Test
    fun theEstimateOfEachVerbIsItsCost() = Studio.run {
        val clip = client.generate("a street", duration = 2.seconds)
        val step = ContinueRequest("rain", duration = 1.seconds, plan = PlanChoice.Off)
        val estimates = listOf(
            client.estimate(EditRequest(clip.input, "night")),
            client.estimate(ExtendRequest(clip.input, "on", duration = 2.seconds)),
            client.estimate(clip, step),
        )
        val chain = client.estimate(ChainRequest(ChainStart.Clip(clip.input), listOf(step)))
        assertEquals(1, creates)
        val made = listOf(
            client.edit(clip, "night"),
            client.extend(clip, "on", duration = 2.seconds),
            client.continueFrom(clip, step),
        )
        assertEquals(made.map { it.record!!.reelkin!!.cost }, estimates.map { it.cost })
        assertEquals(estimates.last().cost, chain.cost)
    }

    @Test
    fun moneyIsExact() = Studio.run {
        val checked = client.estimate(GenerateRequest("a street", duration = 6.seconds, resolution = "720p"))
        val price = checked.cost!!
        client(budget = Budget(perRequest = price)).use { it.estimate(GenerateRequest("a street", duration = 6.seconds)) }
        assertTrue(price.scale() >= 2 && price.stripTrailingZeros().scale() <= 10, "$price")
        val smallest = BigDecimal("0.0000000001")
        client(budget = Budget(perRequest = smallest)).use { poor ->
            val error = expectError<VideoError.Budget> { poor.generate("a street", duration = 1.seconds) }
            assertTrue("0.0000000001" in error.message || "1e-10" in error.message || "budget" in error.message, error.message)
        }
        assertEquals(0, creates)
    }

    @Test
    fun libraryCalls() = Studio.run {
        val clips = (1..3).map { client.generate("street $it", duration = 1.seconds) }
        assertEquals(clips.map { it.id }.reversed(), client.library.clips().toList().map { it.id })
        val page = client.library.list(limit = 2)
        assertEquals(2, page.clips.size)
        assertEquals(clips[0].id, client.library.list(limit = 2, before = page.next).clips.single().id)
        assertTrue(client.library.verify().all { it.condition is Condition.Intact })
        assertEquals(client.library.verify(client.library.family(clips[0])).single().id, clips[0].id)
        val bytes = client.library.read(clips[0])
        assertEquals(java.nio.file.Files.size(clips[0].path!!), bytes.size.toLong())
        expectError<VideoError> { client.library.read(clips[0], limit = 10) }
        val reader = Library.openToRead(folder)
        assertEquals(clips[1].id, reader.clip(clips[1].fileName).id)
        assertEquals(folder, reader.folder)
        val now = java.time.Instant.now()
        assertEquals(3uL, client.spent(from = now.minusSeconds(3600), before = now.plusSeconds(60)).requests)
        assertEquals(0uL, client.spent(before = now.minusSeconds(3600)).requests)
        assertEquals(3uL, client.spent().requests)
        expectError<VideoError.InvalidRequest> { client.spent(before = java.time.Instant.MAX) }
        expectError<VideoError.InvalidRequest> { client.spent(from = java.time.Instant.MIN) }
    }

    @Test
    fun aBufferOutlivesItsFrame() {
        val pixels = ByteArray(64 * 64 * 3) { (it * 7).toByte() }
        val frame = Frame.fromRgb(64, 64, pixels)
        val view = frame.toByteBuffer().position(3).slice()
        assertTrue(view.isDirect && view.isReadOnly)
        frame.close()
        repeat(20) {
            System.gc()
            // Would reuse the memory of freed pixels.
            Frame.fromRgb(64, 64, ByteArray(64 * 64 * 3))
        }
        Thread.sleep(200)
        val rest = ByteArray(view.remaining()).also { view.get(it) }
        assertTrue(rest.contentEquals(pixels.copyOfRange(3, pixels.size)))
    }

    @Test
    fun frameConversions() = Studio.run {
        val clip = client.generate("a street", duration = 1.seconds)
        client.frame(clip, FramePosition.First).use { frame ->
            val image = frame.toBufferedImage()
            assertEquals(frame.width to frame.height, image.width to image.height)
            val png = javax.imageio.ImageIO.read(frame.toPng().inputStream())
            for ((x, y) in listOf(0 to 0, frame.width - 1 to 0, 7 to 11, frame.width - 1 to frame.height - 1)) {
                assertEquals(png.getRGB(x, y), image.getRGB(x, y))
            }
        }
        val all = frames(clip.path!!.input, listOf(FramePosition.Last, FramePosition.Number(0uL), FramePosition.At(500.milliseconds)))
        assertEquals(listOf(23uL, 0uL, 12uL), all.map { it.number })
        assertTrue(all[0].psnr(all[0]).isInfinite())
        assertEquals(500.milliseconds.inWholeMilliseconds, all[2].time.inWholeMilliseconds)
    }

    @Test
    fun sandboxFaultsAndRestart() = Studio.run {
        client.generate("a street", duration = 1.seconds)
        sandbox.addFaults("create:429=1,times=1")
        assertEquals(1, sandbox.state.faults.size)
        sandbox.clearFaults()
        assertEquals(0, sandbox.state.faults.size)
        sandbox.restart(100.milliseconds)
        client.generate("a street after", duration = 1.seconds)
        sandbox.expireLinks()
        assertEquals(2, creates)
    }

    @Test
    fun internalsAreNotPublic() {
        val jar = java.util.jar.JarFile(VideoClient::class.java.protectionDomain.codeSource.location.path)
        val names = jar.use { file -> file.entries().asSequence().map { it.name }.toList() }
            .filter { Regex("dev/reelkin/\\w+\\.class").matches(it) && !it.endsWith("Kt.class") }
            .map { it.removePrefix("dev/reelkin/").removeSuffix(".class") }
        val (open, hidden) = names.partition {
            Class.forName("dev.reelkin.$it", false, javaClass.classLoader).kotlin.visibility == KVisibility.PUBLIC
        }
        assertEquals(emptyList<String>(), open.filter { Regex("(?i)native|rust|uniffi|ffi|handler|options$").containsMatchIn(it) } - openOptions)
        assertTrue("VideoClient" in open && "JobEvent" in open && hidden.size > 100)
    }

    @Test
    fun functionsOfTheCoreAreListed() {
        val functions = Class.forName("dev.reelkin.ReelkinKt").declaredMethods.mapNotNull { it.kotlinFunction }
            .filter { it.visibility == KVisibility.PUBLIC }.map { it.name }
        val (defaults, others) = functions.toSet().partition { it.startsWith("default") }
        assertEquals(setOf("version", "builtInModels", "parseMediaInput", "parseVideoInput"), others.toSet())
        assertTrue("defaultPollPolicy" in defaults)
    }

    private val openOptions = setOf("AnalyzeOptions", "MediaOptions", "StorageOptions")

    @Test
    fun versionAndModels() {
        assertTrue(Regex("\\d+\\.\\d+\\.\\d+").matches(version()))
        assertEquals(builtInModels(), builtInModels())
    }
}

internal fun sha256(bytes: ByteArray): String =
    java.security.MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }
