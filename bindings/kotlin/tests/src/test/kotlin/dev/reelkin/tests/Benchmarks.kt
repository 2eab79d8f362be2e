package dev.reelkin.tests

import dev.reelkin.*
import java.nio.file.Path
import kotlin.io.path.readText
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking

// Programs that bench.sh measures, each in its own JVM.

/** Returns the peak resident memory of the process in KiB. */
private fun peakKib(): String =
    Path.of("/proc/self/status").readText().lines().first { it.startsWith("VmHWM:") }.filter { it.isDigit() }

/** The baseline: a coroutine without the package. */
object Nothing {
    @JvmStatic
    fun main(arguments: Array<String>): Unit = runBlocking {
        delay(1)
        if (arguments.isNotEmpty()) println(peakKib())
    }
}

/** Loads the package and makes one call. */
object Start {
    @JvmStatic
    fun main(arguments: Array<String>): Unit = runBlocking {
        delay(1)
        println(version())
    }
}

/** Encodes the last frame of a clip as PNG. */
object LastFrame {
    @JvmStatic
    fun main(arguments: Array<String>): Unit = runBlocking {
        frame(Path.of(arguments[0]).input).use { check(it.height == 720 && it.toPng().isNotEmpty()) }
        println(peakKib())
    }
}
