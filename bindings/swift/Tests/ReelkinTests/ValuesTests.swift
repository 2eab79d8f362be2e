import Foundation
import Reelkin
import XCTest

#if canImport(CoreGraphics)
    import CoreGraphics
#endif

/// Values keep their content across the language boundary and have idiomatic types.
final class ValuesTests: XCTestCase {
    func testEvents() async throws {
        try await inStudio(minJobDuration: .milliseconds(500)) { studio in
            let job = try await studio.client.startGenerate(GenerateRequest("a", duration: .seconds(1)))
            async let first = job.events.reduce(into: [JobEvent]()) { $0.append($1) }
            let clip = try await job.wait()
            // A late iteration also sees all events.
            let second = try await job.events.reduce(into: [JobEvent]()) { $0.append($1) }
            let events = try await first
            XCTAssertEqual(events.last, second.last)
            XCTAssertTrue(events.contains { if case .submitted(let id, _) = $0 { id == job.id } else { false } })
            guard case .saved(let id, let path) = events.last else { return XCTFail("\(events)") }
            XCTAssertEqual(id, clip.id)
            XCTAssertEqual(path, clip.path)
        }
    }

    func testChain() async throws {
        try await inStudio { studio in
            let short = GenerateRequest("dawn", duration: .seconds(1), resolution: .p480)
            let step = ContinueRequest("boats leave", duration: .seconds(1), resolution: .p480, plan: .off)
            let chain = try await studio.client.startChain(ChainRequest(.generate(short), [step], budget: 5))
            let outcome = try await chain.wait()
            XCTAssertEqual(outcome.clips.count, 2)
            XCTAssertEqual(outcome.id, chain.id)
            XCTAssertEqual(outcome.cost, outcome.clips.reduce(0) {
                $0 + ($1.record?.reelkin?.cost ?? 0)
            })
        }
    }

    func testTheEstimateOfEachVerbIsItsCost() async throws {
        try await inStudio { studio in
            let (client, clip) = (studio.client, try await studio.client.generate("a", duration: .seconds(2)))
            let step = ContinueRequest("rain", duration: .seconds(1), plan: .off)
            let estimates = [
                try await client.estimate(EditRequest(clip, "night")),
                try await client.estimate(ExtendRequest(clip, "on", duration: .seconds(2))),
                try await client.estimate(clip, step),
                try await client.estimate(ChainRequest(.clip(clip.mediaInput), [step])),
            ]
            XCTAssertEqual(try studio.creates, 1)
            let made = [
                try await client.edit(clip, "night"),
                try await client.extend(clip, "on", duration: .seconds(2)),
                try await client.continueFrom(clip, step),
            ]
            let costs = made.map { $0.record?.reelkin?.cost }
            XCTAssertEqual(estimates.map(\.cost), costs + [costs.last!])
        }
    }

    func testMoneyAndNames() async throws {
        try await inStudio { studio in
            let request = GenerateRequest("a", model: .classic, duration: .seconds(6), resolution: .p720, aspectRatio: "16:9")
            let checked = try await studio.client.estimate(request)
            XCTAssertEqual(checked.cost, Decimal(string: "0.42"))
            XCTAssertEqual(checked.model, .classic)
            XCTAssertEqual(checked.resolution, .p720)
            XCTAssertEqual(checked.aspectRatio, .wide)
            XCTAssertEqual("\(checked.resolution!)", "720p")
            XCTAssertEqual(checked.duration, .seconds(6))
            XCTAssertFalse(studio.client.models.models.isEmpty)
            XCTAssertEqual(studio.client.models, try ModelTable.builtIn)
            XCTAssertEqual(PollPolicy.default.deadline, .seconds(900))
            XCTAssertEqual(studio.client.service, studio.sandbox.baseUrl.replacingOccurrences(of: "/v1", with: ""))
            let visible = try await studio.client.visibleModels()
            XCTAssertFalse(visible.isEmpty)
            XCTAssertFalse(version.isEmpty)
        }
    }

    func testErrorDescriptions() async throws {
        try await inStudio(faults: ["moderated=400"]) { studio in
            let error = try await failure("moderated") { try await studio.clip() }
            let description = error.localizedDescription
            XCTAssertTrue(description.hasPrefix(error.reason), description)
            XCTAssertFalse(description.contains("ErrorDetails"), description)
            XCTAssertEqual("\(error)", error.reason)
            if let guidance = error.guidance { XCTAssertEqual(description, error.reason + "\n" + guidance) }
            // Also through Foundation's `Error`.
            XCTAssertEqual((error as any Error).localizedDescription, description)
        }
    }

    func testPixelsAreNotCopied() async throws {
        let pixels = Data((0..<(64 * 48 * 3)).map { UInt8(truncatingIfNeeded: $0) })
        var frame: Frame? = try Frame(width: 64, height: 48, rgb: pixels)
        let rgb = try XCTUnwrap(frame).rgb
        let address = { (data: Data) in data.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } }
        XCTAssertEqual(address(rgb), address(try XCTUnwrap(frame).rgb))
        XCTAssertEqual(rgb, pixels)
        // Mutation makes a copy.
        var changed = try XCTUnwrap(frame).rgb
        changed[0] = 200
        XCTAssertNotEqual(address(changed), address(rgb))
        XCTAssertEqual(frame?.rgb, pixels)
        // The data keeps the pixels alive.
        frame = nil
        for _ in 0..<100 { _ = try Frame(width: 64, height: 48, rgb: Data(count: 64 * 48 * 3)) }
        XCTAssertEqual(rgb, pixels)
        let png = try Frame(width: 64, height: 48, rgb: rgb).toPng()
        let again = try await Media.frame(MediaInput.bytes(bytes: png, name: "picture"), .first)
        XCTAssertEqual(again.rgb, pixels)
        XCTAssertTrue(try again.toJpeg().starts(with: [0xFF, 0xD8]))
    }

    #if canImport(CoreGraphics)
        func testImagesOfCoreGraphics() throws {
            let pixels = Data((0..<(64 * 48 * 3)).map { UInt8(truncatingIfNeeded: $0) })
            let frame = try Frame(width: 64, height: 48, rgb: pixels)
            let image = try XCTUnwrap(frame.cgImage())
            XCTAssertEqual([image.width, image.height], [64, 48])
            XCTAssertEqual(try Frame(image).rgb, pixels)
        }
    #endif

    func testFrames() async throws {
        try await inStudio { studio in
            let clip = try await studio.clip()
            let path = try XCTUnwrap(clip.path)
            let frames = try await Media.frames(path, [.last, .first, .at(.milliseconds(500)), .number(2)])
            XCTAssertEqual(frames[1].number, 0)
            XCTAssertEqual(frames[1].time, .zero)
            XCTAssertEqual(frames[3].number, 2)
            XCTAssertLessThan(frames[2].time, frames[0].time)
            let probe = try await Media.probe(path)
            XCTAssertEqual(probe.video.width, UInt32(frames[0].width))
            let bytes = try await studio.client.library.read(clip)
            XCTAssertEqual(UInt64(bytes.count), probe.size)
        }
    }
}
