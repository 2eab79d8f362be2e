package dev.reelkin.tests

import dev.reelkin.*
import java.io.ByteArrayInputStream
import java.io.FileNotFoundException
import java.io.InputStream
import kotlin.io.path.readBytes
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.withTimeoutOrNull
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Media from streams, and pixels for bitmaps. Android's functions use them. */
class MediaTest {
    /** A stream that remembers that it was closed. */
    private class Stream(bytes: ByteArray) : ByteArrayInputStream(bytes) {
        var closed = false
        override fun close() {
            closed = true
        }
    }

    @Test
    fun aStreamIsReadAndClosed() = Studio.run {
        val clip = client.generate("a street", duration = 1.seconds)
        val stream = Stream(clip.path!!.readBytes())
        val media = readMedia("upload") { stream }
        assertTrue(stream.closed)
        assertEquals(probe(clip.path!!.input), probe(media))
        assertEquals("edit", client.edit(media, "night").record!!.reelkin!!.operation)
    }

    @Test
    fun aStreamThatIsTooLongIsClosedAndRejected() = Studio.run {
        val bytes = ByteArray(100_000) { it.toByte() }
        val exact = readMedia("upload", limit = 100_000) { Stream(bytes) }
        assertArrayEquals(bytes, (exact as MediaInput.Bytes).let { it.component1() })
        val stream = Stream(bytes)
        val error = expectError<VideoError.InvalidRequest> { readMedia("upload", limit = 99_999) { stream } }
        assertTrue(stream.closed)
        assertEquals("read upload: it has more than 99999 bytes", error.reason)
        expectError<FileNotFoundException> { readMedia("upload") { throw FileNotFoundException("gone") } }
    }

    @Test
    fun aStreamThatBlocksCanBeCancelled() = Studio.run {
        val blocked = object : InputStream() {
            override fun read(): Int {
                Thread.sleep(60_000)
                return 0
            }
        }
        assertNull(withTimeoutOrNull(100.milliseconds) { readMedia("upload") { blocked } })
    }

    @Test
    fun pixelsAsArgb() {
        val frame = Frame.fromRgb(2, 1, byteArrayOf(1, 2, 3, -1, 0, 127))
        assertArrayEquals(intArrayOf(0xFF010203.toInt(), 0xFFFF007F.toInt()), frame.toArgb())
        val image = frame.toBufferedImage()
        assertArrayEquals(image.getRGB(0, 0, 2, 1, null, 0, 2), frame.toArgb())
    }
}
