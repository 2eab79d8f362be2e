import Foundation
import Reelkin
import XCTest

/// 10,000 calls across the boundary leave the memory as it was.
final class LeakTests: XCTestCase {
    /// What the memory may have grown by, in MiB: 200 bytes a call. It grows by none; frames that are kept are 5.
    private let bound = 2.0

    func testTenThousandCalls() async throws {
        #if !os(Linux)
            throw XCTSkip("resident memory is read from /proc")
        #endif
        try await inStudio { studio in
            let clip = try await studio.clip()
            let library = try studio.client.library
            let pixels = Data(count: 64 * 64 * 3)
            func round() async throws {
                let request = GenerateRequest("a lighthouse", duration: .seconds(1))
                _ = try studio.client.estimate(request)
                _ = try await library.list()
                _ = try await library.clip(clip.id)
                _ = try await library.family(clip).members
                _ = try Frame(width: 64, height: 64, rgb: pixels).rgb.count
                _ = try studio.client.models
                _ = try? await library.clip("none")
                _ = try? Frame(width: 1, height: 1, rgb: pixels)
                let task = Task { try await library.list() }
                task.cancel()
                _ = await task.result
                _ = try studio.sandbox.state
            }
            for _ in 0..<300 { try await round() }
            let before = try resident()
            for _ in 0..<1000 { try await round() }
            let grown = try resident() - before
            print("10,000 calls: memory grew by \(grown) MiB")
            XCTAssertLessThan(grown, bound)
        }
    }

    private func resident() throws -> Double {
        let words = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return try XCTUnwrap(Double(words[1])) * 4096 / 1_048_576
    }
}
