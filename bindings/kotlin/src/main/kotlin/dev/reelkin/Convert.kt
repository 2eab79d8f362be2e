package dev.reelkin

import java.math.BigDecimal
import java.nio.ByteBuffer
import java.nio.CharBuffer
import java.nio.charset.CharacterCodingException
import java.time.Instant
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds
import kotlin.time.Duration.Companion.seconds

// Conversions of money, times, durations and text for the generated code.

/** Number of decimals of an amount in dollars: a tick is 1e-10 USD. */
private const val TICK_DIGITS = 10
private val MAX_TICKS = BigDecimal(ULong.MAX_VALUE.toString())

/** Converts ticks to dollars with at least two decimals. */
internal fun dollars(ticks: ULong): BigDecimal {
    val dollars = BigDecimal(ticks.toString()).movePointLeft(TICK_DIGITS).stripTrailingZeros()
    return if (dollars.scale() < 2) dollars.setScale(2) else dollars
}

internal fun ticks(dollars: BigDecimal): ULong {
    val ticks = dollars.movePointRight(TICK_DIGITS).stripTrailingZeros()
    if (ticks.signum() < 0 || ticks.scale() > 0 || ticks > MAX_TICKS) {
        throw VideoError.invalidRequest(
            "convert ${dollars.toPlainString()} to an amount in dollars: " +
                "it must be from 0 to 1844674407 with at most $TICK_DIGITS decimals",
        )
    }
    return ticks.toBigIntegerExact().toString().toULong()
}

private val MAX_TIME: Instant = Instant.parse("9999-12-31T23:59:59.999Z")

/** Converts a time of a record, which can be any number. The latest time that is accepted stands for all later ones. */
internal fun instant(millis: ULong): Instant =
    Instant.ofEpochMilli(millis.coerceAtMost(MAX_TIME.toEpochMilli().toULong()).toLong())

internal fun millis(time: Instant): ULong {
    if (time < Instant.EPOCH || time > MAX_TIME) {
        throw VideoError.invalidRequest("convert $time to a time: it must be in the years 1970 to 9999")
    }
    return time.toEpochMilli().toULong()
}

internal object FfiConverterDuration : FfiConverterRustBuffer<Duration> {
    override fun read(buf: ByteBuffer): Duration = buf.getLong().seconds + buf.getInt().nanoseconds

    override fun allocationSize(value: Duration): ULong = 12UL

    override fun write(value: Duration, buf: ByteBuffer) {
        if (value.isNegative() || value.isInfinite()) {
            throw VideoError.invalidRequest("convert $value to a duration: it must be finite and not negative")
        }
        value.toComponents { seconds, nanoseconds -> buf.putLong(seconds).putInt(nanoseconds) }
    }
}

internal fun utf8(text: String): ByteBuffer = try {
    Charsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text))
} catch (_: CharacterCodingException) {
    throw VideoError.invalidRequest("encode a text as UTF-8: it must not contain an unpaired surrogate")
}

internal fun Int.unsigned(): UInt {
    if (this < 0) throw VideoError.invalidRequest("convert $this to a count: it must not be negative")
    return toUInt()
}

internal fun Long.unsigned(): ULong {
    if (this < 0) throw VideoError.invalidRequest("convert $this to a count: it must not be negative")
    return toULong()
}
