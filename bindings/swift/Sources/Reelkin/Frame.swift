import Foundation
import ReelkinGenerated

#if canImport(CoreGraphics)
    import CoreGraphics
#endif

/// A picture as a player shows it: packed RGB, 8 bits a channel, rows from the top, turned upright.
public final class Frame: Sendable {
    private let core: ReelkinGenerated.Frame

    /// The pixels: red, green, blue, row by row from the top, without padding. Not a copy: they live as long as this
    /// data does, or the frame. Changing the data makes a copy as always.
    public let rgb: Data

    init(_ core: ReelkinGenerated.Frame) {
        self.core = core
        guard let pixels = UnsafeMutableRawPointer(bitPattern: UInt(core.rgbAddress())) else {
            rgb = core.rgb()
            return
        }
        // The core's object keeps the pixels where they are, so the data keeps the object. That this frame has the data,
        // too, makes every change of it elsewhere a change of a copy.
        rgb = Data(
            bytesNoCopy: pixels, count: Int(core.rgbLength()),
            deallocator: .custom { _, _ in withExtendedLifetime(core) {} })
    }

    /// A frame out of packed RGB pixels, width times height times 3 bytes.
    ///
    /// - Throws: `invalid_request` when they are not so many, or none.
    public convenience init(width: Int, height: Int, rgb: Data) throws {
        guard let width = UInt32(exactly: width), let height = UInt32(exactly: height) else {
            throw VideoError.refused("make a frame of \(width)x\(height): both have to be positive")
        }
        try self.init(.fromRgb(width: width, height: height, rgb: rgb))
    }

    /// Pixels a row, as shown.
    public var width: Int { Int(core.width()) }
    /// Rows, as shown.
    public var height: Int { Int(core.height()) }
    /// The timestamp in the stream, in units of its time base.
    public var pts: Int64 { core.pts() }
    /// The unit of the timestamp.
    public var timeBase: TimeBase { core.timeBase() }
    /// What a player's clock shows when this frame appears.
    public var time: Duration { core.time() }
    /// Its place in presentation order, from 0, where that is known.
    public var number: UInt64? { core.number() }
    /// Which matrix and range made the pixels, and whether the clip said so or it was assumed.
    public var colour: ColourInfo { core.colour() }
    /// How the coded picture was turned. Already applied.
    public var rotation: Rotation { core.rotation() }

    /// The picture as a PNG file. Takes some milliseconds of the calling thread.
    public func toPng() throws -> Data {
        try core.toPng()
    }

    /// The picture as a JPEG file; quality from 1 to 100.
    public func toJpeg(quality: Int = 90) throws -> Data {
        // What has no place in a byte is no quality either.
        try core.toJpeg(quality: UInt8(clamping: quality))
    }

    /// How alike two frames of one size are, in decibels; infinite for equal ones.
    public func psnr(_ other: Frame) throws -> Double {
        try core.psnr(other: other.core)
    }

    #if canImport(CoreGraphics)
        /// The picture for Core Graphics, over the same pixels.
        public func cgImage() -> CGImage? {
            guard let provider = CGDataProvider(data: rgb as CFData),
                let space = CGColorSpace(name: CGColorSpace.sRGB)
            else { return nil }
            return CGImage(
                width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 24, bytesPerRow: width * 3,
                space: space, bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.none.rawValue), provider: provider,
                decode: nil, shouldInterpolate: true, intent: .defaultIntent)
        }
    #endif
}

/// Frames and facts of any file or bytes, without a client and without a library.
///
/// Works are bounded by ``MediaOptions``; cancelling the task interrupts the decoder.
public enum Media {
    /// One frame, exactly the one that a player shows.
    ///
    /// - Throws: `media` for what cannot be read, `invalid_request` for an input that is neither file nor bytes.
    public static func frame(
        _ source: some MediaInputConvertible, _ position: FramePosition, options: MediaOptions? = nil
    ) async throws -> Frame {
        try await Frame(
            ReelkinGenerated.frame(
                source: source.mediaInput, position: checked(position), options: checked(options)))
    }

    /// Several frames, in the order in which they were asked for.
    public static func frames(
        _ source: some MediaInputConvertible, _ positions: [FramePosition], options: MediaOptions? = nil
    ) async throws -> [Frame] {
        try await ReelkinGenerated.frames(
            source: source.mediaInput, positions: checked(positions), options: checked(options)
        ).map(Frame.init)
    }

    /// What a clip or a picture is: size, length, codecs, colours.
    public static func probe(
        _ source: some MediaInputConvertible, options: MediaOptions? = nil
    ) async throws -> Probe {
        try await ReelkinGenerated.probe(source: source.mediaInput, options: checked(options))
    }
}
