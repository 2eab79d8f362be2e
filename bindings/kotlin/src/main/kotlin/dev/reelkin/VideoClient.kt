package dev.reelkin

import java.time.Instant
import kotlin.time.Duration
import kotlinx.coroutines.runBlocking

/**
 * Makes clips and keeps them in a library. Safe to use from any number of coroutines and threads.
 *
 * **Cancellation.** [generate], [edit], [extend], [continueFrom], [chain] and [recover] wait for their jobs. Cancel the
 * coroutine, and they stop waiting: the job goes on at the service (which cannot cancel one), its charge stands, it is
 * in the library's journal, and [recover] saves its clip. The `start…` verbs give a handle, which only watches.
 *
 * **Money.** A create is sent once. What it will cost says [estimate], what it did cost the clip's record and [spent].
 *
 * **Errors.** Everything that can go wrong is a [VideoError].
 *
 * @param library the folder that keeps the clips, made when missing; or `s3://bucket/prefix` where that is built in.
 * @param apiKey the key of your account. Without it: the environment variable `XAI_API_KEY`.
 * @param baseUrl another place that speaks the service's protocol, such as [Sandbox.baseUrl].
 * @param budget how much may be spent.
 * @param defaults what is put where a request leaves something open: [defaultRequestValues], changed with `copy`.
 * @param validation what to do with a request that the model table speaks against; strict.
 * @param poll how jobs are waited for: [defaultPollPolicy], changed with `copy`.
 * @param download the bounds of a download: [defaultDownloadPolicy].
 * @param rateLimit how fast the client may talk to the service: [defaultRateLimit].
 * @param timeouts how long one exchange with the service may take: [defaultTimeouts].
 * @param planner how prompts are planned, and which are: [defaultPlannerSettings].
 * @param models a model table of your own, as the text of its TOML file.
 * @param token instead of a key: gives a token, such as one that your own server made. One with [AccessToken.expiresIn] is
 *   kept and replaced before it expires; one without is used for one request. It runs on [kotlinx.coroutines.Dispatchers.IO],
 *   and is cancelled after [Timeouts.token]. What it throws becomes a [VideoError.Auth], and nothing is sent.
 * @throws VideoError.Config without a key, with both a key and a source of tokens, or with a base URL that would leak it; [VideoError.Library] when the folder
 *   cannot be made or written; [VideoError.InvalidRequest] for settings that no call can be made with.
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
    token: (suspend () -> AccessToken)? = null,
) : AutoCloseable {
    private val native = run {
        EndOfProcess.isAwaited
        NativeClient(
            ClientOptions(
                library, apiKey, baseUrl, budget, defaults, validation, poll, download, rateLimit, timeouts, planner, models,
            ),
            token?.let(::Tokens),
        )
    }

    /** The library. */
    public val library: Library get() = Library(native.library())

    /** The table that requests are checked against. */
    public val models: ModelTable get() = native.models()

    /** Scheme, host and port of the service. */
    public val service: String get() = native.service()

    /**
     * Makes a new clip: checks, sends, waits, downloads, verifies, saves. What is left open takes the client's defaults.
     *
     * Costs what [estimate] says. Cancelled, it stops waiting and loses nothing.
     *
     * @param prompt what the clip shows. May be left out where pictures say it.
     * @param mode text alone, a start image, references, or pinned frames.
     * @param duration in whole seconds.
     * @param resolution `480p`, `720p`, `1080p`.
     * @param aspectRatio `16:9`, `9:16`, …
     * @param audio whether the clip has sound. Silence is not cheaper.
     * @param model the model.
     * @param voices voices to speak with; `<AUDIO_0>` in the prompt names the first.
     * @param plan whether a language model rewrites the prompt first.
     * @param topic the series that the clip belongs to.
     * @param user your end user's id, for the service's abuse monitoring.
     * @param storage keeps the result in the service's Files as well.
     * @param output where the service puts the clip instead of on its own CDN.
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

    /** Makes a new clip. */
    public suspend fun generate(request: GenerateRequest): Clip = native.generate(request)

    /** Begins to make a new clip, and returns when the job has its id. */
    public suspend fun startGenerate(request: GenerateRequest): JobHandle = JobHandle(native.startGenerate(request))

    /**
     * Makes a changed copy of a clip: the same length, shape and size (at most 720p).
     *
     * Cancelled, it stops waiting and loses nothing.
     *
     * @param video the clip, of at most 8.7 s.
     * @param prompt what is to change.
     * @param transport how a local clip travels.
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
    ): Clip = edit(EditRequest(video.input, prompt, model, transport, plan, user, storage, output))

    /** Makes a changed copy of a clip. */
    public suspend fun edit(request: EditRequest): Clip = native.edit(request)

    /** Begins to make a changed copy of a clip. */
    public suspend fun startEdit(request: EditRequest): JobHandle = JobHandle(native.startEdit(request))

    /**
     * Adds seconds at the end of a clip: a new clip with both parts.
     *
     * Cancelled, it stops waiting and loses nothing.
     *
     * @param video the clip, of 2 to 15 s.
     * @param prompt how it goes on.
     * @param duration what is added, 2 to 10 s; 6 s when left open.
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
    ): Clip = extend(ExtendRequest(video.input, prompt, model, duration, transport, plan, storage, output))

    /** Adds seconds at the end of a clip. */
    public suspend fun extend(request: ExtendRequest): Clip = native.extend(request)

    /** Begins to add seconds at the end of a clip. */
    public suspend fun startExtend(request: ExtendRequest): JobHandle = JobHandle(native.startExtend(request))

    /**
     * Makes a clip that goes on where another one ends. What is left open: 5 s, `720p`, sound, the prompt planned by a
     * language model, which costs a little more; `plan = PlanChoice.Off` sends the words as they are.
     *
     * Cancelled, it stops waiting and loses nothing.
     *
     * @param clip the clip before.
     * @param prompt how it goes on.
     * @param strategy by the last frame, by the service's extension, or whichever fits.
     * @param frame which of the last frames the new clip starts on.
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

    /** Makes a clip that goes on where another one ends. */
    public suspend fun continueFrom(clip: Media, request: ContinueRequest): Clip =
        native.continueFrom(clip.input, request)

    /** Begins to make a clip that goes on where another one ends. */
    public suspend fun startContinueFrom(clip: Media, request: ContinueRequest): JobHandle =
        JobHandle(native.startContinueFrom(clip.input, request))

    /**
     * Makes several clips one after another, each going on where the one before ends, under one budget. The same request
     * is the same chain: made again, it goes on at the first clip that is not there.
     *
     * Cancelled, it stops waiting and loses nothing.
     */
    public suspend fun chain(request: ChainRequest): ChainOutcome = native.chain(request)

    /** Begins to make several clips one after another. */
    public suspend fun startChain(request: ChainRequest): ChainHandle = ChainHandle(native.startChain(request))

    /**
     * Has a language model say what is seen in a clip. Paid; the price is in the notes. Cancelled, the answer is lost.
     *
     * @param options [defaultAnalyzeOptions], changed with `copy`.
     */
    public suspend fun analyze(clip: Media, options: AnalyzeOptions? = null): ClipNotes =
        native.analyze(clip.input, options ?: defaultAnalyzeOptions())

    /**
     * A frame of a clip of the library, exactly the one that a player shows. Free. Cancelled, it interrupts the decoder.
     *
     * @throws VideoError.Media when the clip cannot be decoded, or there is no frame at that position.
     */
    public suspend fun frame(
        clip: Clip,
        position: FramePosition = FramePosition.Last,
        options: MediaOptions? = null,
    ): Frame = frame(clip.id, position, options)

    /** The same for a clip by its id, its file name, or the path of its file. */
    public suspend fun frame(
        clip: String,
        position: FramePosition = FramePosition.Last,
        options: MediaOptions? = null,
    ): Frame = Frame(native.frame(clip, position, options))

    /** Checks a request, and says what it would cost. Sends nothing and pays nothing. */
    public fun estimate(request: GenerateRequest): Checked = native.estimate(request)

    /** Picks a job up again from its id alone, in any process. Free. */
    public suspend fun job(id: String): JobHandle = JobHandle(native.job(id))

    /**
     * Finishes every job of the library that something interrupted: waits for it, downloads, checks and saves its clip.
     * Free. Cancelled, it stops waiting; the next one goes on.
     */
    public suspend fun recover(): Recovered = native.recover()

    /** Begins a recovery. */
    public suspend fun startRecover(): RecoveryHandle = RecoveryHandle(native.startRecover())

    /** What was spent on requests that were begun in a time; without ends, on all. */
    public suspend fun spent(from: Instant? = null, before: Instant? = null): Spent = library.spent(from, before)

    /** The models that the key can see at the service. */
    public suspend fun visibleModels(): List<VisibleModel> = native.visibleModels()

    /**
     * Stops waiting for its jobs, which go on at the service and stay in the journal, and takes no more calls: they end
     * with [VideoError.Config]. A create that is being sent is waited for, at most 10 s. A second call does nothing.
     */
    public suspend fun shut(): Unit = native.shut()

    /** As [shut], blocking the thread, for `use {}`. */
    override fun close(): Unit = runBlocking { shut() }

    override fun toString(): String = "VideoClient"
}
