import Foundation
import ReelkinGenerated

/// A decoded frame as a player shows it: packed RGB, 8 bits per channel, top row first, rotated upright.
public final class Frame: Sendable {
    private let core: ReelkinGenerated.Frame

    /// The pixels: red, green, blue, row by row from the top, without padding.
    ///
    /// The data refers to the frame's memory and keeps it alive. Mutating the data makes a copy.
    public let rgb: Data

    init(_ core: ReelkinGenerated.Frame) {
        self.core = core
        guard let pixels = UnsafeMutableRawPointer(bitPattern: UInt(core.rgbAddress())) else {
            rgb = core.rgb()
            return
        }
        // The data keeps the object alive that owns the pixels. Since this frame also holds the data, a mutation
        // elsewhere triggers copy-on-write.
        rgb = Data(
            bytesNoCopy: pixels, count: Int(core.rgbLength()),
            deallocator: .custom { _, _ in withExtendedLifetime(core) {} })
    }

    /// Creates a frame from packed RGB pixels.
    ///
    /// - Parameter rgb: `width` × `height` × 3 bytes.
    /// - Throws: `invalid_request` if `rgb` has another size, or if the frame would be empty.
    public convenience init(width: Int, height: Int, rgb: Data) throws {
        guard let width = UInt32(exactly: width), let height = UInt32(exactly: height) else {
            throw VideoError.invalidArgument("create a frame of \(width)x\(height) pixels: both must be positive")
        }
        try self.init(.fromRgb(width: width, height: height, rgb: rgb))
    }

    /// The width in pixels, after rotation.
    public var width: Int { Int(core.width()) }
    /// The height in pixels, after rotation.
    public var height: Int { Int(core.height()) }
    /// The presentation timestamp (PTS), in units of ``timeBase``.
    public var pts: Int64 { core.origin().pts }
    /// The time base of the stream.
    public var timeBase: TimeBase { core.origin().timeBase }
    /// The playback time at which a player shows this frame.
    public var time: Duration { core.origin().time }
    /// The index of the frame in presentation order, from 0, if known.
    public var number: UInt64? { core.origin().number }
    /// The color matrix and range used for the conversion, and whether the clip states them or they were assumed.
    public var color: ColorInfo { core.origin().color }
    /// The rotation stated by the clip. It is already applied.
    public var rotation: Rotation { core.origin().rotation }

    /// Encodes the frame as a PNG file. Blocks the calling thread for some milliseconds.
    public func toPng() throws -> Data {
        try core.toPng()
    }

    /// Encodes the frame as a JPEG file with a quality from 1 to 100.
    public func toJpeg(quality: Int = 90) throws -> Data {
        // The native library rejects the clamped values 0 and 255.
        try core.toJpeg(quality: UInt8(clamping: quality))
    }

    /// Returns the PSNR of two frames of the same size in decibels. It is infinite for identical frames.
    public func psnr(_ other: Frame) throws -> Double {
        try core.psnr(other: other.core)
    }
}

/// Reads frames and properties of files and bytes, without a client or a library.
///
/// ``MediaOptions`` limits each call. Canceling the task interrupts the decoder.
public enum Media {
    /// Decodes one frame, exactly as a player would show it.
    ///
    /// - Throws: `media` if the source cannot be decoded, `invalid_request` if it is neither a file nor bytes.
    public static func frame(
        _ source: some MediaInputConvertible, _ position: FramePosition = .last, options: MediaOptions? = nil
    ) async throws -> Frame {
        try await Frame(
            ReelkinGenerated.frame(
                source: source.mediaInput, position: checked(position), options: checked(options)))
    }

    /// Decodes several frames in one pass, in the order of `positions`.
    public static func frames(
        _ source: some MediaInputConvertible, _ positions: [FramePosition], options: MediaOptions? = nil
    ) async throws -> [Frame] {
        try await ReelkinGenerated.frames(
            source: source.mediaInput, positions: checked(positions), options: checked(options)
        ).map(Frame.init)
    }

    /// Reads the properties of a clip or an image: dimensions, duration, codecs, colors.
    public static func probe(
        _ source: some MediaInputConvertible, options: MediaOptions? = nil
    ) async throws -> Probe {
        try await ReelkinGenerated.probe(source: source.mediaInput, options: checked(options))
    }
}
