package dev.reelkin.tests

import dev.reelkin.*
import java.io.File
import java.io.PrintStream
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** The log of programs with and without SLF4J, in other JVMs. */
class LoggingTest {
    @Test
    fun jobsAndRepliesAreLogged() = Studio.run {
        val printed = run("-Dorg.slf4j.simpleLogger.defaultLogLevel=debug")
        for (part in listOf("INFO reelkin - submitted", "INFO reelkin - saved", "DEBUG reelkin.http - reply")) {
            assertTrue(part in printed, printed)
        }
        for (secret in listOf("a secret street", sandbox.apiKey, "?")) assertFalse(secret in printed, printed)
    }

    @Test
    fun loggersHaveTheirOwnLevels() = Studio.run {
        val printed = run(
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-Dorg.slf4j.simpleLogger.log.reelkin.http=debug",
        )
        assertTrue("DEBUG reelkin.http - reply" in printed, printed)
        assertFalse("reelkin - submitted" in printed, printed)
    }

    @Test
    fun nothingIsLoggedWithoutSlf4j() = Studio.run {
        assertEquals("", run { it.filterNot { jar -> "slf4j" in jar } })
    }

    @Test
    fun anAppenderThatFailsLosesOnlyItsRecord() = Studio.run {
        val printed = run("-Dorg.slf4j.simpleLogger.defaultLogLevel=info", main = "dev.reelkin.tests.FailToLog")
        assertFalse("submitted" in printed, printed)
        assertTrue("INFO reelkin - saved" in printed, printed)
    }

    /** Makes a clip in another JVM and returns what it prints. */
    private fun Studio.run(
        vararg options: String,
        main: String = "dev.reelkin.tests.MakeAClip",
        classPath: (List<String>) -> List<String> = { it },
    ): String {
        val builder = jvm(main, sandbox.baseUrl, folder.toString(), options = options.toList())
        val command = builder.command()
        val index = command.indexOf("-cp") + 1
        command[index] = classPath(command[index].split(File.pathSeparator)).joinToString(File.pathSeparator)
        builder.environment()["XAI_API_KEY"] = sandbox.apiKey
        return builder.redirectErrorStream(true).start().output()
    }
}

/** Makes a clip. */
object MakeAClip {
    @JvmStatic
    fun main(arguments: Array<String>): Unit = runBlocking {
        VideoClient(arguments[1], baseUrl = arguments[0], poll = Studio.quick).use {
            it.generate("a secret street", duration = 1.seconds)
        }
    }
}

/** Makes a clip while the first record cannot be printed. */
object FailToLog {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val target = System.err
        System.setErr(object : PrintStream(target) {
            override fun println(text: String?) {
                check(text == null || "submitted" !in text) { "no space left on device" }
                target.println(text)
            }
        })
        MakeAClip.main(arguments)
    }
}
