package dev.reelkin

import java.nio.file.Path

/**
 * What can be handed to a verb as a picture or a clip: a [Clip] of the library, a [Frame], or a [MediaInput] (a file,
 * bytes, a URL, …).
 */
public sealed interface Media

/** The form in which a request names it. A frame is encoded as PNG for it. */
public val Media.input: MediaInput
    get() = when (this) {
        is Clip -> MediaInput.Clip(id)
        is Frame -> MediaInput.Bytes(toPng(), "frame")
        is MediaInput -> this
    }

/** This file as input of a request. It is read when the request is checked. */
public val Path.input: MediaInput get() = MediaInput.Path(this)

/**
 * What a clip or a picture is: size, length, codecs, colours. Free of charge.
 *
 * Cancelling the coroutine interrupts the reading.
 *
 * @param source a file or bytes; clips of a library have a [Clip.path].
 * @throws VideoError.Media when it cannot be read, [VideoError.NotFound] when there is no such file.
 */
public suspend fun probe(source: MediaInput, options: MediaOptions? = null): Probe = nativeProbe(source, options)

/**
 * One frame of a file or of bytes, exactly the one that a player shows. Free of charge.
 *
 * Cancelling the coroutine interrupts the decoder.
 *
 * @throws VideoError.Media when it cannot be decoded, or there is no frame at that position.
 */
public suspend fun frame(
    source: MediaInput,
    position: FramePosition = FramePosition.Last,
    options: MediaOptions? = null,
): Frame = Frame(nativeFrame(source, position, options))

/** Several frames of a file or of bytes in one reading, in the order in which they were asked for. See [frame]. */
public suspend fun frames(
    source: MediaInput,
    positions: List<FramePosition>,
    options: MediaOptions? = null,
): List<Frame> = nativeFrames(source, positions, options).map(::Frame)
