package dev.reelkin.tests

import java.nio.file.Files
import kotlin.io.path.ExperimentalPathApi
import kotlin.io.path.deleteRecursively
import kotlin.io.path.exists
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Runs the code of docs/src/guide/kotlin.md in another JVM. */
class QuickstartTest {
    @OptIn(ExperimentalPathApi::class)
    @Test
    fun quickStartRuns() {
        val folder = Files.createTempDirectory("reelkin-quickstart")
        val process = jvm("quickstart.QuickstartKt").directory(folder.toFile()).redirectErrorStream(true).start()
        val output = process.output()
        assertEquals(0, process.exitValue(), output)
        for (words in listOf("will cost $0.", "job ", "saved ", "flowchart", "invalid_request: ", "recovered 0 clips", "paid $0.")) {
            assertTrue(words in output, "no \"$words\" in:\n$output")
        }
        assertTrue(folder.resolve("last.png").exists())
        assertEquals(3, Files.list(folder.resolve("clips")).use { files -> files.filter { "$it".endsWith(".mp4") }.count() })
        folder.deleteRecursively()
    }
}
