import Foundation
import ReelkinGenerated

// Conversions between frames and the image types of Apple's frameworks. Untested, because the tests run on Linux.

#if canImport(CoreGraphics)
    import CoreGraphics

    extension Frame {
        /// Returns a Core Graphics image over the same pixels, in the sRGB color space.
        public func cgImage() -> CGImage? {
            guard let provider = CGDataProvider(data: rgb as CFData),
                let space = CGColorSpace(name: CGColorSpace.sRGB)
            else { return nil }
            return CGImage(
                width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 24, bytesPerRow: width * 3,
                space: space, bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.none.rawValue), provider: provider,
                decode: nil, shouldInterpolate: true, intent: .defaultIntent)
        }

        /// Creates a frame from a Core Graphics image, converted to sRGB. Transparent parts become black.
        ///
        /// - Throws: `invalid_request` if the image cannot be drawn.
        public convenience init(_ image: CGImage) throws {
            let (width, height) = (image.width, image.height)
            // Core Graphics does not draw into packed RGB, so each pixel has a fourth byte that is not used.
            guard let space = CGColorSpace(name: CGColorSpace.sRGB),
                let context = CGContext(
                    data: nil, width: width, height: height, bitsPerComponent: 8, bytesPerRow: width * 4, space: space,
                    bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
            else {
                throw VideoError.invalidArgument("create a frame from an image of \(width)x\(height) pixels: cannot draw it")
            }
            context.draw(image, in: CGRect(x: 0, y: 0, width: width, height: height))
            var rgb = Data(capacity: width * height * 3)
            withExtendedLifetime(context) {
                let pixels = UnsafeRawBufferPointer(start: context.data, count: context.data == nil ? 0 : width * height * 4)
                for pixel in stride(from: 0, to: pixels.count, by: 4) {
                    rgb.append(contentsOf: pixels[pixel..<pixel + 3])
                }
            }
            try self.init(width: width, height: height, rgb: rgb)
        }
    }
#endif

#if canImport(UIKit)
    import UIKit

    extension UIImage {
        /// Creates an image over the pixels of a frame.
        public convenience init?(_ frame: Frame) {
            guard let image = frame.cgImage() else { return nil }
            self.init(cgImage: image)
        }
    }
#endif

#if canImport(AppKit)
    import AppKit

    extension NSImage {
        /// Creates an image over the pixels of a frame. A pixel is a point.
        public convenience init?(_ frame: Frame) {
            guard let image = frame.cgImage() else { return nil }
            self.init(cgImage: image, size: NSSize(width: frame.width, height: frame.height))
        }
    }
#endif

#if canImport(SwiftUI)
    import SwiftUI

    extension Image {
        /// Creates an image over the pixels of a frame. `label` describes it for accessibility.
        public init?(_ frame: Frame, scale: CGFloat = 1, label: Text) {
            guard let image = frame.cgImage() else { return nil }
            self.init(image, scale: scale, label: label)
        }
    }
#endif
