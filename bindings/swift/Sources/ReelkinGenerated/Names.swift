/// A name that the service defines. The set is open: names that this version does not know are passed through unchanged.
public protocol ServiceName: RawRepresentable<String>, Hashable, Codable, Sendable, ExpressibleByStringLiteral,
    CustomStringConvertible
{
    /// The name as the service writes it.
    init(rawValue: String)
}

extension ServiceName {
    /// The name as the service writes it.
    public init(stringLiteral name: String) { self.init(rawValue: name) }
    /// The name as the service writes it.
    public var description: String { rawValue }
}

/// A model that makes video.
public struct VideoModelName: ServiceName {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    /// `grok-imagine-video`, the classic model and the only one that supports every operation.
    public static let classic: Self = "grok-imagine-video"
    /// `grok-imagine-video-1.5`: 1080p, voices, pinned frames; no edit, no extend.
    public static let v1_5: Self = "grok-imagine-video-1.5"
    /// `grok-imagine-video-1.5-lite`: text and image to video, at a lower price.
    public static let v1_5Lite: Self = "grok-imagine-video-1.5-lite"
}

/// The resolution of a clip: roughly the number of pixels of its short side.
public struct ResolutionName: ServiceName {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    /// `480p`
    public static let p480: Self = "480p"
    /// `720p`
    public static let p720: Self = "720p"
    /// `1080p`
    public static let p1080: Self = "1080p"
}

/// The ratio of width to height, such as `16:9`.
public struct AspectRatioName: ServiceName {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    /// `16:9`
    public static let wide: Self = "16:9"
    /// `9:16`
    public static let tall: Self = "9:16"
    /// `1:1`
    public static let square: Self = "1:1"
}
