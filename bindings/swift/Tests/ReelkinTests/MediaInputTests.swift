import Foundation
import Reelkin
import XCTest

/// Frames, data and URLs are media inputs.
final class MediaInputTests: XCTestCase {
    func testImages() async throws {
        try await inStudio { studio in
            let client = studio.client
            let clip = try await studio.clip()
            let frame = try await client.frame(clip)
            let png = try frame.toPng()
            let file = studio.folder.appendingPathComponent("start.png")
            try png.write(to: file)
            let made = [
                try await client.generate("on", mode: .image(frame), duration: .seconds(1), resolution: .p480),
                try await client.generate("on", mode: .image(png), duration: .seconds(1), resolution: .p480),
                try await client.generate("on", mode: .image(file), duration: .seconds(1), resolution: .p480),
                try await client.generate("on", mode: .image(.frame(frame)), duration: .seconds(1), resolution: .p480),
            ]
            let hashes = made.map { $0.record?.reelkin?.inputs?.map(\.sha256) ?? [] }
            XCTAssertEqual(hashes, Array(repeating: hashes[0], count: 4))
            XCTAssertEqual(hashes[0].count, 1)
        }
    }

    func testImagesInsideARequest() async throws {
        try await inStudio { studio in
            let client = studio.client
            let clip = try await studio.clip()
            let frame = try await client.frame(clip)
            let references = try await client.generate(
                "<IMAGE_0> and <IMAGE_1>",
                mode: .references(images: [.frame(frame, name: "a frame"), .data(frame.toJpeg())], firstFrame: nil),
                duration: .seconds(1), resolution: .p480)
            XCTAssertEqual(references.record?.reelkin?.inputs?.count, 2)
            let request = try await GenerateRequest(
                mode: .frames(
                    first: .frame(frame), last: .data(frame.toPng()),
                    keyframes: [Keyframe(at: .seconds(1), image: .frame(frame))]),
                model: .v1_5, duration: .seconds(3))
            let estimate = try await client.estimate(request)
            XCTAssertNotNil(estimate.cost)
        }
    }

    func testClips() async throws {
        try await inStudio { studio in
            let client = studio.client
            let clip = try await studio.clip()
            let bytes = try await client.library.read(clip)
            let path = try XCTUnwrap(clip.path)
            let last = try await client.frame(clip)
            let frames = [
                try await client.frame(bytes), try await client.frame(.data(bytes, name: "clip.mp4")),
                try await client.frame(path), try await client.frame(MediaInput.url(path)),
                try await Media.frame(bytes), try await Media.frame(.data(bytes)), try await Media.frame(path),
                try await client.frame(MediaInput.clip(clip.fileName)), try await client.frame(clip, .last),
            ]
            XCTAssertEqual(frames.map(\.number), Array(repeating: last.number, count: frames.count))
            XCTAssertTrue(frames.allSatisfy { $0.rgb == last.rgb })
            let first = try await client.frame(clip, .first)
            XCTAssertNotEqual(first.number, last.number)
            let edited = try await client.edit(bytes, "night")
            XCTAssertEqual(edited.record?.reelkin?.operation, "edit")
            let probe = try await Media.probe(.frame(last))
            XCTAssertEqual(Int(probe.video.width), last.width)
        }
    }

    func testURLs() {
        XCTAssertEqual(MediaInput.url(URL(string: "https://example.com/a.mp4")!), .url("https://example.com/a.mp4"))
        XCTAssertEqual(MediaInput.url(URL(fileURLWithPath: "/a.mp4")), .path(URL(fileURLWithPath: "/a.mp4")))
    }

    func testNamesAreInMessages() async throws {
        let error = try await failure("media") { try await Media.frame(.data(Data("no clip".utf8), name: "a strange clip")) }
        XCTAssertTrue(error.reason.contains("a strange clip"), error.reason)
    }

    func testEncodingDoesNotBlockTheCallersActor() async throws {
        let ticks = try await Self.ticksWhileEncoding()
        // One or two if the encoder has the main actor.
        XCTAssertGreaterThan(ticks, 20)
    }

    @MainActor private static func ticksWhileEncoding() async throws -> Int {
        // Noise, which takes PNG the longest.
        var seed: UInt64 = 1
        let pixels = Data((0..<(800 * 600 * 3)).map { _ in
            seed = seed &* 6_364_136_223_846_793_005 &+ 1
            return UInt8(truncatingIfNeeded: seed >> 56)
        })
        let frame = try Frame(width: 800, height: 600, rgb: pixels)
        let watch = Task { @MainActor in
            var ticks = 0
            while !Task.isCancelled {
                await Task.yield()
                ticks += 1
            }
            return ticks
        }
        await Task.yield()
        _ = try await MediaInput.frame(frame)
        watch.cancel()
        return await watch.value
    }
}
