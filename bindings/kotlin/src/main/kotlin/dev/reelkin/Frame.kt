package dev.reelkin

import com.sun.jna.Platform
import com.sun.jna.Pointer
import java.nio.ByteBuffer
import kotlin.time.Duration
import kotlin.time.toJavaDuration

/**
 * A decoded frame as a player shows it: packed RGB, 8 bits per channel, top row first, rotated upright.
 *
 * The pixels are outside the JVM heap, so the garbage collector does not account for their size. Close frames with
 * `use {}` when you create many. Buffers from [toByteBuffer] outlive the frame.
 */
public class Frame internal constructor(private val native: NativeFrame) : Media, AutoCloseable {
    /** The width in pixels, after rotation. */
    public val width: Int get() = open().width().toInt()

    /** The height in pixels, after rotation. */
    public val height: Int get() = open().height().toInt()

    /** The playback time at which a player shows this frame. */
    public val time: Duration get() = open().origin().time

    /** The [time] for Java. */
    @SinceKotlin("9999.0")
    @get:JvmName("getTime")
    public val timeForJava: java.time.Duration get() = time.toJavaDuration()

    /** The presentation timestamp (PTS), in units of [timeBase]. */
    public val pts: Long get() = open().origin().pts

    /** The time base of the stream. */
    public val timeBase: TimeBase get() = open().origin().timeBase

    /** The index of the frame in presentation order, from 0, or `null` if unknown. */
    public val number: ULong? get() = open().origin().number

    /** The color matrix and range used for the conversion, and whether the clip states them or they were assumed. */
    public val color: ColorInfo get() = open().origin().color

    /** The rotation stated by the clip. It is already applied. */
    public val rotation: Rotation get() = open().origin().rotation

    /** Returns a copy of the pixels: red, green, blue, row by row from the top, without padding. */
    public fun toByteArray(): ByteArray = open().rgb()

    /**
     * Returns a read-only buffer over the pixels, without a copy.
     *
     * The pixels stay valid until the buffer and all its views are garbage collected, even if the frame is closed
     * earlier. On Android, which does not track views, the buffer is a copy.
     */
    public fun toByteBuffer(): ByteBuffer {
        val frame = open()
        if (Platform.isAndroid()) return ByteBuffer.wrap(frame.rgb()).asReadOnlyBuffer()
        // A separate owner, because the buffer can outlive this object.
        val owner = NativeFrame(UniffiWithHandle, frame.uniffiCloneHandle())
        val pixels = Pointer(owner.rgbAddress().toLong()).getByteBuffer(0, owner.rgbLength().toLong())
        UniffiLib.CLEANER.register(pixels, owner::destroy)
        return pixels.asReadOnlyBuffer()
    }

    /** Returns a copy of the pixels as opaque 32-bit ARGB values, one per pixel, as bitmaps of Android and AWT have them. */
    public fun toArgb(): IntArray {
        val rgb = toByteArray()
        return IntArray(rgb.size / 3) { pixel ->
            val at = pixel * 3
            0xFF000000.toInt() or (rgb[at].toInt() and 0xFF shl 16) or (rgb[at + 1].toInt() and 0xFF shl 8) or (rgb[at + 2].toInt() and 0xFF)
        }
    }

    /** Encodes the frame as a PNG file. Blocks the calling thread for about 10 ms for a 720p frame. */
    public fun toPng(): ByteArray = open().toPng()

    /**
     * Encodes the frame as a JPEG file.
     *
     * @param quality from 1 to 100.
     * @throws VideoError.InvalidRequest if [quality] is out of range.
     */
    @JvmOverloads
    public fun toJpeg(quality: Int = 90): ByteArray {
        if (quality !in 1..100) throw VideoError.invalidRequest("encode a JPEG: quality must be from 1 to 100, not $quality")
        return open().toJpeg(quality.toUByte())
    }

    /**
     * Returns the PSNR of two frames of the same size in decibels. It is infinite for identical frames.
     *
     * @throws VideoError if the sizes differ.
     */
    public fun psnr(other: Frame): Double = open().psnr(other.open())

    /** Releases the pixels. Later calls throw an `IllegalStateException`; closing again does nothing. */
    override fun close(): Unit = native.destroy()

    override fun toString(): String = if (native.uniffiIsDestroyed) "Frame(closed)" else "Frame(${width}x$height at $time)"

    private fun open(): NativeFrame {
        check(!native.uniffiIsDestroyed) { "use the frame: it was closed" }
        return native
    }

    public companion object {
        /**
         * Creates a frame from a copy of packed RGB pixels.
         *
         * @param rgb [width] × [height] × 3 bytes.
         * @throws VideoError if [rgb] has another size.
         */
        @JvmStatic
        public fun fromRgb(width: Int, height: Int, rgb: ByteArray): Frame {
            if (width < 1 || height < 1) {
                throw VideoError.invalidRequest("create a frame of ${width}x$height pixels: both must be positive")
            }
            return Frame(NativeFrame.fromRgb(width.toUInt(), height.toUInt(), rgb))
        }
    }
}
