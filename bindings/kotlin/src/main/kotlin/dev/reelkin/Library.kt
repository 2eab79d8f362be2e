package dev.reelkin

import java.math.BigDecimal
import java.nio.file.Path
import java.nio.file.Paths
import java.time.Instant
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/** A library of clips: what is in it, whether it is whole, what was paid. Nothing here costs anything. */
public class Library internal constructor(private val native: NativeLibrary) {
    /** The folder, if the library is one. */
    public val folder: Path? get() = native.folder()?.let { Paths.get(it) }

    /**
     * A clip by its id, its file name, or the path of its file.
     *
     * @throws VideoError.NotFound when there is none.
     */
    public suspend fun clip(name: String): Clip = native.clip(name)

    /**
     * A page of clips, newest first.
     *
     * @param before where the page begins: [Page.next] of the page before.
     */
    public suspend fun list(limit: Int = 100, before: String? = null): Page {
        if (limit < 1) throw VideoError.invalidRequest("list clips: a page of $limit is none")
        return native.list(limit.toUInt(), before)
    }

    /** All clips, newest first, read page by page while they are collected. */
    public fun clips(): Flow<PageEntry> = flow {
        var before: String? = null
        do {
            val page = list(before = before)
            page.clips.forEach { emit(it) }
            before = page.next
        } while (before != null)
    }

    /** The family of a clip. */
    public suspend fun family(clip: Clip): Family = family(clip.id)

    /** The family of a clip, by its id, its file name, or the path of its file. */
    public suspend fun family(clip: String): Family = Family(native.family(clip))

    /** Holds every clip's bytes against what is on record. Reads all of them. */
    public suspend fun verify(): List<Verdict> = native.verify()

    /** The same for the clips of a family. */
    public suspend fun verify(family: Family): List<Verdict> = native.verifyFamily(family.native)

    /**
     * The bytes of a clip.
     *
     * @param limit the most bytes that may be read.
     * @throws VideoError when the clip is larger.
     */
    public suspend fun read(clip: Clip, limit: Long = 64L shl 20): ByteArray {
        if (limit < 0) throw VideoError.invalidRequest("read a clip: a limit of $limit bytes is none")
        return native.read(clip.id, limit.toULong())
    }

    /** Paid requests that are open, oldest first. */
    public suspend fun jobs(): List<JobRecord> = native.jobs()

    /** Records that cannot be taken up, and why. */
    public suspend fun stuckJobs(): List<StuckJob> = native.stuckJobs()

    /** Bytes that were paid for and failed verification, kept until they are accepted, discarded or replaced. */
    public suspend fun quarantined(): List<QuarantinedClip> = native.quarantined()

    /** Removes what is in quarantine of a record, and says whether there was anything. The record stays as it is. */
    public suspend fun discardQuarantined(record: String): Boolean = native.discardQuarantined(record)

    /** The record of a paid request by its id, open or settled. */
    public suspend fun jobRecord(id: String): JobRecord = native.jobRecord(id)

    /** Marks what became of a paid request that is open, as a person knows from the account page. */
    public suspend fun settle(id: String, settlement: Settlement): JobRecord = native.settle(id, settlement)

    /** What was spent on requests that were begun in a time; without ends, on all. */
    public suspend fun spent(from: Instant? = null, before: Instant? = null): Spent =
        native.spent(from?.millis(), (before ?: LAST).millis())

    override fun toString(): String = "Library(${folder ?: "in a bucket"})"

    public companion object {
        /** Opens a folder as a library, and makes it if it is missing. */
        public fun open(folder: Path): Library = Library(NativeLibrary.open(folder.toString()))

        /**
         * Opens a folder that exists, to read it.
         *
         * @throws VideoError when it does not exist.
         */
        public fun openToRead(folder: Path): Library = Library(NativeLibrary.openToRead(folder.toString()))
    }
}

/** What the ledger says in all: paid, and expected where the service named no amount. */
public val Spent.total: BigDecimal get() = paid + estimated + reserved

private val LAST: Instant = Instant.parse("9999-12-31T23:59:59.999Z")

private fun Instant.millis(): ULong {
    if (this < Instant.EPOCH || this > LAST) {
        throw VideoError.invalidRequest("look at what was spent from or before $this: it is not from 1970 to 9999")
    }
    return toEpochMilli().toULong()
}
