package dev.reelkin

import java.time.Instant
import java.util.concurrent.CompletableFuture
import java.util.function.Consumer
import kotlinx.coroutines.CancellationException

/**
 * The functions of a [VideoClient] as futures, for Java.
 *
 * Canceling a future only ends the wait, like canceling a coroutine: the job continues at the service, is charged, and
 * [recover] saves its clip. A future fails with a [VideoError], which `join` and `get` wrap in an exception whose cause
 * it is. Functions that are chained to a future without an executor must not block.
 *
 * @property client the client that the calls go to.
 */
public class VideoClientFutures(public val client: VideoClient) : AutoCloseable {
    /** Generates a new clip. See [VideoClient.generate]. */
    public fun generate(request: GenerateRequest): CompletableFuture<Clip> = Futures.start { client.generate(request) }

    /**
     * Generates a new clip and reports events while it waits. Events come one at a time; the function must not block. If it
     * throws, it gets no more events, the future still has the clip, and the exception goes to the handler of uncaught
     * exceptions.
     */
    public fun generate(request: GenerateRequest, events: Consumer<JobEvent>): CompletableFuture<Clip> = Futures.start {
        val job = client.startGenerate(request)
        try {
            report(job, events)
            job.await()
        } catch (error: CancellationException) {
            job.stopWaiting()
            throw error
        }
    }

    private suspend fun report(job: JobHandle, events: Consumer<JobEvent>) = try {
        job.events().collect { events.accept(it) }
    } catch (error: CancellationException) {
        throw error
    } catch (error: VideoError) {
        throw error
    } catch (error: Exception) {
        // The clip is paid, so the caller gets it.
        val thread = Thread.currentThread()
        thread.uncaughtExceptionHandler.uncaughtException(thread, error)
    }

    /** Creates an edited copy of a clip. See [VideoClient.edit]. */
    public fun edit(request: EditRequest): CompletableFuture<Clip> = Futures.start { client.edit(request) }

    /** Extends a clip. See [VideoClient.extend]. */
    public fun extend(request: ExtendRequest): CompletableFuture<Clip> = Futures.start { client.extend(request) }

    /** Creates a clip that continues where another clip ends. See [VideoClient.continueFrom]. */
    public fun continueFrom(clip: Media, request: ContinueRequest): CompletableFuture<Clip> =
        Futures.start { client.continueFrom(clip, request) }

    /** Creates several clips in sequence. See [VideoClient.chain]. */
    public fun chain(request: ChainRequest): CompletableFuture<ChainOutcome> = Futures.start { client.chain(request) }

    /** Asks a language model to describe a clip. See [VideoClient.analyze]. */
    @JvmOverloads
    public fun analyze(clip: Media, options: AnalyzeOptions? = null): CompletableFuture<ClipNotes> =
        Futures.start { client.analyze(clip, options) }

    /** Decodes one frame of a clip in the library. See [VideoClient.frame]. */
    @JvmOverloads
    public fun frame(
        clip: Clip,
        position: FramePosition = FramePosition.Last,
        options: MediaOptions? = null,
    ): CompletableFuture<Frame> = Futures.start { client.frame(clip, position, options) }

    /** Decodes one frame of a clip in the library, given the clip's id, file name or path. */
    @JvmOverloads
    public fun frame(
        clip: String,
        position: FramePosition = FramePosition.Last,
        options: MediaOptions? = null,
    ): CompletableFuture<Frame> = Futures.start { client.frame(clip, position, options) }

    /** Checks a request as [generate] does, and estimates its cost. */
    public fun estimate(request: GenerateRequest): CompletableFuture<Estimate> = Futures.start { client.estimate(request) }

    /** Checks a request as [edit] does, and estimates its cost. */
    public fun estimate(request: EditRequest): CompletableFuture<Estimate> = Futures.start { client.estimate(request) }

    /** Checks a request as [extend] does, and estimates its cost. */
    public fun estimate(request: ExtendRequest): CompletableFuture<Estimate> = Futures.start { client.estimate(request) }

    /** Checks a request as [continueFrom] does, and estimates its cost. */
    public fun estimate(clip: Media, request: ContinueRequest): CompletableFuture<Estimate> =
        Futures.start { client.estimate(clip, request) }

    /** Checks a request as [chain] does, and estimates the cost of the clips that were not sent yet. */
    public fun estimate(request: ChainRequest): CompletableFuture<Estimate> = Futures.start { client.estimate(request) }

    /** Waits for the job with this id and saves its clip. The job may have been started by another process. */
    public fun resume(jobId: String): CompletableFuture<Clip> = Futures.start { client.job(jobId).await() }

    /** Finishes every interrupted job of the library. See [VideoClient.recover]. */
    public fun recover(): CompletableFuture<Recovered> = Futures.start { client.recover() }

    /** Returns what was spent on requests started at or after [from] and before [before]. A `null` bound is open. */
    @JvmOverloads
    public fun spent(from: Instant? = null, before: Instant? = null): CompletableFuture<Spent> =
        Futures.start { client.spent(from, before) }

    /** Lists the models that the key has access to. */
    public fun visibleModels(): CompletableFuture<List<VisibleModel>> = Futures.start { client.visibleModels() }

    /** The client's library. */
    public val library: LibraryFutures get() = LibraryFutures(client.library)

    /** Closes the client without blocking. See [VideoClient.shut]. */
    public fun shut(): CompletableFuture<Void?> = Futures.start {
        client.shut()
        null
    }

    /** Closes the client, and blocks while create requests are being sent, at most 10 s. */
    override fun close(): Unit = client.close()

    override fun toString(): String = "VideoClientFutures"

    public companion object {
        /** Returns a builder for a client that stores its clips in [library], a folder or `s3://bucket/prefix`. */
        @JvmStatic
        public fun builder(library: String): VideoClientBuilder = VideoClientBuilder(library)
    }
}
