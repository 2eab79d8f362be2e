package dev.reelkin

import java.io.ByteArrayOutputStream
import java.io.InputStream
import java.nio.file.Path
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.runInterruptible
import kotlinx.coroutines.withContext

/**
 * An image or a clip that can be passed to a request: a [Clip] in the library, a [Frame], or a [MediaInput] (a file,
 * bytes, a URL, …).
 */
public sealed interface Media

/** Converts this media to the form that requests use. Encodes a frame as PNG, which blocks the calling thread. */
public val Media.input: MediaInput
    get() = when (this) {
        is Clip -> MediaInput.Clip(id)
        is Frame -> MediaInput.Bytes(toPng(), "frame")
        is MediaInput -> this
    }

/** Converts this media like [input], but encodes a frame on a thread for computations. */
internal suspend fun Media.encoded(): MediaInput = if (this is Frame) withContext(Dispatchers.Default) { input } else input

/** Converts this path to the form that requests use. The file is read when the request is checked. */
public val Path.input: MediaInput get() = MediaInput.Path(this)

/** The default limit of [readMedia]. */
public const val MAX_MEDIA_BYTES: Long = 64L shl 20

/**
 * Reads an image or a clip from a stream, such as an upload or a content provider.
 *
 * The stream is opened and read on [Dispatchers.IO], and closed.
 *
 * @param name a name for messages.
 * @param limit maximum number of bytes, which are held in memory.
 * @throws VideoError.InvalidRequest if there are more.
 */
public suspend fun readMedia(name: String, limit: Long = MAX_MEDIA_BYTES, open: () -> InputStream): MediaInput =
    withContext(Dispatchers.IO) {
        val bytes = ByteArrayOutputStream()
        open().use { stream ->
            val buffer = ByteArray(64 shl 10)
            while (true) {
                val count = runInterruptible { stream.read(buffer) }
                if (count < 0) break
                if (bytes.size() + count > limit) throw VideoError.invalidRequest("read $name: it has more than $limit bytes")
                bytes.write(buffer, 0, count)
            }
        }
        MediaInput.Bytes(bytes.toByteArray(), name)
    }

/**
 * Reads the properties of a clip or an image: dimensions, duration, codecs, colors. Free of charge.
 *
 * Cancelling the coroutine interrupts the decoder.
 *
 * @param source a file or bytes. For a clip in a library, pass its [Clip.path].
 * @throws VideoError.Media if it cannot be decoded.
 * @throws VideoError.NotFound if the file does not exist.
 */
public suspend fun probe(source: MediaInput, options: MediaOptions? = null): Probe = nativeProbe(source, options)

/**
 * Decodes one frame of a file or of bytes, exactly as a player would show it. Free of charge.
 *
 * Cancelling the coroutine interrupts the decoder.
 *
 * @throws VideoError.Media if it cannot be decoded or has no frame at that position.
 */
public suspend fun frame(
    source: MediaInput,
    position: FramePosition = FramePosition.Last,
    options: MediaOptions? = null,
): Frame = Frame(nativeFrame(source, position, options))

/** Decodes several frames of a file or of bytes in one pass, in the order of [positions]. See [frame]. */
public suspend fun frames(
    source: MediaInput,
    positions: List<FramePosition>,
    options: MediaOptions? = null,
): List<Frame> = nativeFrames(source, positions, options).map(::Frame)
