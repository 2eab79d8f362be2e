import Foundation
import ReelkinGenerated

/// Makes clips and keeps them in a library.
///
/// One client may be used from any number of tasks at once. Every call follows the same rules:
///
/// - *Errors*: ``VideoError``. Whatever fails after the submit has the job's id.
/// - *Cancellation*: cancelling the task ends the call with `CancellationError`. A verb that makes a clip stops waiting
///   for its job, which goes on at the service, stays in the library's journal, and is saved by ``recover()``. Its
///   charge stands. A create that is being sent is not broken off.
/// - *Cost*: the verbs that make clips, and ``analyze(_:options:)``. Everything else is free.
public final class VideoClient: Sendable {
    private let core: ReelkinGenerated.VideoClient

    /// A client on a library.
    ///
    /// - Parameters:
    ///   - library: the folder that keeps the clips, made when missing.
    ///   - apiKey: the key of your account; without it the environment variable `XAI_API_KEY`.
    ///   - baseUrl: another place that speaks the service's protocol, such as ``Sandbox/baseUrl``.
    ///   - models: a model table of your own, as the text of its TOML file.
    ///   - token: instead of a key: gives a token, such as one that your own server made. One with `expiresIn` is kept and
    ///     replaced before it expires; one without is used for one request. Its task is cancelled after ``Timeouts/token``.
    ///     What it throws becomes an error `auth`, and nothing is sent.
    /// - Throws: `config` without a key, with both a key and a source of tokens, or with a base URL that would leak it, `library` when the folder cannot be made
    ///   or written, `invalid_request` for settings that no call can be made with.
    public init(
        library: URL, apiKey: String? = nil, baseUrl: String? = nil, budget: Budget? = nil,
        defaults: Defaults? = nil, validation: Validation? = nil, poll: PollPolicy? = nil,
        download: DownloadPolicy? = nil, rateLimit: RateLimit? = nil, timeouts: Timeouts? = nil,
        planner: PlannerSettings? = nil, models: String? = nil,
        token: (@Sendable () async throws -> AccessToken)? = nil
    ) throws {
        _ = endsWithTheProcess
        let options = ClientOptions(
            library: Library.address(library), apiKey: apiKey, baseUrl: baseUrl, budget: budget, defaults: defaults,
            validation: validation, poll: poll, download: download, rateLimit: rateLimit, timeouts: timeouts,
            planner: planner, models: models)
        core = try ReelkinGenerated.VideoClient(options: checked(options), tokens: token.map(Tokens.init))
    }

    /// Closes the client: it stops waiting for its jobs, which go on at the service and stay in the journal, and takes no
    /// more calls. A create that is being sent is waited for, at most 10 s. A second call does nothing.
    ///
    /// Runs to its end in a cancelled task, too.
    public func close() async throws {
        try await Task { [core] in try await core.close() }.value
    }
}

// MARK: - Clips

extension VideoClient {
    /// Makes a new clip: checks, submits, waits, downloads, verifies, saves.
    public func generate(_ request: GenerateRequest) async throws -> Clip {
        try await core.generate(request: checked(request))
    }

    /// Begins to make a new clip, and returns when the job has its id.
    public func startGenerate(_ request: GenerateRequest) async throws -> JobHandle {
        try await JobHandle(core: core.startGenerate(request: checked(request)))
    }

    /// Makes a changed copy of a clip.
    public func edit(_ request: EditRequest) async throws -> Clip {
        try await core.edit(request: checked(request))
    }

    /// Begins to make a changed copy of a clip.
    public func startEdit(_ request: EditRequest) async throws -> JobHandle {
        try await JobHandle(core: core.startEdit(request: checked(request)))
    }

    /// Adds seconds at the end of a clip: a new clip with both parts.
    public func extend(_ request: ExtendRequest) async throws -> Clip {
        try await core.extend(request: checked(request))
    }

    /// Begins to add seconds at the end of a clip.
    public func startExtend(_ request: ExtendRequest) async throws -> JobHandle {
        try await JobHandle(core: core.startExtend(request: checked(request)))
    }

    /// Makes a clip that goes on where another one ends.
    public func continueFrom(
        _ clip: some MediaInputConvertible, _ request: ContinueRequest = ContinueRequest()
    ) async throws -> Clip {
        try await core.continueFrom(clip: checked(clip.mediaInput), request: checked(request))
    }

    /// Begins to make a clip that goes on where another one ends.
    public func startContinueFrom(
        _ clip: some MediaInputConvertible, _ request: ContinueRequest = ContinueRequest()
    ) async throws -> JobHandle {
        try await JobHandle(core: core.startContinueFrom(clip: checked(clip.mediaInput), request: checked(request)))
    }

    /// Makes several clips one after another, each going on where the one before ends.
    public func chain(_ request: ChainRequest) async throws -> ChainOutcome {
        try await core.chain(request: checked(request))
    }

    /// Begins to make several clips one after another.
    public func startChain(_ request: ChainRequest) async throws -> ChainHandle {
        try await ChainHandle(core: core.startChain(request: checked(request)))
    }

    /// Checks a request, and says what it would cost. Sends nothing and pays nothing.
    public func estimate(_ request: GenerateRequest) throws -> Checked {
        try core.estimate(request: checked(request))
    }
}

// MARK: - The usual calls, in a line

extension VideoClient {
    /// Makes a new clip. The rest of what can be asked for is in ``GenerateRequest``.
    public func generate(
        _ prompt: String? = nil, mode: GenerateMode = .text, model: VideoModel? = nil, duration: Duration? = nil,
        resolution: Resolution? = nil, aspectRatio: AspectRatio? = nil, audio: Bool? = nil
    ) async throws -> Clip {
        try await generate(
            GenerateRequest(
                prompt, mode: mode, model: model, duration: duration, resolution: resolution,
                aspectRatio: aspectRatio, audio: audio))
    }

    /// Makes a changed copy of a clip.
    public func edit(
        _ clip: some MediaInputConvertible, _ prompt: String, model: VideoModel? = nil
    ) async throws -> Clip {
        try await edit(EditRequest(clip, prompt, model: model))
    }

    /// Adds seconds at the end of a clip: a new clip with both parts. `duration` is what is added.
    public func extend(
        _ clip: some MediaInputConvertible, _ prompt: String, duration: Duration? = nil, model: VideoModel? = nil
    ) async throws -> Clip {
        try await extend(ExtendRequest(clip, prompt, model: model, duration: duration))
    }

    /// Makes a clip that goes on where another one ends.
    public func continueFrom(
        _ clip: some MediaInputConvertible, _ prompt: String, duration: Duration? = nil,
        resolution: Resolution? = nil, model: VideoModel? = nil
    ) async throws -> Clip {
        try await continueFrom(
            clip, ContinueRequest(prompt, model: model, duration: duration, resolution: resolution))
    }
}

// MARK: - What is there

extension VideoClient {
    /// Has a language model say what is seen in a clip. Costs what the model's answer costs.
    public func analyze(
        _ clip: some MediaInputConvertible, options: AnalyzeOptions = .default
    ) async throws -> ClipNotes {
        try await core.analyze(clip: checked(clip.mediaInput), options: checked(options))
    }

    /// A frame of a clip of the library, exactly the one that a player shows. Cancelling interrupts the decoder.
    public func frame(
        _ clip: Clip, _ position: FramePosition, options: MediaOptions? = nil
    ) async throws -> Frame {
        try await Frame(core.frame(clip: clip.id, position: checked(position), options: checked(options)))
    }

    /// Picks a job up again from its id alone, in any process.
    public func job(_ id: String) async throws -> JobHandle {
        try await JobHandle(core: core.job(id: id))
    }

    /// Finishes every job of the library that something interrupted: waits for it, downloads, checks and saves its clip.
    /// Costs nothing.
    ///
    /// After cancelling a task, wait for its end first (`_ = await task.result`): until then its job is its own, and is
    /// listed as `elsewhere`.
    public func recover() async throws -> Recovered {
        try await core.recover()
    }

    /// Begins a recovery.
    public func startRecover() async throws -> RecoveryHandle {
        try await RecoveryHandle(core: core.startRecover())
    }

    /// What was spent on requests that were begun from a time on and before another; without them, on all.
    public func spent(from: Date? = nil, before: Date? = nil) async throws -> Spent {
        try await core.spent(from: from?.milliseconds, before: before?.milliseconds)
    }

    /// The models that the key can see at the service.
    public func visibleModels() async throws -> [VisibleModel] {
        try await core.visibleModels()
    }

    /// The table that requests are checked against.
    public var models: ModelTable {
        get throws { try core.models() }
    }

    /// The library.
    public var library: Library {
        get throws { try Library(core.library()) }
    }

    /// Scheme, host and port of the service.
    public var service: String {
        get throws { try core.service() }
    }
}
