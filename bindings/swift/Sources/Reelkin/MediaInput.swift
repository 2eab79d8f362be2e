import Foundation
import ReelkinGenerated

/// A type that can be passed to a request as a clip or an image: a ``MediaInput``, a ``Clip``, a `URL`, or the `Data` of
/// a file.
///
/// A ``Frame`` has to be encoded first: `try await .frame(frame)`.
public protocol MediaInputConvertible: Sendable {
    /// The input that requests use.
    var mediaInput: MediaInput { get }
}

extension MediaInput: MediaInputConvertible {
    public var mediaInput: MediaInput { self }
}

extension Clip: MediaInputConvertible {
    /// The clip in the library, by its id.
    public var mediaInput: MediaInput { .clip(id) }
}

extension URL: MediaInputConvertible {
    /// The path of a file URL; any other URL is fetched by the service.
    public var mediaInput: MediaInput { isFileURL ? .path(self) : .url(absoluteString) }
}

extension Data: MediaInputConvertible {
    /// The content of a file: PNG, JPEG, WebP or MP4.
    public var mediaInput: MediaInput { .data(self) }
}

extension MediaInput {
    /// The content of a file: PNG, JPEG, WebP or MP4. Error messages contain `name`.
    public static func data(_ data: Data, name: String = "data") -> Self {
        .bytes(bytes: data, name: name)
    }

    /// The path of a file URL; any other URL is fetched by the service.
    public static func url(_ url: URL) -> Self {
        url.mediaInput
    }

    /// Encodes a frame as PNG. Error messages contain `name`.
    ///
    /// The encoder does not block the caller's actor, because an async function without an actor runs on the global
    /// executor.
    public static func frame(_ frame: Frame, name: String = "frame") async throws -> Self {
        try Task.checkCancellation()
        return .bytes(bytes: try frame.toPng(), name: name)
    }
}

// These let a parameter of the protocol's type be written as `.frame(frame)` and `.data(data)`.
extension MediaInputConvertible where Self == MediaInput {
    /// The content of a file: PNG, JPEG, WebP or MP4. Error messages contain `name`.
    public static func data(_ data: Data, name: String = "data") -> Self {
        .bytes(bytes: data, name: name)
    }

    /// Encodes a frame as PNG without blocking the caller's actor. Error messages contain `name`.
    public static func frame(_ frame: Frame, name: String = "frame") async throws -> Self {
        try await MediaInput.frame(frame, name: name)
    }
}

extension GenerateMode {
    /// Starts the clip with an image.
    public static func image(_ image: some MediaInputConvertible) -> Self {
        .image(image: image.mediaInput)
    }

    /// Starts the clip with a frame. Encodes it as PNG without blocking the caller's actor.
    public static func image(_ frame: Frame) async throws -> Self {
        .image(image: try await .frame(frame, name: "image"))
    }
}
