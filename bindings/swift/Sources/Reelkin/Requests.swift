import Foundation
import ReelkinGenerated

/// What a verb takes where it wants a clip or a picture: a ``MediaInput``, a ``Clip``, or the `URL` of a file.
public protocol MediaInputConvertible: Sendable {
    /// It, as an input.
    var mediaInput: MediaInput { get }
}

extension MediaInput: MediaInputConvertible {
    public var mediaInput: MediaInput { self }
}

extension Clip: MediaInputConvertible {
    /// The clip by its id in the library.
    public var mediaInput: MediaInput { .clip(id) }
}

extension URL: MediaInputConvertible {
    /// A file by its path, anything else as an address for the service.
    public var mediaInput: MediaInput { isFileURL ? .path(self) : .url(absoluteString) }
}

extension GenerateRequest {
    /// A new clip. What is left open is decided by the client's ``Defaults``.
    ///
    /// - Parameters:
    ///   - prompt: what is to be seen; may be left out with pictures.
    ///   - mode: from words alone, from a first picture, from references, or from pinned frames.
    ///   - duration: whole seconds.
    ///   - topic: a word by which clips are kept together.
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

extension GenerateMode {
    /// From a picture, on which the clip starts.
    public static func image(_ image: some MediaInputConvertible) -> Self {
        .image(image: image.mediaInput)
    }
}

extension EditRequest {
    /// A changed copy of a clip.
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
    /// Seconds at the end of a clip; `duration` is what is added.
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
    /// A clip that goes on where another one ends. Without a prompt the planner writes one.
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
    /// Several clips one after another. `budget` is what all of them together may cost.
    public init(_ start: ChainStart, _ steps: [ContinueRequest], budget: Decimal? = nil, name: String? = nil) {
        self.init(start: start, steps: steps, budget: budget, name: name)
    }
}

extension StorageOptions {
    /// A file of that name in the service's Files, kept for ever, without a public link.
    public init(_ filename: String) {
        self.init(filename: filename, expiresAfter: nil, publicUrl: nil)
    }
}
