package dev.reelkin

import java.math.BigDecimal
import java.nio.file.Path
import java.nio.file.Paths
import java.time.Instant
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/** A library of clips: its content, its integrity, and its ledger. All calls are free of charge. */
public class Library internal constructor(private val native: NativeLibrary) {
    /** The folder of the library, or `null` if it is stored in a bucket. */
    public val folder: Path? get() = native.folder()?.let { Paths.get(it) }

    /**
     * Finds a clip by its id, file name or path.
     *
     * @throws VideoError.NotFound if there is no such clip.
     */
    public suspend fun clip(name: String): Clip = native.clip(name)

    /**
     * Lists a page of clips, newest first.
     *
     * @param before where the page starts: [Page.next] of the previous page.
     */
    public suspend fun list(limit: Int = 100, before: String? = null): Page {
        if (limit < 1) throw VideoError.invalidRequest("list clips: limit must be positive, not $limit")
        return native.list(limit.toUInt(), before)
    }

    /** Returns a cold flow of all clips, newest first. Pages are read while it is collected. */
    public fun clips(): Flow<PageEntry> = flow {
        var before: String? = null
        do {
            val page = list(before = before)
            page.clips.forEach { emit(it) }
            before = page.next
        } while (before != null)
    }

    /** Returns the family of a clip. */
    public suspend fun family(clip: Clip): Family = family(clip.id)

    /** Returns the family of a clip, given its id, file name or path. */
    public suspend fun family(clip: String): Family = Family(native.family(clip))

    /** Verifies every clip against its recorded hash. Reads all clips. */
    public suspend fun verify(): List<Verdict> = native.verify()

    /** Verifies the clips of a family against their recorded hashes. */
    public suspend fun verify(family: Family): List<Verdict> = native.verifyFamily(family.native)

    /**
     * Reads the bytes of a clip.
     *
     * @param limit maximum number of bytes.
     * @throws VideoError.InvalidRequest if the clip is larger.
     */
    public suspend fun read(clip: Clip, limit: Long = 64L shl 20): ByteArray {
        if (limit < 0) throw VideoError.invalidRequest("read a clip: limit must not be negative, but is $limit")
        return native.read(clip.id, limit.toULong())
    }

    /** Lists the open paid requests, oldest first. */
    public suspend fun jobs(): List<JobRecord> = native.jobs()

    /** Lists the records that a recovery cannot process. */
    public suspend fun stuckJobs(): List<StuckJob> = native.stuckJobs()

    /** Lists downloads that failed verification, kept until they are accepted, discarded or replaced. */
    public suspend fun quarantined(): List<QuarantinedClip> = native.quarantined()

    /** Deletes the quarantined download of a record. Returns `true` if there was one. The record stays unchanged. */
    public suspend fun discardQuarantined(recordId: String): Boolean = native.discardQuarantined(recordId)

    /** Returns the record of a paid request, open or settled, by the record's id. */
    public suspend fun jobRecord(id: String): JobRecord = native.jobRecord(id)

    /** Settles an open paid request by hand, with what the account page shows about it. */
    public suspend fun settle(id: String, settlement: Settlement): JobRecord = native.settle(id, settlement)

    /** Returns what was spent on requests started at or after [from] and before [before]. A `null` bound is open. */
    public suspend fun spent(from: Instant? = null, before: Instant? = null): Spent =
        native.spent(from, before)

    override fun toString(): String = "Library(${folder ?: "in a bucket"})"

    public companion object {
        /** Opens a folder as a library. Creates the folder if it does not exist. */
        @JvmStatic
        public fun open(folder: Path): Library = Library(NativeLibrary.open(folder.toString()))

        /**
         * Opens an existing folder for reading.
         *
         * @throws VideoError if the folder does not exist.
         */
        @JvmStatic
        public fun openToRead(folder: Path): Library = Library(NativeLibrary.openToRead(folder.toString()))
    }
}

/** The total of what was paid, estimated and reserved. */
public val Spent.total: BigDecimal get() = paid + estimated + reserved
