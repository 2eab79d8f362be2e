package dev.reelkin.tests

import dev.reelkin.*
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.attribute.FileTime
import java.nio.file.attribute.PosixFilePermissions
import java.time.Duration
import java.time.Instant
import kotlin.io.path.createDirectory
import kotlin.io.path.createFile
import kotlin.io.path.exists
import kotlin.io.path.fileSize
import kotlin.io.path.getAttribute
import kotlin.io.path.getPosixFilePermissions
import kotlin.io.path.listDirectoryEntries
import kotlin.io.path.name
import kotlin.io.path.readBytes
import kotlin.io.path.readLines
import kotlin.io.path.setLastModifiedTime
import kotlin.io.path.setPosixFilePermissions
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledOnOs
import org.junit.jupiter.api.condition.OS
import org.junit.jupiter.api.io.TempDir

/** Makes one call and prints which file the native library was loaded from. */
object PrintLibrary {
    @JvmStatic
    fun main(arguments: Array<String>) {
        version()
        println(Path.of("/proc/self/maps").readLines().map { "/" + it.substringAfter('/') }.distinct().filter { "libreelkin" in it })
    }
}

/** The native library is unpacked once per user, to a folder that nobody else can write. */
@EnabledOnOs(OS.LINUX)
class SharedLibraryTest {
    @TempDir
    lateinit var parent: Path

    private val folder get() = parent.resolve("libraries")
    private val files get() = folder.listDirectoryEntries()

    /** Starts a JVM and returns the files that it loaded. */
    private fun start(vararg options: String = arrayOf("-Ddev.reelkin.libraryFolder=$folder"), caches: Path? = null): String {
        val child = jvm("dev.reelkin.tests.PrintLibrary", options = listOf(*options))
        caches?.let { child.environment()["XDG_CACHE_HOME"] = "$it" } ?: child.environment().remove("XDG_CACHE_HOME")
        return child.redirectError(ProcessBuilder.Redirect.INHERIT).start().output()
    }

    private fun Path.mode(text: String) = setPosixFilePermissions(PosixFilePermissions.fromString(text))

    @Test
    fun theSecondStartDoesNotUnpack() {
        val first = start()
        val file = files.single()
        assertTrue("$file" in first, first)
        assertEquals("rwx------", PosixFilePermissions.toString(folder.getPosixFilePermissions()))
        assertTrue(sha256(file.readBytes()) in file.name)
        val written = file.getAttribute("unix:ino") to file.getAttribute("lastModifiedTime")
        assertTrue("$file" in start())
        assertEquals(listOf(file), files)
        assertEquals(written, file.getAttribute("unix:ino") to file.getAttribute("lastModifiedTime"))
    }

    @Test
    fun aTruncatedFileIsReplaced() {
        start()
        val file = files.single()
        val size = file.fileSize()
        Files.newByteChannel(file, java.nio.file.StandardOpenOption.WRITE).use { it.truncate(size / 2) }
        assertTrue("$file" in start())
        assertEquals(size, file.fileSize())
        assertEquals(listOf(file), files)
    }

    @Test
    fun aFileThatOthersCanWriteIsReplaced() {
        start()
        val file = files.single()
        val before = file.getAttribute("unix:ino")
        // Keeps the number of the old file in use.
        Files.createLink(parent.resolve("old"), file)
        file.mode("rw-rw-rw-")
        assertTrue("$file" in start())
        assertFalse(before == file.getAttribute("unix:ino"))
    }

    @Test
    fun aFolderThatOthersCanWriteIsNotUsed() {
        for (mode in listOf("rwxrwx---", "rwx----w-")) {
            parent.resolve("libraries-$mode").createDirectory().run {
                mode(mode)
                val loaded = start("-Ddev.reelkin.libraryFolder=$this")
                assertFalse("libreelkin" in loaded, loaded)
                assertEquals(emptyList<Path>(), listDirectoryEntries())
            }
        }
    }

    @Test
    fun aFolderInAFolderThatOthersCanWriteIsNotUsed() {
        val shared = parent.resolve("shared").createDirectory()
        shared.mode("rwxrwxrwx")
        val loaded = start("-Ddev.reelkin.libraryFolder=${shared.resolve("libraries")}")
        assertFalse("libreelkin" in loaded, loaded)
    }

    @Test
    fun aFolderOfSomebodyElseIsNotUsed() {
        folder.createDirectory()
        // Only root can give a folder away.
        if (runCatching { Files.setAttribute(folder, "unix:uid", 65534) }.isFailure) return
        val loaded = start()
        assertFalse("libreelkin" in loaded, loaded)
        assertEquals(emptyList<Path>(), files)
    }

    @Test
    fun aFolderThatCannotBeCreatedIsNotUsed() {
        val file = parent.resolve("file").createFile()
        for (place in listOf("$file/libraries", "relative", "\u0001", "")) {
            val loaded = start("-Ddev.reelkin.libraryFolder=$place")
            assertFalse("libreelkin" in loaded, loaded)
        }
    }

    @Test
    fun theCacheFolderOfTheUserIsTheDefault() {
        val home = parent.resolve("home")
        assertTrue("$home/.cache/reelkin/libreelkin-" in start("-Duser.home=$home"))
        val caches = parent.resolve("caches")
        assertTrue("$caches/reelkin/libreelkin-" in start("-Duser.home=$home", caches = caches))
    }

    @Test
    fun unusedVersionsAreRemoved() {
        folder.createDirectory().mode("rwx------")
        val old = folder.resolve("libreelkin-1.so").createFile()
        old.setLastModifiedTime(FileTime.from(Instant.now() - Duration.ofDays(31)))
        val recent = folder.resolve("libreelkin-2.so").createFile()
        start()
        assertFalse(old.exists())
        assertTrue(recent.exists())
        // The time of the last use, rounded to a day, is what counts.
        val used = files.single { it != recent }
        used.setLastModifiedTime(FileTime.from(Instant.now() - Duration.ofDays(31)))
        start()
        assertTrue(Duration.between(Files.getLastModifiedTime(used).toInstant(), Instant.now()) < Duration.ofHours(1))
    }
}
