import Foundation
import Reelkin
import XCTest

/// 10,000 native calls do not leak memory.
final class LeakTests: XCTestCase {
    /// Maximum growth of memory in MiB: 200 bytes per call. Leaking the frames would add 5.
    private let maxGrowth = 2.0

    func testTenThousandCalls() async throws {
        #if !os(Linux)
            throw XCTSkip("resident memory is read from /proc")
        #endif
        try await inStudio { studio in
            let clip = try await studio.clip()
            let library = studio.client.library
            let pixels = Data(count: 64 * 64 * 3)
            func round() async throws {
                let request = GenerateRequest("a lighthouse", duration: .seconds(1))
                _ = try await studio.client.estimate(request)
                _ = try await library.list()
                _ = try await library.clip(clip.id)
                _ = try await library.family(clip).members
                _ = try Frame(width: 64, height: 64, rgb: pixels).rgb.count
                _ = try ModelTable.builtIn
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
            let growth = try resident() - before
            print("10,000 calls: memory grew by \(growth) MiB")
            XCTAssertLessThan(growth, maxGrowth)
        }
    }

    private func resident() throws -> Double {
        let words = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return try XCTUnwrap(Double(words[1])) * 4096 / 1_048_576
    }
}
