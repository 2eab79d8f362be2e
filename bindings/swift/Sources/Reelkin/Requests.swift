import Foundation
import ReelkinGenerated

extension GenerateRequest {
    /// Creates a request for a new clip. The client's ``Defaults`` apply to parameters that are `nil`.
    ///
    /// - Parameters:
    ///   - prompt: What the clip shows. Optional if there are images.
    ///   - mode: The input besides the prompt: none, a start image, references, or pinned frames.
    ///   - voices: Voices for speech. `<AUDIO_0>` in the prompt refers to the first.
    ///   - model: The model to use.
    ///   - duration: The length of the clip in whole seconds.
    ///   - resolution: The resolution.
    ///   - aspectRatio: The aspect ratio.
    ///   - audio: Whether the clip has sound. A silent clip costs the same.
    ///   - user: The id of your end user, for the service's abuse monitoring.
    ///   - storage: Also stores the clip in the service's Files API.
    ///   - output: Where the service uploads the clip instead of its own CDN.
    ///   - plan: Whether a language model rewrites the prompt first.
    ///   - topic: The series that the clip belongs to.
    public init(
        _ prompt: String? = nil, mode: GenerateMode = .text, voices: [String] = [], model: VideoModel? = nil,
        duration: Duration? = nil, resolution: Resolution? = nil, aspectRatio: AspectRatio? = nil,
        audio: Bool? = nil, user: String? = nil, storage: StorageOptions? = nil, output: UploadTarget? = nil,
        plan: PlanChoice = .default, topic: String? = nil
    ) {
        self.init(
            prompt: prompt, mode: mode, voices: voices, model: model, duration: duration, resolution: resolution,
            aspectRatio: aspectRatio, audio: audio, user: user, storage: storage, output: output, plan: plan,
            topic: topic)
    }
}

extension EditRequest {
    /// Creates a request for an edited copy of a clip.
    ///
    /// - Parameters:
    ///   - video: The clip to edit, at most 8.7 s long.
    ///   - prompt: What to change.
    ///   - transport: How a local clip is sent to the service.
    public init(
        _ video: some MediaInputConvertible, _ prompt: String, model: VideoModel? = nil,
        transport: TransportChoice = .auto, plan: PlanChoice = .default, user: String? = nil,
        storage: StorageOptions? = nil, output: UploadTarget? = nil
    ) {
        self.init(
            video: video.mediaInput, prompt: prompt, model: model, transport: transport, plan: plan, user: user,
            storage: storage, output: output)
    }
}

extension ExtendRequest {
    /// Creates a request to extend a clip.
    ///
    /// - Parameters:
    ///   - video: The clip to extend, 2 to 15 s long.
    ///   - prompt: What happens in the added seconds.
    ///   - duration: The length to add, 2 to 10 s. Defaults to 6 s.
    ///   - transport: How a local clip is sent to the service.
    public init(
        _ video: some MediaInputConvertible, _ prompt: String, model: VideoModel? = nil, duration: Duration? = nil,
        transport: TransportChoice = .auto, plan: PlanChoice = .default, storage: StorageOptions? = nil,
        output: UploadTarget? = nil
    ) {
        self.init(
            video: video.mediaInput, prompt: prompt, model: model, duration: duration, transport: transport,
            plan: plan, storage: storage, output: output)
    }
}

extension ContinueRequest {
    /// Creates a request for a clip that continues another clip.
    ///
    /// - Parameters:
    ///   - prompt: What happens next. Without it, the planner writes a prompt.
    ///   - strategy: Whether to start from the last frame, to use the service's extension, or to choose automatically.
    ///   - frame: Which of the last frames the new clip starts from.
    public init(
        _ prompt: String? = nil, strategy: ContinueStrategy = .lastFrame, frame: FrameChoice = .last,
        model: VideoModel? = nil, duration: Duration? = nil, resolution: Resolution? = nil,
        aspectRatio: AspectRatio? = nil, audio: Bool? = nil, user: String? = nil, storage: StorageOptions? = nil,
        plan: PlanChoice = .default
    ) {
        self.init(
            prompt: prompt, strategy: strategy, frame: frame, model: model, duration: duration,
            resolution: resolution, aspectRatio: aspectRatio, audio: audio, user: user, storage: storage, plan: plan)
    }
}

extension ChainRequest {
    /// Creates a request for several clips in sequence.
    ///
    /// - Parameters:
    ///   - start: An existing clip, a request for the first clip, or a chain to resume.
    ///   - steps: One request per clip.
    ///   - budget: The maximum cost of all clips together, in dollars.
    ///   - name: The id of the new chain.
    public init(_ start: ChainStart, _ steps: [ContinueRequest], budget: Decimal? = nil, name: String? = nil) {
        self.init(start: start, steps: steps, budget: budget, name: name)
    }
}

extension StorageOptions {
    /// Stores the clip under this name in the service's Files API, without expiration and without a public link.
    public init(_ filename: String) {
        self.init(filename: filename, expiresAfter: nil, publicUrl: nil)
    }
}
