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
    @Test
    fun quickStartRuns() = run("quickstart.QuickstartKt", 3,
        "will cost $0.", "job ", "saved ", "flowchart", "invalid_request: ", "recovered 0 clips", "paid $0.")

    @Test
    fun javaQuickStartRuns() = run("quickstart.JavaQuickstart", 2,
        "will cost $0.", "saved ", "continued as ", "invalid_request: ")

    @OptIn(ExperimentalPathApi::class)
    private fun run(program: String, clips: Int, vararg printed: String) {
        val folder = Files.createTempDirectory("reelkin-quickstart")
        val process = jvm(program).directory(folder.toFile()).redirectErrorStream(true).start()
        val output = process.output()
        assertEquals(0, process.exitValue(), output)
        for (words in printed) {
            assertTrue(words in output, "no \"$words\" in:\n$output")
        }
        assertTrue(folder.resolve("last.png").exists())
        assertEquals(clips.toLong(), Files.list(folder.resolve("clips")).use { files -> files.filter { "$it".endsWith(".mp4") }.count() })
        folder.deleteRecursively()
    }
}
