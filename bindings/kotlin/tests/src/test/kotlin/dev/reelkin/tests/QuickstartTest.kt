package dev.reelkin.tests

import java.nio.file.Files
import kotlin.io.path.ExperimentalPathApi
import kotlin.io.path.deleteRecursively
import kotlin.io.path.exists
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** The code of docs/quickstart-kotlin.md, compiled as it is written there and run in a JVM of its own. */
class QuickstartTest {
    @OptIn(ExperimentalPathApi::class)
    @Test
    fun theTourRuns() {
        val folder = Files.createTempDirectory("reelkin-tour")
        val process = jvm("quickstart.QuickstartKt").directory(folder.toFile()).redirectErrorStream(true).start()
        val said = process.output()
        assertEquals(0, process.exitValue(), said)
        for (words in listOf("will cost $0.", "job ", "saved ", "flowchart", "invalid_request: ", "recovered 0 clips", "paid $0.")) {
            assertTrue(words in said, "no \"$words\" in:\n$said")
        }
        assertTrue(folder.resolve("last.png").exists())
        assertEquals(3, Files.list(folder.resolve("clips")).use { files -> files.filter { "$it".endsWith(".mp4") }.count() })
        folder.deleteRecursively()
    }
}
