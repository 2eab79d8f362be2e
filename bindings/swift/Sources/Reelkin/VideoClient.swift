import Foundation
import ReelkinGenerated

/// Creates clips and stores them in a library.
///
/// A client can be used from any number of tasks at once. All calls follow the same rules:
///
/// - *Errors*: Calls throw ``VideoError``. Errors after the submit have the id of the job.
/// - *Cancellation*: Canceling the task ends the call with `CancellationError`. A call that creates a clip stops waiting
///   for its job. The job continues at the service, is charged, and stays in the library's journal until ``recover()``
///   saves its clip. A create request that is being sent is not interrupted.
/// - *Cost*: Calls that create clips and ``analyze(_:options:)`` are paid. All others are free.
public final class VideoClient: Sendable {
    private let core: ReelkinGenerated.VideoClient
    /// The client's library. It can be used after the client is closed.
    public let library: Library
    /// The model table that requests are checked against.
    public let models: ModelTable
    /// The scheme, host and port of the service.
    public let service: String

    /// Creates a client for a library.
    ///
    /// - Parameters:
    ///   - library: The folder that stores the clips. Created if it does not exist.
    ///   - apiKey: The API key. Defaults to the environment variable `XAI_API_KEY`.
    ///   - baseUrl: The base URL of another server that speaks the service's protocol, such as ``Sandbox/baseUrl``.
    ///   - budget: The spending limits.
    ///   - defaults: The values for request fields that are not set.
    ///   - validation: What to do with a request that violates the model table.
    ///   - poll: How jobs are polled.
    ///   - download: The limits of downloads.
    ///   - rateLimit: The maximum request rate.
    ///   - timeouts: The timeouts of single requests to the service.
    ///   - planner: How and when prompts are planned.
    ///   - models: A custom model table as TOML text.
    ///   - proxy: The http or https proxy for calls of the API and downloads, such as
    ///     `http://user:password@10.0.0.5:3128`. Defaults to the environment variable `HTTPS_PROXY` or `ALL_PROXY`, or to
    ///     the settings of macOS. Requests to this machine never use it.
    ///   - noProxy: The targets that are reached without the proxy, separated by commas: hosts, addresses and networks.
    ///     Defaults to the environment variable `NO_PROXY`.
    ///   - rootCertificates: Certificate authorities to trust besides those of the system, as PEM text.
    ///   - token: Supplies tokens instead of a key, for example from your own server. A token with `expiresIn` is cached
    ///     and replaced before it expires; any other is used for one request. The closure's task is canceled after
    ///     ``Timeouts/token``. If it throws, the call fails with `auth` and nothing is sent.
    /// - Throws: `config` if there is no key, both a key and `token` are given, the base URL would leak the
    ///   key, or the proxy or a certificate is not valid;
    ///   `library` if the folder cannot be created or written; `invalid_request` if no call could use the settings.
    public init(
        library: URL, apiKey: String? = nil, baseUrl: String? = nil, budget: Budget? = nil,
        defaults: Defaults? = nil, validation: Validation? = nil, poll: PollPolicy? = nil,
        download: DownloadPolicy? = nil, rateLimit: RateLimit? = nil, timeouts: Timeouts? = nil,
        planner: PlannerSettings? = nil, models: String? = nil, proxy: String? = nil,
        noProxy: String? = nil, rootCertificates: String? = nil,
        token: (@Sendable () async throws -> AccessToken)? = nil
    ) throws {
        _ = exitHandler
        let options = ClientOptions(
            library: Library.address(library), apiKey: apiKey, baseUrl: baseUrl, budget: budget, defaults: defaults,
            validation: validation, poll: poll, download: download, rateLimit: rateLimit, timeouts: timeouts,
            planner: planner, models: models, proxy: proxy, noProxy: noProxy,
            rootCertificates: rootCertificates)
        core = try ReelkinGenerated.VideoClient(options: checked(options), tokens: token.map(TokenProvider.init))
        self.library = try Library(core.library())
        self.models = try core.models()
        service = try core.service()
    }

    /// Closes the client. It stops waiting for its jobs, and later calls throw.
    ///
    /// The jobs continue at the service and stay in the journal. Create requests that are being sent are waited for, at
    /// most 10 s. Closing again does nothing. A canceled task still completes the call.
    public func close() async throws {
        try await Task { [core] in try await core.close() }.value
    }
}

// MARK: - Clips

extension VideoClient {
    /// Generates a new clip: checks and submits the request, then waits for the clip, downloads, verifies and saves it.
    public func generate(_ request: GenerateRequest) async throws -> Clip {
        try await core.generate(request: checked(request))
    }

    /// Starts generating a new clip. Returns once the job has an id.
    public func startGenerate(_ request: GenerateRequest) async throws -> JobHandle {
        try await JobHandle(core: core.startGenerate(request: checked(request)))
    }

    /// Creates an edited copy of a clip.
    public func edit(_ request: EditRequest) async throws -> Clip {
        try await core.edit(request: checked(request))
    }

    /// Starts creating an edited copy of a clip. Returns once the job has an id.
    public func startEdit(_ request: EditRequest) async throws -> JobHandle {
        try await JobHandle(core: core.startEdit(request: checked(request)))
    }

    /// Extends a clip. The new clip holds the original and the added seconds.
    public func extend(_ request: ExtendRequest) async throws -> Clip {
        try await core.extend(request: checked(request))
    }

    /// Starts extending a clip. Returns once the job has an id.
    public func startExtend(_ request: ExtendRequest) async throws -> JobHandle {
        try await JobHandle(core: core.startExtend(request: checked(request)))
    }

    /// Creates a clip that continues where another clip ends.
    public func continueFrom(
        _ clip: some MediaInputConvertible, _ request: ContinueRequest = ContinueRequest()
    ) async throws -> Clip {
        try await core.continueFrom(clip: checked(clip.mediaInput), request: checked(request))
    }

    /// Starts creating a clip that continues where another clip ends. Returns once the job has an id.
    public func startContinueFrom(
        _ clip: some MediaInputConvertible, _ request: ContinueRequest = ContinueRequest()
    ) async throws -> JobHandle {
        try await JobHandle(core: core.startContinueFrom(clip: checked(clip.mediaInput), request: checked(request)))
    }

    /// Creates several clips in sequence. Each continues where the previous one ends.
    public func chain(_ request: ChainRequest) async throws -> ChainOutcome {
        try await core.chain(request: checked(request))
    }

    /// Starts creating several clips in sequence.
    public func startChain(_ request: ChainRequest) async throws -> ChainHandle {
        try await ChainHandle(core: core.startChain(request: checked(request)))
    }

    /// Checks a request as ``generate(_:)`` does, and estimates its cost. Sends nothing and costs nothing.
    public func estimate(_ request: GenerateRequest) async throws -> Estimate {
        try await core.estimate(request: .generate(request: checked(request)))
    }

    /// Checks a request as ``edit(_:)`` does, measures its clip, and estimates the cost. Sends nothing and costs nothing.
    ///
    /// The cost is `nil` for a clip that is given by a URL or an id of the Files API.
    public func estimate(_ request: EditRequest) async throws -> Estimate {
        try await core.estimate(request: .edit(request: checked(request)))
    }

    /// Checks a request as ``extend(_:)`` does, measures its clip, and estimates the cost.
    public func estimate(_ request: ExtendRequest) async throws -> Estimate {
        try await core.estimate(request: .extend(request: checked(request)))
    }

    /// Checks a request as ``continueFrom(_:_:)`` does, measures its clip, and estimates the cost.
    public func estimate(
        _ clip: some MediaInputConvertible, _ request: ContinueRequest = ContinueRequest()
    ) async throws -> Estimate {
        try await core.estimate(request: .continue(clip: checked(clip.mediaInput), request: checked(request)))
    }

    /// Checks a request as ``chain(_:)`` does, and estimates the cost of the clips that were not sent yet.
    public func estimate(_ request: ChainRequest) async throws -> Estimate {
        try await core.estimate(request: .chain(request: checked(request)))
    }
}

// MARK: - Shorthands

extension VideoClient {
    /// Generates a new clip. ``GenerateRequest`` has more options.
    public func generate(
        _ prompt: String? = nil, mode: GenerateMode = .text, model: VideoModel? = nil, duration: Duration? = nil,
        resolution: Resolution? = nil, aspectRatio: AspectRatio? = nil, audio: Bool? = nil
    ) async throws -> Clip {
        try await generate(
            GenerateRequest(
                prompt, mode: mode, model: model, duration: duration, resolution: resolution,
                aspectRatio: aspectRatio, audio: audio))
    }

    /// Creates an edited copy of a clip.
    public func edit(
        _ clip: some MediaInputConvertible, _ prompt: String, model: VideoModel? = nil
    ) async throws -> Clip {
        try await edit(EditRequest(clip, prompt, model: model))
    }

    /// Extends a clip by `duration`. The new clip holds the original and the added seconds.
    public func extend(
        _ clip: some MediaInputConvertible, _ prompt: String, duration: Duration? = nil, model: VideoModel? = nil
    ) async throws -> Clip {
        try await extend(ExtendRequest(clip, prompt, model: model, duration: duration))
    }

    /// Creates a clip that continues where another clip ends.
    public func continueFrom(
        _ clip: some MediaInputConvertible, _ prompt: String, duration: Duration? = nil,
        resolution: Resolution? = nil, model: VideoModel? = nil
    ) async throws -> Clip {
        try await continueFrom(
            clip, ContinueRequest(prompt, model: model, duration: duration, resolution: resolution))
    }
}

// MARK: - Existing clips and jobs

extension VideoClient {
    /// Asks a language model to describe a clip, which is a paid call.
    public func analyze(
        _ clip: some MediaInputConvertible, options: AnalyzeOptions = .default
    ) async throws -> ClipNotes {
        try await core.analyze(clip: checked(clip.mediaInput), options: checked(options))
    }

    /// Decodes one frame of a clip in the library, of a file or of bytes, exactly as a player would show it.
    ///
    /// Canceling the task interrupts the decoder. ``Media/frame(_:_:options:)`` needs no client.
    public func frame(
        _ clip: some MediaInputConvertible, _ position: FramePosition = .last, options: MediaOptions? = nil
    ) async throws -> Frame {
        let input = clip.mediaInput
        guard case .clip(let name) = input else { return try await Media.frame(input, position, options: options) }
        return try await Frame(core.frame(clip: name, position: checked(position), options: checked(options)))
    }

    /// Returns a handle for the job with this id, which may have been started by another process.
    public func job(_ id: String) async throws -> JobHandle {
        try await JobHandle(core: core.job(id: id))
    }

    /// Finishes every interrupted job of the library: waits for it, then downloads, verifies and saves its clip. Costs
    /// nothing.
    ///
    /// After canceling a task, await its end first (`_ = await task.result`). Until then, the task still holds its job,
    /// and the recovery lists the job in `Recovered.heldByOthers`.
    public func recover() async throws -> Recovered {
        try await core.recover()
    }

    /// Starts a recovery.
    public func startRecover() async throws -> RecoveryHandle {
        try await RecoveryHandle(core: core.startRecover())
    }

    /// Returns what was spent on requests started at or after `from` and before `before`. A `nil` bound is open.
    public func spent(from: Date? = nil, before: Date? = nil) async throws -> Spent {
        try await library.spent(from: from, before: before)
    }

    /// Lists the models that the key has access to.
    public func visibleModels() async throws -> [VisibleModel] {
        try await core.visibleModels()
    }
}
