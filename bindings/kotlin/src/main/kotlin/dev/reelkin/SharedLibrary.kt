package dev.reelkin

import com.sun.jna.Library.OPTION_CLASSLOADER
import com.sun.jna.NativeLibrary as JnaLibrary
import com.sun.jna.Platform
import java.io.IOException
import java.io.InputStream
import java.nio.channels.Channels
import java.nio.channels.FileChannel
import java.nio.file.Files
import java.nio.file.LinkOption.NOFOLLOW_LINKS
import java.nio.file.NoSuchFileException
import java.nio.file.Path
import java.nio.file.Paths
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardOpenOption.WRITE
import java.nio.file.attribute.FileTime
import java.nio.file.attribute.PosixFilePermissions
import java.time.Duration
import java.time.Instant
import java.util.Properties

/**
 * Finds the native library, and unpacks it from the jar on the first start of each version.
 *
 * JNA would unpack it at every start. The unpacked file is only used if nobody but this user and root can have written
 * it. If there is no such folder, JNA unpacks the library.
 */
internal object SharedLibrary {
    private const val NAME = "reelkin"
    private const val FOLDER_PROPERTY = "dev.reelkin.libraryFolder"
    private const val OTHERS_CAN_WRITE = 0x12 // 022
    private const val STICKY = 0x200 // 01000
    private val onlyOwner = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"))
    private val unusedFor = Duration.ofDays(30)

    /** Kept, because JNA closes a library that is garbage collected. */
    private var loaded: JnaLibrary? = null

    /** The name or path to register with JNA. */
    val name: String by lazy {
        try {
            path()?.toString()?.also { loaded = JnaLibrary.getInstance(it, mapOf(OPTION_CLASSLOADER to javaClass.classLoader)) }
        } catch (_: Exception) {
            // No permissions, no space, or a file system without Unix permissions.
            null
        } catch (_: UnsatisfiedLinkError) {
            // The folder is mounted with noexec, for example.
            null
        } ?: NAME
    }

    private fun path(): Path? {
        val file = System.mapLibraryName(NAME)
        // Android loads it from the APK, and JNA finds it in a folder that the program has set.
        if (!(Platform.isLinux() || Platform.isMac()) || Platform.isAndroid() || inSearchPath(file)) return null
        val resources = "/${Platform.RESOURCE_PREFIX}"
        val properties = Properties().apply { resource("$resources/$NAME.properties")?.use { load(it) } ?: return null }
        val folder = usableFolder() ?: return null
        val path = folder.resolve(file.replaceFirst(".", "-${properties.getProperty("sha256")}."))
        val size = properties.getProperty("size").toLong()
        if (isUsable(path, size)) markUsed(path) else unpack("$resources/$file", path)
        return path.takeIf { isUsable(it, size) }
    }

    private fun inSearchPath(file: String): Boolean = System.getProperty("jna.library.path").orEmpty()
        .split(java.io.File.pathSeparator).any { it.isNotEmpty() && Files.exists(Paths.get(it, file)) }

    private fun resource(name: String): InputStream? = javaClass.getResourceAsStream(name)

    /** Returns the folder of unpacked libraries, or `null` if there is none that only this user and root can write. */
    private fun usableFolder(): Path? {
        val folder = chosenFolder()?.takeIf { it.isAbsolute } ?: return null
        Files.createDirectories(folder, onlyOwner)
        // Whoever can write a parent can replace the folder, except if the parent is sticky like /tmp.
        val real = folder.toRealPath()
        val parents = generateSequence(real.parent) { it.parent }
        return real.takeIf { isProtected(it, sticky = false) && parents.all { parent -> isProtected(parent, sticky = true) } }
    }

    private fun chosenFolder(): Path? {
        System.getProperty(FOLDER_PROPERTY)?.let { return Paths.get(it) }
        val home = System.getProperty("user.home") ?: return null
        if (Platform.isMac()) return Paths.get(home, "Library", "Caches", NAME)
        val caches = System.getenv("XDG_CACHE_HOME")?.let { Paths.get(it) }?.takeIf { it.isAbsolute }
        return (caches ?: Paths.get(home, ".cache")).resolve(NAME)
    }

    private fun isProtected(path: Path, sticky: Boolean): Boolean {
        val attributes = Files.readAttributes(path, "unix:uid,mode", NOFOLLOW_LINKS)
        val mode = attributes.getValue("mode") as Int
        return attributes.getValue("uid") in trusted && (mode and OTHERS_CAN_WRITE == 0 || sticky && mode and STICKY != 0)
    }

    /** The ids of this user and of root. */
    private val trusted by lazy { setOf(0, JnaLibrary.getProcess().getFunction("geteuid").invokeInt(emptyArray())) }

    // The content is not hashed, which takes as long as unpacking it. A file with this name is complete, because it was
    // synchronized before it was renamed.
    private fun isUsable(path: Path, size: Long): Boolean = try {
        Files.isRegularFile(path, NOFOLLOW_LINKS) && Files.size(path) == size && isProtected(path, sticky = false)
    } catch (_: NoSuchFileException) {
        false
    }

    private fun unpack(resource: String, path: Path) {
        removeUnused(path.parent)
        val temporary = Files.createTempFile(path.parent, "lib$NAME-", ".tmp")
        try {
            FileChannel.open(temporary, WRITE).use { channel ->
                (resource(resource) ?: throw IOException("no $resource")).use { it.copyTo(Channels.newOutputStream(channel)) }
                channel.force(true)
            }
            Files.move(temporary, path, ATOMIC_MOVE)
        } finally {
            Files.deleteIfExists(temporary)
        }
    }

    /** Sets the time that [removeUnused] reads, at most once a day. */
    private fun markUsed(path: Path) = ignoringErrors {
        val now = Instant.now()
        if (Files.getLastModifiedTime(path).toInstant() < now.minus(Duration.ofDays(1))) {
            Files.setLastModifiedTime(path, FileTime.from(now))
        }
    }

    /** Removes libraries of other versions, and temporary files of processes that were killed. */
    private fun removeUnused(folder: Path) = ignoringErrors {
        val oldest = Instant.now().minus(unusedFor)
        Files.newDirectoryStream(folder, "lib$NAME-*").use { files ->
            files.filter { Files.getLastModifiedTime(it).toInstant() < oldest }.forEach(Files::deleteIfExists)
        }
    }

    private inline fun ignoringErrors(action: () -> Unit) = try {
        action()
    } catch (_: IOException) {
        // For example a read-only folder. The library is there, which is what counts.
    }
}
