package dev.reelkin

import com.sun.jna.Platform
import com.sun.jna.Pointer
import java.nio.ByteBuffer
import kotlin.time.Duration

/**
 * A picture as a player shows it: packed RGB, 8 bits a channel, rows from the top, turned upright.
 *
 * Its pixels lie outside of the JVM's heap, so that the garbage collector does not know how large they are: close it
 * (`use {}`) where many are made. Buffers from [toByteBuffer] outlive it.
 */
public class Frame internal constructor(private val native: NativeFrame) : Media, AutoCloseable {
    /** Pixels a row, as shown. */
    public val width: Int get() = open().width().toInt()

    /** Rows, as shown. */
    public val height: Int get() = open().height().toInt()

    /** What a player's clock shows when this frame appears. */
    public val time: Duration get() = open().time()

    /** The time stamp in the stream, in units of [timeBase]. */
    public val pts: Long get() = open().pts()

    /** The unit of the time stamp, in seconds. */
    public val timeBase: TimeBase get() = open().timeBase()

    /** Its place in presentation order, from 0, where that is known. */
    public val number: ULong? get() = open().number()

    /** Which matrix and range made the pixels, and whether the clip said so or it was assumed. */
    public val colour: ColourInfo get() = open().colour()

    /** How the coded picture was turned. Already applied. */
    public val rotation: Rotation get() = open().rotation()

    /** The pixels: red, green, blue, row by row from the top, without padding. A copy. */
    public fun toByteArray(): ByteArray = open().rgb()

    /**
     * The pixels, to be read only, without a copy: they stay where they are until the buffer and all its views are
     * garbage, also when the frame is closed before. On Android, which keeps no such track of views, a copy.
     */
    public fun toByteBuffer(): ByteBuffer {
        val frame = open()
        if (Platform.isAndroid()) return ByteBuffer.wrap(frame.rgb()).asReadOnlyBuffer()
        // An owner of its own: the buffer's pixels must not depend on this object.
        val owner = NativeFrame(UniffiWithHandle, frame.uniffiCloneHandle())
        val pixels = Pointer(owner.rgbAddress().toLong()).getByteBuffer(0, owner.rgbLength().toLong())
        UniffiLib.CLEANER.register(pixels, owner::destroy)
        return pixels.asReadOnlyBuffer()
    }

    /** The picture as a PNG file. Takes some 10 ms of the calling thread for 720 lines. */
    public fun toPng(): ByteArray = open().toPng()

    /**
     * The picture as a JPEG file.
     *
     * @param quality from 1 to 100.
     * @throws VideoError.InvalidRequest for another quality.
     */
    public fun toJpeg(quality: Int = 90): ByteArray {
        if (quality !in 1..100) throw VideoError.invalidRequest("encode JPEG: quality $quality is not from 1 to 100")
        return open().toJpeg(quality.toUByte())
    }

    /**
     * How alike two frames of one size are, in decibels; infinite for equal ones.
     *
     * @throws VideoError when their sizes differ.
     */
    public fun psnr(other: Frame): Double = open().psnr(other.open())

    /** Lets go of the pixels. A second call does nothing; every other call then ends with an `IllegalStateException`. */
    override fun close(): Unit = native.destroy()

    override fun toString(): String = if (native.uniffiIsDestroyed) "Frame(closed)" else "Frame(${width}x$height at $time)"

    private fun open(): NativeFrame {
        check(!native.uniffiIsDestroyed) { "use the frame: it was closed" }
        return native
    }

    public companion object {
        /**
         * A frame out of packed RGB pixels.
         *
         * @param rgb width times height times 3 bytes; copied.
         * @throws VideoError when the size does not fit.
         */
        public fun fromRgb(width: Int, height: Int, rgb: ByteArray): Frame {
            if (width < 1 || height < 1) throw VideoError.invalidRequest("make a frame of $width x $height pixels")
            return Frame(NativeFrame.fromRgb(width.toUInt(), height.toUInt(), rgb))
        }
    }
}
