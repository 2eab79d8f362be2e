package dev.reelkin.tests

import dev.reelkin.*
import java.math.BigDecimal
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.exists
import kotlin.io.path.readBytes
import kotlin.io.path.readText
import kotlin.io.path.isRegularFile
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** The scenarios of bindings/SCENARIOS.md. */
class ScenariosTest {
    @Test
    fun generateFromText() = Studio.run {
        val clip = client.generate("a lighthouse at dusk", duration = 1.seconds)
        assertTrue(clip.path!!.exists())
        val record = clip.record!!
        assertEquals("a lighthouse at dusk", record.prompt)
        val ours = record.reelkin!!
        assertEquals(sandbox.state.jobs.single().id, ours.jobId)
        assertEquals(emptyList<Finding>(), ours.delivery!!.findings)
        assertEquals(1, creates)
        val price = ours.cost!!
        assertTrue(price.signum() > 0)
        assertEquals(0, price.compareTo(client.spent().paid))
    }

    @Test
    fun generateFromAnImage() = Studio.run {
        val first = client.generate("a red kite", duration = 1.seconds)
        val png = client.frame(first).use { it.toPng() }
        val image = MediaInput.Bytes(png, "last frame")
        val clip = client.generate("it climbs", mode = GenerateMode.Image(image), duration = 1.seconds)
        val ours = clip.record!!.reelkin!!
        assertTrue(ours.delivery!!.start!!.lumaDb >= 35.0)
        assertEquals(sha256(png), ours.inputs!!.single().sha256)
    }

    @Test
    fun continueTwiceAndReadTheFamily() = Studio.run {
        val one = client.generate("a bay at dawn", duration = 1.seconds)
        val two = client.continueFrom(one, "boats leave", duration = 1.seconds)
        val three = client.continueFrom(two, "noon", duration = 1.seconds)
        val family = client.library.family(three)
        assertEquals(listOf(one.id, two.id, three.id), family.members.map { it.id })
        assertEquals(three.id, family.focus.id)
        assertEquals(one.id, family.root.id)
        assertEquals(listOf(two.id), family.parents(three.id).map { it.id })
        assertEquals(listOf(one.id, two.id, three.id), family.pathTo(three.id).map { it.id })
        assertTrue(family.cost > BigDecimal.ZERO)
    }

    @Test
    fun edit() = Studio.run {
        val clip = client.generate("a street", duration = 1.seconds)
        val night = client.edit(clip, "make it night")
        assertEquals("edit", night.record!!.reelkin!!.operation)
        assertEquals(clip.id, night.record!!.reelkin!!.parents!!.single().id)
    }

    @Test
    fun extend() = Studio.run {
        val clip = client.generate("a street", duration = 2.seconds)
        val long = client.extend(clip, "rain begins", duration = 2.seconds)
        val added = probe(long.path!!.input).duration - probe(clip.path!!.input).duration
        assertEquals(2.0, added.inWholeMilliseconds / 1000.0, 0.1)
        assertEquals(2.0, long.record!!.reelkin!!.delivery!!.seam!!.seconds, 0.1)
    }

    @Test
    fun analyze() = Studio.run {
        val clip = client.generate("a street", duration = 1.seconds)
        val notes = client.analyze(clip)
        assertTrue(notes.prompt.isNotEmpty())
        assertTrue(notes.shot.isNotEmpty())
        assertEquals(2, notes.frames.size)
        assertTrue(notes.cost!! > BigDecimal.ZERO)
        assertEquals(1, client.library.list().clips.size)
    }

    @Test
    fun frameEqualsRusts() = Studio.run {
        val expected = Path.of(System.getProperty("reelkin.expected"))
        frame(expected.resolve("clip.mp4").input).use { rusts ->
            assertArrayEquals(expected.resolve("last.png").readBytes(), rusts.toPng())
        }
        val clip = client.generate("a street", duration = 1.seconds)
        val png = frame(clip.path!!.input).use { it.toPng() }
        client.frame(clip).use { frame ->
            assertArrayEquals(png, frame.toPng())
            assertEquals(frame.width * frame.height * 3, frame.toByteBuffer().remaining())
            assertEquals(frame.width * frame.height * 3, frame.toByteArray().size)
        }
    }

    @Test
    fun moderation() = Studio.run(faults = listOf("moderated=400")) {
        val error = expectError<VideoError.Moderated> { client.generate("a street", duration = 1.seconds) }
        assertEquals("moderated", error.code)
        assertEquals(sandbox.state.jobs.firstOrNull()?.id, error.jobId)
        assertNotNull(error.jobId)
        assertFalse(error.isRetryable)
        assertEquals(0, client.library.list().clips.size)
    }

    @Test
    fun submissionUnknown() = Studio.run(faults = listOf("create:lost-reply")) {
        val error = expectError<VideoError.SubmissionUnknown> { client.generate("a street", duration = 1.seconds) }
        assertEquals("submission_unknown", error.code)
        val recordId = error.recordId!!
        assertEquals(1, creates)
        assertEquals(listOf(recordId), client.recover().unsettled.map { it.id })
        assertEquals(JobState.SETTLED, client.library.settle(recordId, Settlement.NeverMade).state)
        assertEquals(emptyList<JobRecord>(), client.library.jobs())
        assertEquals(emptyList<JobRecord>(), client.recover().unsettled)
    }

    @Test
    fun budget() = Studio.run {
        client(budget = Budget(perRequest = BigDecimal("0.01"))).use { poor ->
            val error = expectError<VideoError.Budget> { poor.generate("a street", duration = 6.seconds) }
            assertEquals("budget", error.code)
            assertEquals(Charge.NO, error.mayHaveBeenCharged)
        }
        assertEquals(0, creates)
    }

    @Test
    fun pickUpInAnotherProcess() = Studio.run(minJobDuration = 1.5.seconds) {
        client.close()
        val child = jvm("dev.reelkin.tests.StartAndHang", sandbox.baseUrl, folder.toString())
            .also { it.environment()["XAI_API_KEY"] = sandbox.apiKey }
            .redirectError(ProcessBuilder.Redirect.INHERIT).start()
        val id = child.inputStream.bufferedReader().readLine()
        child.destroyForcibly().waitFor()
        assertEquals(sandbox.state.jobs.single().id, id)
        client().use { here ->
            val saved = here.recover().saved.single()
            assertEquals(id, saved.record!!.reelkin!!.jobId)
            assertEquals(saved.id, here.job(id).await().id)
        }
        assertEquals(1, creates)
    }

    @Test
    fun cancelThenRecover() = Studio.run(minJobDuration = 1.seconds) {
        coroutineScope {
            val waiting = launch(Dispatchers.Default) { client.generate("a street", duration = 1.seconds) }
            untilSent()
            waiting.cancelAndJoin()
            assertTrue(waiting.isCancelled)
        }
        assertEquals(1, client.recover().saved.size)
        assertEquals(1, creates)
    }

    @Test
    fun twentyAtOnce() = Studio.run {
        val clips = coroutineScope {
            (1..20).map { async(Dispatchers.Default) { client.generate("street $it", duration = 1.seconds) } }.awaitAll()
        }
        assertEquals(20, clips.map { it.id }.toSet().size)
        assertEquals(20, creates)
    }

    @Test
    fun keyNeverShown() = Studio.run {
        val key = "xai-0123456789abcdefghijklmnopqrstuvwxyz"
        val said = mutableListOf<String>()
        client(apiKey = key).use { wrong ->
            val error = expectError<VideoError.Auth> { wrong.generate("a street", duration = 1.seconds) }
            assertNull(error.jobId)
            said += listOf(error.stackTraceToString(), error.details.toString(), wrong.toString(), wrong.service)
        }
        // With the right key: everything that can be printed.
        val handle = client.startGenerate(GenerateRequest("a street", duration = 1.seconds))
        val events = handle.events().toList()
        val clip = handle.await()
        val target = UploadTarget("https://bucket.example/put?signature=${sandbox.apiKey}", null)
        said += listOf(
            client, client.library, client.library.family(clip), client.library.list(), client.models, client.spent(),
            handle, events, clip, client.frame(clip), sandbox, sandbox.state, client.recover(),
            client.startRecover(), GenerateRequest("a street", output = target),
        ).map { it.toString() }
        Files.walk(folder).use { files -> files.filter { it.isRegularFile() }.forEach { said += it.readText(Charsets.ISO_8859_1) } }
        assertTrue(said.size > 18)
        for (text in said) {
            assertFalse(key in text || sandbox.apiKey in text, text.take(2000))
        }
    }
}
