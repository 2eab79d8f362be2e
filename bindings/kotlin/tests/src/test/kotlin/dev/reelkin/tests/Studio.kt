package dev.reelkin.tests

import dev.reelkin.*
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.deleteRecursively
import kotlin.io.path.ExperimentalPathApi
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertThrows

/** A test fixture: a sandbox, a library, and a client with short poll intervals. */
class Studio(val sandbox: Sandbox, val folder: Path) : AutoCloseable {
    val client = client()

    fun client(
        apiKey: String = sandbox.apiKey,
        budget: Budget? = null,
    ): VideoClient = VideoClient(
        folder.toString(),
        apiKey = apiKey,
        baseUrl = sandbox.baseUrl,
        budget = budget,
        poll = quick,
        rateLimit = RateLimit(requestsPerSecond = 200.0, createsPerSecond = 100.0),
    )

    val creates: Int get() = sandbox.state.creates.toInt()

    suspend fun untilSent() = until { creates > 0 && sandbox.state.polls > 0u }

    @OptIn(ExperimentalPathApi::class)
    override fun close() {
        client.close()
        sandbox.close()
        folder.deleteRecursively()
    }

    companion object {
        val quick = defaultPollPolicy().copy(
            first = 50.milliseconds,
            expected = 1.seconds,
            shortest = 50.milliseconds,
            longest = 200.milliseconds,
            deadline = 60.seconds,
        )

        fun run(
            minJobDuration: Duration = 200.milliseconds,
            faults: List<String> = emptyList(),
            test: suspend Studio.() -> Unit,
        ): Unit = runBlocking {
            val sandbox = Sandbox.start(minJobDuration = minJobDuration, faults = faults)
            Studio(sandbox, Files.createTempDirectory("reelkin")).use { withTimeout(120.seconds) { it.test() } }
        }
    }
}

suspend fun until(done: suspend () -> Boolean): Unit = withTimeout(30.seconds) {
    while (!done()) delay(20.milliseconds)
}

inline fun <reified E : Throwable> expectError(crossinline call: suspend () -> Unit): E =
    assertThrows(E::class.java) { runBlocking { call() } }

/** Prepares a program to run in another JVM. */
fun jvm(main: String, vararg arguments: String, options: List<String> = listOf("-Xmx64m")): ProcessBuilder {
    val java = ProcessHandle.current().info().command().orElse("java")
    val classPath = System.getProperty("surefire.test.class.path") ?: System.getProperty("java.class.path")
    return ProcessBuilder(listOf(java, "-Dorg.slf4j.simpleLogger.defaultLogLevel=off") + options + listOf("-cp", classPath, main) + arguments)
}

/** Returns the output of a process, which must exit within a minute. */
fun Process.output(): String {
    val text = inputStream.bufferedReader().readText()
    check(waitFor(60, java.util.concurrent.TimeUnit.SECONDS)) { "the process did not exit" }
    return text
}
