package dev.reelkin.tests

import dev.reelkin.*
import java.nio.file.Path
import kotlin.io.path.readText
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking

// Programs that the tests run in other JVMs.

private fun client(arguments: Array<String>) =
    VideoClient(arguments[1], baseUrl = arguments[0], poll = Studio.quick)

/** Starts a job, prints its id, and waits to be killed. */
object StartAndHang {
    @JvmStatic
    fun main(arguments: Array<String>): Unit = runBlocking {
        println(client(arguments).startGenerate(GenerateRequest("a street", duration = 1.seconds)).id)
        delay(60.seconds)
    }
}

/** Exits while a coroutine waits for a job. The third argument says how. */
object EndInFlight {
    @OptIn(DelicateCoroutinesApi::class)
    @JvmStatic
    fun main(arguments: Array<String>) {
        val client = client(arguments)
        GlobalScope.launch {
            try {
                client.generate("a street", duration = 1.seconds)
            } catch (_: VideoError.Stopped) {
                // Possible while the process exits.
            }
        }
        runBlocking {
            until { client.library.jobs().any { it.jobId != null } }
        }
        println("in flight")
        when (arguments[2]) {
            "return" -> return
            "exit" -> exitProcess(0)
            "wait" -> Thread.sleep(60_000)
        }
    }
}

/** Makes native calls after a warm-up, and prints by how many KiB memory grew. */
object CallAndMeasure {
    @JvmStatic
    fun main(arguments: Array<String>): Unit = runBlocking {
        val calls = arguments[2].toInt()
        client(arguments).use { client ->
            calls(client, calls / 2)
            val before = residentKib()
            calls(client, calls)
            println(growth(before))
        }
    }

    private suspend fun calls(client: VideoClient, count: Int) {
        val library = client.library
        val pixels = ByteArray(160 * 120 * 3) { it.toByte() }
        repeat(count) { call ->
            when (call % 5) {
                0 -> check(client.estimate(GenerateRequest("a street", duration = 6.seconds)).duration == 6.seconds)
                1 -> check(library.list(limit = 10).next == null)
                2 -> Frame.fromRgb(160, 120, pixels).use { check(it.toJpeg().isNotEmpty()) }
                3 -> check(Frame.fromRgb(160, 120, pixels).toByteBuffer().get(1) == 1.toByte())
                else -> check(runCatching { library.clip("nothing") }.exceptionOrNull() is VideoError.NotFound)
            }
            // Collecting the buffers frees their frames.
            if (call % 1000 == 999) collect()
        }
        collect()
    }

    /** Returns the minimum of several measurements, because buffers are freed by a thread that may be delayed. */
    private suspend fun growth(before: Long): Long {
        var least = Long.MAX_VALUE
        repeat(100) {
            least = minOf(least, residentKib() - before)
            if (least < 1024) return least
            collect()
        }
        return least
    }

    private suspend fun collect() {
        System.gc()
        delay(100.milliseconds)
    }

    private fun residentKib(): Long = Path.of("/proc/self/status").readText().lines()
        .first { it.startsWith("VmRSS:") }.filter { it.isDigit() }.toLong()
}
