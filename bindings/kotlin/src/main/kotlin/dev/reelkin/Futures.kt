package dev.reelkin

import java.time.Duration
import java.util.concurrent.CompletableFuture
import kotlin.time.toKotlinDuration
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.future.future

/** The functions of this package that need no client, for Java. [VideoClientFutures] describes the futures. */
public object Futures {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    internal fun <T> start(call: suspend () -> T): CompletableFuture<T> = scope.future { call() }

    /** Starts a sandbox. See [Sandbox.start]. */
    @JvmStatic
    @JvmOverloads
    public fun startSandbox(
        minJobDuration: Duration? = null,
        faults: List<String> = emptyList(),
    ): CompletableFuture<Sandbox> = start { Sandbox.start(minJobDuration = minJobDuration?.toKotlinDuration(), faults = faults) }

    /** Reads the properties of a clip or an image. See [dev.reelkin.probe]. */
    @JvmStatic
    @JvmOverloads
    public fun probe(source: MediaInput, options: MediaOptions? = null): CompletableFuture<Probe> =
        start { dev.reelkin.probe(source, options) }

    /** Decodes one frame of a file or of bytes. See [dev.reelkin.frame]. */
    @JvmStatic
    @JvmOverloads
    public fun frame(
        source: MediaInput,
        position: FramePosition = FramePosition.Last,
        options: MediaOptions? = null,
    ): CompletableFuture<Frame> = start { dev.reelkin.frame(source, position, options) }

    /** Decodes several frames of a file or of bytes in one pass. See [dev.reelkin.frames]. */
    @JvmStatic
    @JvmOverloads
    public fun frames(
        source: MediaInput,
        positions: List<FramePosition>,
        options: MediaOptions? = null,
    ): CompletableFuture<List<Frame>> = start { dev.reelkin.frames(source, positions, options) }

    /** Returns the position of the frame that a player shows at a time. */
    @JvmStatic
    public fun frameAt(time: Duration): FramePosition = FramePosition.At(time.toKotlinDuration())

    /** Returns the position of the frame with this index in presentation order, from 0. */
    @JvmStatic
    public fun frameNumber(number: Long): FramePosition = FramePosition.Number(number.unsigned())
}

/** The most used functions of a [Library] as futures, for Java. [VideoClientFutures] describes the futures. */
public class LibraryFutures(
    /** The library that the calls go to. */
    public val library: Library,
) {
    /** Finds a clip by its id, file name or path. */
    public fun clip(name: String): CompletableFuture<Clip> = Futures.start { library.clip(name) }

    /** Lists a page of clips, newest first. See [Library.list]. */
    @JvmOverloads
    public fun list(limit: Int = 100, before: String? = null): CompletableFuture<Page> =
        Futures.start { library.list(limit, before) }

    /** Returns the family of a clip. */
    public fun family(clip: Clip): CompletableFuture<Family> = Futures.start { library.family(clip) }

    /** Verifies every clip against its recorded hash. Reads all clips. */
    public fun verify(): CompletableFuture<List<Verdict>> = Futures.start { library.verify() }

    /** Reads the bytes of a clip. See [Library.read]. */
    @JvmOverloads
    public fun read(clip: Clip, limit: Long = 64L shl 20): CompletableFuture<ByteArray> =
        Futures.start { library.read(clip, limit) }

    /** Lists the open paid requests, oldest first. */
    public fun jobs(): CompletableFuture<List<JobRecord>> = Futures.start { library.jobs() }

    /** Settles an open paid request by hand. See [Library.settle]. */
    public fun settle(id: String, settlement: Settlement): CompletableFuture<JobRecord> =
        Futures.start { library.settle(id, settlement) }

    override fun toString(): String = library.toString()
}
