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

/** Invalid input throws the same errors as in Rust, as exceptions of the right class. */
class BadInputTest {
    @Test
    fun everyErrorCodeHasAnExceptionClass() {
        val words = VideoError::class.sealedSubclassNames().map { it.replace(Regex("(?<=[a-z])(?=[A-Z])"), "_").lowercase() }
        assertEquals(18, words.size)
        assertTrue("submission_unknown" in words)
    }

    private fun kotlin.reflect.KClass<*>.sealedSubclassNames() =
        java.declaredClasses.filter { VideoError::class.java.isAssignableFrom(it) }.map { it.simpleName }

    @Test
    fun invalidDurations() = Studio.run {
        for (duration in listOf((-1).seconds, Duration.INFINITE, 500.milliseconds, 0.seconds, 99.seconds)) {
            val error = expectError<VideoError.InvalidRequest> { client.generate("a street", duration = duration) }
            assertEquals("invalid_request", error.code)
            assertEquals(Charge.NO, error.mayHaveBeenCharged)
        }
        assertEquals(0, creates)
    }

    @Test
    fun invalidAmounts() = Studio.run {
        for (amount in listOf("-1", "0.00000000001", "99999999999999")) {
            val error = expectError<VideoError.InvalidRequest> { client(budget = Budget(perDay = BigDecimal(amount))) }
            assertTrue(amount in error.message, error.message)
        }
    }

    @Test
    fun invalidTexts() = Studio.run {
        expectError<VideoError.InvalidRequest> { client.generate("half a pair: \uD800", duration = 1.seconds) }
        expectError<VideoError.InvalidRequest> { client.generate("", duration = 1.seconds) }
        expectError<VideoError.InvalidRequest> { client.generate("x".repeat(1_000_000), duration = 1.seconds) }
        assertEquals(0, creates)
    }

    @Test
    fun invalidInputs() = Studio.run {
        for (input in listOf(
            MediaInput.Url("ftp://example.com/a.png"), MediaInput.DataUrl("nothing"), MediaInput.Clip("nothing"),
            MediaInput.Bytes(ByteArray(0), "empty"), MediaInput.Bytes(ByteArray(100), "zeros"),
            Path.of("/does/not/exist.png").input,
        )) {
            expectError<VideoError> { client.generate("a street", mode = GenerateMode.Image(input), duration = 1.seconds) }
        }
        assertEquals(0, creates)
    }

    @Test
    fun missingClipsAndFiles() = Studio.run {
        assertEquals("not_found", expectError<VideoError.NotFound> { client.library.clip("nothing") }.code)
        expectError<VideoError.NotFound> { client.frame("nothing") }
        expectError<VideoError.NotFound> { client.library.family("nothing") }
        expectError<VideoError> { client.library.clip("../../etc/passwd") }
        expectError<VideoError> { probe(Path.of("/does/not/exist.mp4").input) }
        expectError<VideoError.Media> { probe(MediaInput.Bytes(ByteArray(100), "zeros")) }
        expectError<VideoError.InvalidRequest> { frame(MediaInput.Clip("nothing")) }
        expectError<VideoError> { client.job("not an id at all!") }
        expectError<VideoError> { client.library.list(before = "not/an/id") }
        expectError<VideoError.InvalidRequest> { client.library.list(limit = 0) }
    }

    @Test
    fun invalidSettings() = Studio.run {
        val path = folder.toString()
        assertEquals("config", expectError<VideoError.Config> { VideoClient(path) }.code)
        expectError<VideoError.Config> { VideoClient(path, apiKey = "key", baseUrl = "http://example.com/v1") }
        expectError<VideoError.Config> { VideoClient(path, apiKey = "key", baseUrl = "nonsense") }
        expectError<VideoError.Config> { VideoClient(path, apiKey = "key", proxy = "socks5://a") }
        expectError<VideoError.Config> { VideoClient(path, apiKey = "key", noProxy = "10.0.0.0/99") }
        expectError<VideoError.Config> { VideoClient(path, apiKey = "key", rootCertificates = "none") }
        expectError<VideoError> { VideoClient(path, apiKey = "key", models = "no = toml = this") }
        val file = java.nio.file.Files.createTempFile(folder, "a", "file")
        expectError<VideoError> { VideoClient("$file/clips", apiKey = "key") }
        expectError<VideoError> { Library.open(file) }
        expectError<VideoError> { Library.openToRead(folder.resolve("nothing")) }
        expectError<VideoError.Config> { Sandbox.start(listen = "nowhere") }
        expectError<VideoError.InvalidRequest> { Sandbox.start(faults = listOf("no such fault")) }
    }

    @Test
    fun callsOnAClosedClientFail() = Studio.run {
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
            assertTrue("closed" in expectError<VideoError.Config> { call() }.message)
        }
        // Objects from before still answer.
        expectError<VideoError.Stopped> { handle.await() }
        assertEquals(clip.id, library.clip(clip.id).id)
    }

    @Test
    fun callsOnAStoppedSandboxFail() = Studio.run {
        val sandbox = Sandbox.start()
        sandbox.stop()
        sandbox.stop()
        expectError<VideoError.Config> { sandbox.state }
        expectError<VideoError.Config> { sandbox.addFaults("reset") }
    }

    @Test
    fun nullArgumentsFromJava() = Studio.run {
        // Possible from Java, not from Kotlin.
        val clip = Library::class.java.methods.single { it.name == "clip" }
        val error = assertThrows(InvocationTargetException::class.java) { clip.invoke(client.library, null, null) }
        assertTrue(error.cause is NullPointerException && "non-null" in error.cause!!.message!!, "${error.cause}")
    }

    @Test
    fun invalidFrames() {
        expectError<VideoError> { Frame.fromRgb(2, 2, ByteArray(11)) }
        expectError<VideoError.InvalidRequest> { Frame.fromRgb(-1, 2, ByteArray(12)) }
        val frame = Frame.fromRgb(2, 2, ByteArray(12) { it.toByte() })
        expectError<VideoError.InvalidRequest> { frame.toJpeg(0) }
        expectError<VideoError.InvalidRequest> { frame.toJpeg(101) }
        expectError<VideoError> { frame.psnr(Frame.fromRgb(2, 1, ByteArray(6))) }
        assertThrows(ReadOnlyBufferException::class.java) { frame.toByteBuffer().put(0, 1) }
        frame.close()
        frame.close()
        assertTrue("closed" in assertThrows(IllegalStateException::class.java) { frame.toPng() }.message!!)
        assertEquals("Frame(closed)", frame.toString())
    }

    @Test
    fun messageHasReasonAndGuidance() = Studio.run {
        val error = expectError<VideoError.Config> { VideoClient(folder.toString()) }
        assertEquals(listOfNotNull(error.reason, error.guidance).joinToString("\n"), error.message)
        assertTrue(error.toString().startsWith("dev.reelkin.VideoError\$Config: "), error.toString())
    }
}
