import Foundation
import Reelkin
import XCTest

/// Invalid input throws a `VideoError` with the right code and never crashes the process.
final class BadInputTests: XCTestCase {
    func testInvalidDurations() async throws {
        try await inStudio { studio in
            let client = studio.client
            let clip = try await studio.clip()
            let before = Duration.seconds(-1)
            let error = try await failure("invalid_request") { try await client.generate("a", duration: before) }
            XCTAssertTrue(error.reason.contains("duration"), error.reason)
            XCTAssertEqual(error.details.mayHaveBeenCharged, .no)
            try await failure("invalid_request") { try await client.frame(clip, .at(before)) }
            try await failure("invalid_request") {
                try await client.frame(clip, .last, options: MediaOptions(deadline: before))
            }
            try await failure("invalid_request") { try await client.extend(clip, "on", duration: before) }
            try await failure("invalid_request") { try await studio.sandbox.restart(downtime: before) }
            let keyframe = Keyframe(at: before, image: .path(URL(fileURLWithPath: "a.png")))
            try await failure("invalid_request") {
                try await client.generate(mode: .frames(first: nil, last: nil, keyframes: [keyframe]))
            }
            var poll = PollPolicy.default
            poll.longest = before
            try await failure("invalid_request") {
                try VideoClient(library: studio.folder, apiKey: "k", baseUrl: studio.sandbox.baseUrl, poll: poll)
            }
            // An infinite duration is invalid, and the native library rejects very long ones.
            try await failure("invalid_request") { try await client.generate("a", duration: .seconds(Int64.max)) }
            try await failure("invalid_request") { try await client.generate("a", duration: .seconds(1 << 62)) }
            XCTAssertEqual(try studio.creates, 1)
        }
    }

    func testInvalidAmounts() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        for amount in ["-0.01", "NaN", "0.00000000001", "1844674407.3709551616", "1e40"] {
            let limit = Budget.limits(perDay: Decimal(string: amount) ?? .nan)
            let error = try await failure("invalid_request") {
                try VideoClient(library: folder, apiKey: "k", baseUrl: "http://127.0.0.1:9", budget: limit)
            }
            XCTAssertTrue(error.reason.contains("perDay"), error.reason)
        }
        for amount in ["0", "0.0000000001", "1844674407.3709551615"] {
            let limit = Budget.limits(perDay: Decimal(string: amount))
            try await VideoClient(library: folder, apiKey: "k", baseUrl: "http://127.0.0.1:9", budget: limit).close()
        }
        try? FileManager.default.removeItem(at: folder)
    }

    func testInvalidSettings() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try await failure("config") { try VideoClient(library: folder) }
        try await failure("config") { try VideoClient(library: folder, apiKey: "k", baseUrl: "not an address") }
        try await failure("config") { try VideoClient(library: folder, apiKey: "k", baseUrl: "http://example.com") }
        try await failure("config") { try VideoClient(library: folder, apiKey: "k", models: "= no toml") }
        try await failure("config") { try VideoClient(library: folder, apiKey: "k", proxy: "socks5://a") }
        try await failure("config") { try VideoClient(library: folder, apiKey: "k", noProxy: "10.0.0.0/99") }
        try await failure("config") { try VideoClient(library: folder, apiKey: "k", rootCertificates: "none") }
        try await failure("not_found") { try VideoClient(library: URL(fileURLWithPath: "/proc/none"), apiKey: "k") }
        try await failure { try VideoClient(library: URL(string: "https://example.com/clips")!, apiKey: "k") }
        try await failure("config") { try await Sandbox.start(listen: "nowhere") }
        try await failure("invalid_request") { try await Sandbox.start(faults: ["no-such-fault"]) }
        try await failure("invalid_request") { try await Sandbox.start(linkLifetime: .seconds(-1)) }
        try? FileManager.default.removeItem(at: folder)
    }

    func testInvalidRequests() async throws {
        try await inStudio { studio in
            let client = studio.client
            try await failure("invalid_request") { try await client.generate() }
            try await failure("invalid_request") { try await client.generate("a", duration: .seconds(1000)) }
            try await failure("invalid_request") { try await client.generate("a", resolution: "4711p") }
            try await failure("invalid_request") { try await client.generate("a", duration: .milliseconds(1500)) }
            try await failure("not_found") {
                try await client.edit(URL(fileURLWithPath: "/no/such/clip.mp4"), "night")
            }
            try await failure("not_found") { try await client.continueFrom(MediaInput.clip("none"), "on") }
            try await failure("not_found") { try await client.library.clip("1795356974837_00000000") }
            try await failure("invalid_request") { try await client.library.list(limit: -1) }
            try await failure("invalid_request") { try await client.library.list(before: "../no id") }
            try await failure { try await client.job("not an id / at all") }
            try await failure { try await client.library.settle("none", .neverMade) }
            try await failure("invalid_request") { try await client.library.settle("none", .lost(-1)) }
            XCTAssertEqual(try studio.creates, 0)
        }
    }

    func testInvalidImages() async throws {
        let garbage = MediaInput.bytes(bytes: Data("no clip".utf8), name: "clip.mp4")
        try await failure("media") { try await Media.frame(garbage, .last) }
        try await failure("media") { try await Media.probe(MediaInput.bytes(bytes: Data(), name: "nothing")) }
        try await failure { try await Media.probe(URL(fileURLWithPath: "/no/such/file")) }
        try await failure("invalid_request") { try await Media.frame(MediaInput.url("https://example.com/a.mp4"), .last) }
        try await failure { try Frame(width: 0, height: 0, rgb: Data()) }
        try await failure { try Frame(width: 2, height: 2, rgb: Data(count: 11)) }
        try await failure("invalid_request") { try Frame(width: -1, height: 2, rgb: Data()) }
        try await failure { try Frame(width: 1 << 31, height: 1 << 31, rgb: Data(count: 3)) }
        let frame = try Frame(width: 2, height: 2, rgb: Data(count: 12))
        for quality in [-1, 0, 101, 255, 256] {
            try await failure("media") { try frame.toJpeg(quality: quality) }
        }
        try await failure { try frame.psnr(Frame(width: 1, height: 1, rgb: Data(count: 3))) }
    }

    func testCallsOnAClosedClient() async throws {
        try await inStudio { studio in
            let clip = try await studio.clip()
            let library = studio.client.library
            let client = studio.client
            try await client.close()
            try await client.close()
            try await failure("config") { try await studio.clip() }
            try await failure("config") { try await client.startGenerate(GenerateRequest("a")) }
            try await failure("config") { try await client.frame(clip, .last) }
            try await failure("config") { try await client.analyze(clip) }
            try await failure("config") { try await client.recover() }
            try await failure("config") { try await client.visibleModels() }
            try await failure("config") { try await client.estimate(GenerateRequest("a")) }
            // The library still works, and so do the values that are fixed when the client is created.
            for library in [library, client.library] {
                let page = try await library.list()
                XCTAssertEqual(page.clips.map(\.id), [clip.id])
            }
            XCTAssertEqual(client.library.folder?.path, studio.folder.path)
            XCTAssertTrue(studio.sandbox.baseUrl.hasPrefix(client.service))
            XCTAssertFalse(client.models.models.isEmpty)
            try await studio.sandbox.stop()
            try await studio.sandbox.stop()
            try await failure("config") { try studio.sandbox.state }
        }
    }

    func testThreadsShareAClient() async throws {
        try await inStudio { studio in
            let clip = try await studio.clip()
            let frame = try await studio.client.frame(clip, .last)
            let done = expectation(description: "every thread is done")
            done.expectedFulfillmentCount = 8
            for _ in 0..<8 {
                Thread.detachNewThread {
                    // Each thread has its own task on the same client.
                    let waits = DispatchSemaphore(value: 0)
                    Task {
                        for _ in 0..<20 {
                            let same = try await studio.client.frame(clip, .last)
                            XCTAssertEqual(same.rgb, frame.rgb)
                            _ = try await studio.client.library.list()
                        }
                        done.fulfill()
                        waits.signal()
                    }
                    waits.wait()
                }
            }
            await fulfillment(of: [done], timeout: 120)
        }
    }

    func testExitWithAJobInFlight() async throws {
        // Repeated, because any thread can end the process.
        let actions = Array(repeating: "start-and-end", count: 5) + ["end-while-creating"]
        for action in actions {
            let limit = Duration.seconds(15)
            let faults = action == "end-while-creating" ? ["create:delay=2,times=1"] : []
            try await inStudio(faults: faults, minJobDuration: .seconds(1)) { studio in
                let start = ContinuousClock.now
                let child = try Program(
                    "Child", [action, studio.sandbox.baseUrl, studio.folder.path],
                    environment: ["XAI_API_KEY": studio.sandbox.apiKey])
                _ = try child.end()
                XCTAssertEqual(child.process.terminationReason, .exit)
                XCTAssertEqual(child.process.terminationStatus, 0)
                XCTAssertLessThan(ContinuousClock.now - start, limit)
                let recovered = try await studio.client.recover()
                XCTAssertEqual(recovered.saved.count, 1, action)
                XCTAssertEqual(recovered.unsettled, [], action)
                XCTAssertEqual(try studio.creates, 1, action)
            }
        }
    }
}
