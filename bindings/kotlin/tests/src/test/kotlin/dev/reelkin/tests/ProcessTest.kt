package dev.reelkin.tests

import dev.reelkin.*
import java.util.concurrent.TimeUnit
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assertions.fail
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledOnOs
import org.junit.jupiter.api.condition.OS

/** The end of a JVM, and its memory. */
class ProcessTest {
    @Test
    fun mainReturnsWithAJobInFlight() = endsWith("return", 0)

    @Test
    fun exitWithAJobInFlight() = endsWith("exit", 0)

    @Test
    fun sigtermWithAJobInFlight() = endsWith("wait", 128 + 15)

    private fun endsWith(how: String, code: Int) = Bench.run(secondsPerJob = 2.0) {
        client.close()
        val child = jvm("dev.reelkin.tests.EndInFlight", sandbox.baseUrl, folder.toString(), how)
            .also { it.environment()["XAI_API_KEY"] = sandbox.apiKey }
            .redirectErrorStream(true).start()
        val lines = child.inputStream.bufferedReader()
        assertEquals("in flight", lines.readLine())
        // Not Process.destroy(), which closes the pipe as well.
        if (how == "wait") child.toHandle().destroy()
        if (!child.waitFor(15, TimeUnit.SECONDS)) {
            child.destroyForcibly()
            fail<Unit>("the JVM does not end")
        }
        assertEquals(code, child.exitValue())
        assertEquals("", lines.readText())
        client().use { assertEquals(1, it.recover().saved.size) }
        assertEquals(1, creates)
    }

    /** Flat but for what a JVM and an allocator do on their own: the frames alone, kept, would be 225 MiB. */
    @Test
    @EnabledOnOs(OS.LINUX)
    fun tenThousandCallsLeakNothing() = Bench.run {
        val options = listOf("-Xms32m", "-Xmx32m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        val child = jvm("dev.reelkin.tests.CallAndMeasure", sandbox.baseUrl, folder.toString(), "10000", options = options)
            .also { it.environment()["XAI_API_KEY"] = sandbox.apiKey }
            .redirectError(ProcessBuilder.Redirect.INHERIT).start()
        val grown = child.output().trim().toLong()
        println("10,000 calls: resident memory grew by $grown KiB")
        assertTrue(grown < 6 * 1024, "grew by $grown KiB")
    }
}
