package dev.reelkin.tests

import dev.reelkin.*
import java.lang.reflect.InvocationTargetException
import java.math.BigDecimal
import java.nio.ByteBuffer
import java.nio.ReadOnlyBufferException
import java.nio.file.Path
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** What is wrong gets the error that Rust gives, as an exception of its kind. */
class BadInputTest {
    @Test
    fun everyExceptionHasItsWord() {
        val words = VideoError::class.sealedSubclassNames().map { it.replace(Regex("(?<=[a-z])(?=[A-Z])"), "_").lowercase() }
        assertEquals(18, words.size)
        assertTrue("submission_unknown" in words)
    }

    private fun kotlin.reflect.KClass<*>.sealedSubclassNames() =
        java.declaredClasses.filter { VideoError::class.java.isAssignableFrom(it) }.map { it.simpleName }

    @Test
    fun timesThatAreNone() = Bench.run {
        for (duration in listOf((-1).seconds, Duration.INFINITE, 500.milliseconds, 0.seconds, 99.seconds)) {
            val error = refused<VideoError.InvalidRequest> { client.generate("a street", duration = duration) }
            assertEquals("invalid_request", error.code)
            assertEquals(Charge.NO, error.mayHaveBeenCharged)
        }
        assertEquals(0, creates)
    }

    @Test
    fun amountsThatAreNone() = Bench.run {
        for (amount in listOf("-1", "0.00000000001", "99999999999999")) {
            val error = refused<VideoError.InvalidRequest> { client(budget = Budget(perDay = BigDecimal(amount))) }
            assertTrue(amount in error.message, error.message)
        }
    }

    @Test
    fun textsThatAreNone() = Bench.run {
        refused<VideoError.InvalidRequest> { client.generate("half a pair: \uD800", duration = 1.seconds) }
        refused<VideoError.InvalidRequest> { client.generate("", duration = 1.seconds) }
        refused<VideoError.InvalidRequest> { client.generate("x".repeat(1_000_000), duration = 1.seconds) }
        assertEquals(0, creates)
    }

    @Test
    fun inputsThatAreNone() = Bench.run {
        for (input in listOf(
            MediaInput.Url("ftp://example.com/a.png"), MediaInput.DataUrl("nothing"), MediaInput.Clip("nothing"),
            MediaInput.Bytes(ByteArray(0), "empty"), MediaInput.Bytes(ByteArray(100), "zeros"),
            Path.of("/does/not/exist.png").input,
        )) {
            refused<VideoError> { client.generate("a street", mode = GenerateMode.Image(input), duration = 1.seconds) }
        }
        assertEquals(0, creates)
    }

    @Test
    fun clipsAndFilesThatAreNotThere() = Bench.run {
        assertEquals("not_found", refused<VideoError.NotFound> { client.library.clip("nothing") }.code)
        refused<VideoError.NotFound> { client.frame("nothing") }
        refused<VideoError.NotFound> { client.library.family("nothing") }
        refused<VideoError> { client.library.clip("../../etc/passwd") }
        refused<VideoError> { probe(Path.of("/does/not/exist.mp4").input) }
        refused<VideoError.Media> { probe(MediaInput.Bytes(ByteArray(100), "zeros")) }
        refused<VideoError.InvalidRequest> { frame(MediaInput.Clip("nothing")) }
        refused<VideoError> { client.job("not an id at all!") }
        refused<VideoError> { client.library.list(before = "not/an/id") }
        refused<VideoError.InvalidRequest> { client.library.list(limit = 0) }
    }

    @Test
    fun settingsThatAreWrong() = Bench.run {
        val there = folder.toString()
        assertEquals("config", refused<VideoError.Config> { VideoClient(there) }.code)
        refused<VideoError.Config> { VideoClient(there, apiKey = "key", baseUrl = "http://example.com/v1") }
        refused<VideoError.Config> { VideoClient(there, apiKey = "key", baseUrl = "nonsense") }
        refused<VideoError> { VideoClient(there, apiKey = "key", models = "no = toml = this") }
        val file = java.nio.file.Files.createTempFile(folder, "a", "file")
        refused<VideoError> { VideoClient("$file/clips", apiKey = "key") }
        refused<VideoError> { Library.open(file) }
        refused<VideoError> { Library.openToRead(folder.resolve("nothing")) }
        refused<VideoError.Config> { Sandbox.start(listen = "nowhere") }
        refused<VideoError.InvalidRequest> { Sandbox.start(faults = listOf("no such fault")) }
    }

    @Test
    fun aClosedClientSaysSo() = Bench.run {
        val clip = client.generate("a street", duration = 1.seconds)
        val handle = client.startGenerate(GenerateRequest("a street", duration = 1.seconds))
        val library = client.library
        client.close()
        client.close()
        for (call in listOf<suspend () -> Unit>(
            { client.generate("a street") }, { client.startGenerate(GenerateRequest("a street")) },
            { client.edit(clip, "night") }, { client.frame(clip) }, { client.recover() }, { client.library },
            { client.estimate(GenerateRequest("a street")) }, { client.job("x") }, { client.spent() }, { client.service },
        )) {
            assertTrue("closed" in refused<VideoError.Config> { call() }.message)
        }
        // What it gave away goes on to answer.
        refused<VideoError.Stopped> { handle.await() }
        assertEquals(clip.id, library.clip(clip.id).id)
    }

    @Test
    fun aStoppedSandboxSaysSo() = Bench.run {
        val sandbox = Sandbox.start()
        sandbox.stop()
        sandbox.stop()
        refused<VideoError.Config> { sandbox.state }
        refused<VideoError.Config> { sandbox.addFaults("reset") }
    }

    @Test
    fun nullWhereNoneIsAllowed() = Bench.run {
        // Kotlin does not compile it; Java does.
        val clip = Library::class.java.methods.single { it.name == "clip" }
        val error = assertThrows(InvocationTargetException::class.java) { clip.invoke(client.library, null, null) }
        assertTrue(error.cause is NullPointerException && "non-null" in error.cause!!.message!!, "${error.cause}")
    }

    @Test
    fun framesThatAreNone() {
        refused<VideoError> { Frame.fromRgb(2, 2, ByteArray(11)) }
        refused<VideoError.InvalidRequest> { Frame.fromRgb(-1, 2, ByteArray(12)) }
        val frame = Frame.fromRgb(2, 2, ByteArray(12) { it.toByte() })
        refused<VideoError.InvalidRequest> { frame.toJpeg(0) }
        refused<VideoError.InvalidRequest> { frame.toJpeg(101) }
        refused<VideoError> { frame.psnr(Frame.fromRgb(2, 1, ByteArray(6))) }
        assertThrows(ReadOnlyBufferException::class.java) { frame.toByteBuffer().put(0, 1) }
        frame.close()
        frame.close()
        assertTrue("closed" in assertThrows(IllegalStateException::class.java) { frame.toPng() }.message!!)
        assertEquals("Frame(closed)", frame.toString())
    }

    @Test
    fun bothLinesOfAMessage() = Bench.run {
        val error = refused<VideoError.Config> { VideoClient(folder.toString()) }
        assertEquals(listOfNotNull(error.reason, error.guidance).joinToString("\n"), error.message)
        assertTrue(error.toString().startsWith("dev.reelkin.VideoError\$Config: "), error.toString())
    }
}
