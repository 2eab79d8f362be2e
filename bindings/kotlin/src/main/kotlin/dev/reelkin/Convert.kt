package dev.reelkin

import java.math.BigDecimal
import java.nio.ByteBuffer
import java.nio.CharBuffer
import java.nio.charset.CharacterCodingException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds
import kotlin.time.Duration.Companion.seconds

// In which form money, time and texts cross. The generated code calls these.

/** A tick is 1e-10 USD. */
private const val TICK_DIGITS = 10
private val MOST_TICKS = BigDecimal(ULong.MAX_VALUE.toString())

/** With two decimals, and more where parts of a cent are in it. */
internal fun dollars(ticks: ULong): BigDecimal {
    val dollars = BigDecimal(ticks.toString()).movePointLeft(TICK_DIGITS).stripTrailingZeros()
    return if (dollars.scale() < 2) dollars.setScale(2) else dollars
}

internal fun ticks(dollars: BigDecimal): ULong {
    val ticks = dollars.movePointRight(TICK_DIGITS).stripTrailingZeros()
    if (ticks.signum() < 0 || ticks.scale() > 0 || ticks > MOST_TICKS) {
        throw VideoError.invalidRequest(
            "take ${dollars.toPlainString()} for an amount of dollars: " +
                "it is below 0, above 1844674407, or has more than $TICK_DIGITS decimals",
        )
    }
    return ticks.toBigIntegerExact().toString().toULong()
}

internal object FfiConverterDuration : FfiConverterRustBuffer<Duration> {
    override fun read(buf: ByteBuffer): Duration = buf.getLong().seconds + buf.getInt().nanoseconds

    override fun allocationSize(value: Duration): ULong = 12UL

    override fun write(value: Duration, buf: ByteBuffer) {
        if (value.isNegative() || value.isInfinite()) {
            throw VideoError.invalidRequest("take $value for a length of time: it must be finite, and not below 0")
        }
        value.toComponents { seconds, nanoseconds -> buf.putLong(seconds).putInt(nanoseconds) }
    }
}

internal fun utf8(text: String): ByteBuffer = try {
    Charsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text))
} catch (_: CharacterCodingException) {
    throw VideoError.invalidRequest("take a text that is no Unicode: it has half of a surrogate pair")
}
