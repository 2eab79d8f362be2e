package dev.reelkin.tests

import dev.reelkin.*
import java.util.concurrent.TimeUnit
import kotlin.time.Duration.Companion.seconds
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assertions.fail
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledOnOs
import org.junit.jupiter.api.condition.OS

/** The exit of a JVM, and its memory. */
class ProcessTest {
    @Test
    fun mainReturnsWithAJobInFlight() = exits("return", 0)

    @Test
    fun exitWithAJobInFlight() = exits("exit", 0)

    @Test
    fun sigtermWithAJobInFlight() = exits("wait", 128 + 15)

    private fun exits(how: String, code: Int) = Studio.run(minJobDuration = 2.seconds) {
        client.close()
        val child = jvm("dev.reelkin.tests.EndInFlight", sandbox.baseUrl, folder.toString(), how)
            .also { it.environment()["XAI_API_KEY"] = sandbox.apiKey }
            .redirectErrorStream(true).start()
        val lines = child.inputStream.bufferedReader()
        assertEquals("in flight", lines.readLine())
        // Not Process.destroy(), which also closes the pipe.
        if (how == "wait") child.toHandle().destroy()
        if (!child.waitFor(15, TimeUnit.SECONDS)) {
            child.destroyForcibly()
            fail<Unit>("the JVM did not exit")
        }
        assertEquals(code, child.exitValue())
        assertEquals("", lines.readText())
        client().use { assertEquals(1, it.recover().saved.size) }
        assertEquals(1, creates)
    }

    /** Allows for fluctuations of the JVM and the allocator. Leaking the frames alone would add 225 MiB. */
    @Test
    @EnabledOnOs(OS.LINUX)
    fun tenThousandCallsDoNotLeak() = Studio.run {
        val options = listOf("-Xms32m", "-Xmx32m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        val child = jvm("dev.reelkin.tests.CallAndMeasure", sandbox.baseUrl, folder.toString(), "10000", options = options)
            .also { it.environment()["XAI_API_KEY"] = sandbox.apiKey }
            .redirectError(ProcessBuilder.Redirect.INHERIT).start()
        val growth = child.output().trim().toLong()
        println("10,000 calls: resident memory grew by $growth KiB")
        assertTrue(growth < 6 * 1024, "memory grew by $growth KiB")
    }
}
