package dev.reelkin

import java.time.Instant
import kotlin.time.Duration
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext

/**
 * Creates clips and stores them in a library. It is safe to use from any number of coroutines and threads.
 *
 * **Cancellation.** [generate], [edit], [extend], [continueFrom], [chain] and [recover] wait for their jobs. If the
 * coroutine is cancelled, they stop waiting. The job continues at the service, which cannot cancel it, and is charged.
 * It stays in the library's journal until [recover] saves its clip. The `start…` functions return a handle that only
 * observes the job.
 *
 * **Cost.** A paid request is sent only once. [estimate] returns its cost in advance; the clip's record and [spent]
 * state the actual cost.
 *
 * **Errors.** All errors are [VideoError]s.
 *
 * @param library the folder that stores the clips, created if it does not exist, or `s3://bucket/prefix` if the build
 *   supports it.
 * @param apiKey the API key. Defaults to the environment variable `XAI_API_KEY`.
 * @param baseUrl the base URL of another server that speaks the service's protocol, such as [Sandbox.baseUrl].
 * @param budget the spending limits.
 * @param defaults the values for request parameters that are not set: [defaultRequestValues], changed with `copy`.
 * @param validation what to do with a request that violates the model table. Strict by default.
 * @param poll how jobs are polled: [defaultPollPolicy], changed with `copy`.
 * @param download the limits of downloads: [defaultDownloadPolicy].
 * @param rateLimit the maximum request rate: [defaultRateLimit].
 * @param timeouts the timeouts of single requests to the service: [defaultTimeouts].
 * @param planner how and when prompts are planned: [defaultPlannerSettings].
 * @param models a custom model table as TOML text.
 * @param proxy the http or https proxy for calls of the API and downloads, such as `http://user:password@10.0.0.5:3128`.
 *   Defaults to the environment variable `HTTPS_PROXY` or `ALL_PROXY`. Requests to this machine never use it.
 * @param noProxy the targets that are reached without the proxy, separated by commas: hosts, addresses and networks.
 *   Defaults to the environment variable `NO_PROXY`.
 * @param rootCertificates certificate authorities to trust besides those of the system, as PEM text. On Android, besides
 *   those of Mozilla, which are built in: the certificates that a user or a company installed have to be passed here.
 * @param token supplies tokens instead of a key, for example from your own server. A token with
 *   [AccessToken.expiresIn] is cached and replaced before it expires; any other is used for one request. The function
 *   runs on [kotlinx.coroutines.Dispatchers.IO] and is cancelled after [Timeouts.token]. If it throws, the call fails
 *   with [VideoError.Auth] and nothing is sent.
 * @throws VideoError.Config if there is no key, both a key and [token] are given, or the base URL would leak
 *   the key, or the proxy or a certificate is not valid.
 * @throws VideoError.Library if the folder cannot be created or written.
 * @throws VideoError.InvalidRequest if no call could use the settings.
 */
public class VideoClient(
    library: String,
    apiKey: String? = null,
    baseUrl: String? = null,
    budget: Budget? = null,
    defaults: Defaults? = null,
    validation: Validation? = null,
    poll: PollPolicy? = null,
    download: DownloadPolicy? = null,
    rateLimit: RateLimit? = null,
    timeouts: Timeouts? = null,
    planner: PlannerSettings? = null,
    models: String? = null,
    proxy: String? = null,
    noProxy: String? = null,
    rootCertificates: String? = null,
    token: (suspend () -> AccessToken)? = null,
) : AutoCloseable {
    private val native = run {
        ShutdownHook.register()
        NativeClient(
            ClientOptions(
                library, apiKey, baseUrl, budget, defaults, validation, poll, download, rateLimit, timeouts, planner, models,
                proxy, noProxy, rootCertificates,
            ),
            token?.let(::TokenProvider),
        )
    }

    /** The client's library. */
    public val library: Library get() = Library(native.library())

    /** The model table that requests are checked against. */
    public val models: ModelTable get() = native.models()

    /** The scheme, host and port of the service. */
    public val service: String get() = native.service()

    /**
     * Generates a new clip: checks and submits the request, then waits for the clip, downloads, verifies and saves it.
     *
     * The cost is what [estimate] returns. The client's defaults apply to parameters that are `null`. If the coroutine
     * is cancelled, the call stops waiting and [recover] saves the clip.
     *
     * @param prompt what the clip shows. Optional if there are images.
     * @param mode the input besides the prompt: none, a start image, references, or pinned frames.
     * @param duration the length of the clip in whole seconds.
     * @param resolution `480p`, `720p` or `1080p`.
     * @param aspectRatio `16:9`, `9:16`, …
     * @param audio whether the clip has sound. A silent clip costs the same.
     * @param model the model to use.
     * @param voices voices for speech. `<AUDIO_0>` in the prompt refers to the first.
     * @param plan whether a language model rewrites the prompt first.
     * @param topic the series that the clip belongs to.
     * @param user the id of your end user, for the service's abuse monitoring.
     * @param storage also stores the clip in the service's Files API.
     * @param output where the service uploads the clip instead of its own CDN.
     */
    public suspend fun generate(
        prompt: String? = null,
        mode: GenerateMode = GenerateMode.Text,
        duration: Duration? = null,
        resolution: String? = null,
        aspectRatio: String? = null,
        audio: Boolean? = null,
        model: String? = null,
        voices: List<String> = emptyList(),
        plan: PlanChoice = PlanChoice.Default,
        topic: String? = null,
        user: String? = null,
        storage: StorageOptions? = null,
        output: UploadTarget? = null,
    ): Clip = generate(
        GenerateRequest(
            prompt, mode, voices, model, duration, resolution, aspectRatio, audio, user, storage, output, plan, topic,
        ),
    )

    /** Generates a new clip. */
    public suspend fun generate(request: GenerateRequest): Clip = native.generate(request)

    /** Starts generating a new clip. Returns once the job has an id. */
    public suspend fun startGenerate(request: GenerateRequest): JobHandle = JobHandle(native.startGenerate(request))

    /**
     * Creates an edited copy of a clip, with the same duration, aspect ratio and resolution (at most 720p).
     *
     * If the coroutine is cancelled, the call stops waiting and [recover] saves the clip.
     *
     * @param video the clip to edit, at most 8.7 s long.
     * @param prompt what to change.
     * @param transport how a local clip is sent to the service.
     */
    public suspend fun edit(
        video: Media,
        prompt: String,
        model: String? = null,
        transport: TransportChoice = TransportChoice.AUTO,
        plan: PlanChoice = PlanChoice.Default,
        user: String? = null,
        storage: StorageOptions? = null,
        output: UploadTarget? = null,
    ): Clip = edit(EditRequest(video.encoded(), prompt, model, transport, plan, user, storage, output))

    /** Creates an edited copy of a clip. */
    public suspend fun edit(request: EditRequest): Clip = native.edit(request)

    /** Starts creating an edited copy of a clip. Returns once the job has an id. */
    public suspend fun startEdit(request: EditRequest): JobHandle = JobHandle(native.startEdit(request))

    /**
     * Extends a clip. The new clip holds the original and the added seconds.
     *
     * If the coroutine is cancelled, the call stops waiting and [recover] saves the clip.
     *
     * @param video the clip to extend, 2 to 15 s long.
     * @param prompt what happens in the added seconds.
     * @param duration the length to add, 2 to 10 s. Defaults to 6 s.
     */
    public suspend fun extend(
        video: Media,
        prompt: String,
        duration: Duration? = null,
        model: String? = null,
        transport: TransportChoice = TransportChoice.AUTO,
        plan: PlanChoice = PlanChoice.Default,
        storage: StorageOptions? = null,
        output: UploadTarget? = null,
    ): Clip = extend(ExtendRequest(video.encoded(), prompt, model, duration, transport, plan, storage, output))

    /** Extends a clip. The new clip holds the original and the added seconds. */
    public suspend fun extend(request: ExtendRequest): Clip = native.extend(request)

    /** Starts extending a clip. Returns once the job has an id. */
    public suspend fun startExtend(request: ExtendRequest): JobHandle = JobHandle(native.startExtend(request))

    /**
     * Creates a clip that continues where another clip ends.
     *
     * Defaults to 5 s, `720p` and sound. A language model plans the prompt, which costs a little more; with
     * `plan = PlanChoice.Off`, the prompt is sent unchanged. If the coroutine is cancelled, the call stops waiting and
     * [recover] saves the clip.
     *
     * @param clip the clip to continue.
     * @param prompt what happens next.
     * @param strategy whether to start from the last frame, to use the service's extension, or to choose automatically.
     * @param frame which of the last frames the new clip starts from.
     */
    public suspend fun continueFrom(
        clip: Media,
        prompt: String? = null,
        strategy: ContinueStrategy = ContinueStrategy.LAST_FRAME,
        frame: FrameChoice = FrameChoice.Last,
        duration: Duration? = null,
        resolution: String? = null,
        aspectRatio: String? = null,
        audio: Boolean? = null,
        model: String? = null,
        plan: PlanChoice = PlanChoice.Default,
        user: String? = null,
        storage: StorageOptions? = null,
    ): Clip = continueFrom(
        clip,
        ContinueRequest(
            prompt, strategy, frame, model, duration, resolution, aspectRatio, audio, user, storage, plan,
        ),
    )

    /** Creates a clip that continues where another clip ends. */
    public suspend fun continueFrom(clip: Media, request: ContinueRequest): Clip =
        native.continueFrom(clip.encoded(), request)

    /** Starts creating a clip that continues where another clip ends. Returns once the job has an id. */
    public suspend fun startContinueFrom(clip: Media, request: ContinueRequest): JobHandle =
        JobHandle(native.startContinueFrom(clip.encoded(), request))

    /**
     * Creates several clips in sequence under one budget. Each continues where the previous one ends.
     *
     * Sending the same request again resumes the chain at the first missing clip. If the coroutine is cancelled, the
     * call stops waiting and keeps what was created.
     */
    public suspend fun chain(request: ChainRequest): ChainOutcome = native.chain(request)

    /** Starts creating several clips in sequence. */
    public suspend fun startChain(request: ChainRequest): ChainHandle = ChainHandle(native.startChain(request))

    /**
     * Asks a language model to describe a clip, which is a paid call. The result includes its cost.
     *
     * If the coroutine is cancelled, the answer is lost.
     *
     * @param options [defaultAnalyzeOptions], changed with `copy`.
     */
    public suspend fun analyze(clip: Media, options: AnalyzeOptions? = null): ClipNotes =
        native.analyze(clip.encoded(), options ?: defaultAnalyzeOptions())

    /**
     * Decodes one frame of a clip in the library, exactly as a player would show it. Free of charge.
     *
     * Cancelling the coroutine interrupts the decoder.
     *
     * @throws VideoError.Media if the clip cannot be decoded or has no frame at that position.
     */
    public suspend fun frame(
        clip: Clip,
        position: FramePosition = FramePosition.Last,
        options: MediaOptions? = null,
    ): Frame = frame(clip.id, position, options)

    /** Decodes one frame of a clip in the library, given the clip's id, file name or path. */
    public suspend fun frame(
        clip: String,
        position: FramePosition = FramePosition.Last,
        options: MediaOptions? = null,
    ): Frame = Frame(native.frame(clip, position, options))

    /** Checks a request as [generate] does, and estimates its cost. Sends nothing and is free of charge. */
    public suspend fun estimate(request: GenerateRequest): Estimate = native.estimate(VideoRequest.Generate(request))

    /**
     * Checks a request as [edit] does, measures its clip, and estimates the cost. Sends nothing and is free of charge.
     *
     * The cost is `null` for a clip that is given by a URL or an id of the Files API.
     */
    public suspend fun estimate(request: EditRequest): Estimate = native.estimate(VideoRequest.Edit(request))

    /** Checks a request as [extend] does, measures its clip, and estimates the cost. */
    public suspend fun estimate(request: ExtendRequest): Estimate = native.estimate(VideoRequest.Extend(request))

    /** Checks a request as [continueFrom] does, measures its clip, and estimates the cost. */
    public suspend fun estimate(clip: Media, request: ContinueRequest): Estimate =
        native.estimate(VideoRequest.Continue(clip.encoded(), request))

    /** Checks a request as [chain] does, and estimates the cost of the clips that were not sent yet. */
    public suspend fun estimate(request: ChainRequest): Estimate = native.estimate(VideoRequest.Chain(request))

    /** Returns a handle for the job with this id, which may have been started by another process. Free of charge. */
    public suspend fun job(id: String): JobHandle = JobHandle(native.job(id))

    /**
     * Finishes every interrupted job of the library: waits for it, then downloads, verifies and saves its clip.
     *
     * Free of charge. If the coroutine is cancelled, the next recovery continues.
     */
    public suspend fun recover(): Recovered = native.recover()

    /** Starts a recovery. */
    public suspend fun startRecover(): RecoveryHandle = RecoveryHandle(native.startRecover())

    /** Returns what was spent on requests started at or after [from] and before [before]. A `null` bound is open. */
    public suspend fun spent(from: Instant? = null, before: Instant? = null): Spent = library.spent(from, before)

    /** Lists the models that the key has access to. */
    public suspend fun visibleModels(): List<VisibleModel> = native.visibleModels()

    /**
     * Closes the client. It stops waiting for its jobs, and later calls throw [VideoError.Config].
     *
     * The jobs continue at the service and stay in the journal. Create requests that are being sent are waited for, at
     * most 10 s. Closing again does nothing. The call finishes also if the coroutine is cancelled, so it can be in a
     * `finally` block.
     */
    public suspend fun shut(): Unit = withContext(NonCancellable) { native.shut() }

    /** Closes the client like [shut], but blocks the thread. For `use {}`. */
    override fun close(): Unit = runBlocking { shut() }

    override fun toString(): String = "VideoClient"
}
