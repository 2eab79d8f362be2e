import Foundation
import Reelkin
import XCTest

final class LibraryTests: XCTestCase {
    func testClipsAreASequence() async throws {
        try await inStudio { studio in
            var made: [String] = []
            for _ in 0..<5 { made.insert(try await studio.clip().id, at: 0) }
            let library = studio.client.library
            var seen: [String] = []
            for try await clip in library.clips { seen.append(clip.id) }
            XCTAssertEqual(seen, made)
            for pageSize in [1, 2, 5, 6] {
                let entries = try await library.entries(pageSize: pageSize).reduce(into: []) { $0.append($1.id) }
                XCTAssertEqual(entries, made, "\(pageSize)")
            }
            // A loop can end early, and another one starts again.
            let newest = try await library.clips.first { _ in true }
            XCTAssertEqual(newest?.id, made.first)
            try await failure("invalid_request") { for try await _ in library.entries(pageSize: -1) {} }
            try await failure("invalid_request") { for try await _ in library.entries(pageSize: 0) {} }
        }
    }

    func testEntriesThatCannotBeRead() async throws {
        try await inStudio { studio in
            let clips = [try await studio.clip(), try await studio.clip(), try await studio.clip()]
            let path = try XCTUnwrap(clips[1].path)
            try Data("no JSON".utf8).write(to: URL(fileURLWithPath: path.path + ".json"))
            let library = studio.client.library
            var seen: [String] = []
            for try await clip in library.clips { seen.append(clip.id) }
            XCTAssertEqual(seen, [clips[2].id, clips[0].id])
            let entries = try await library.entries(pageSize: 1).reduce(into: []) { $0.append($1) }
            XCTAssertEqual(entries.map(\.id), clips.reversed().map(\.id))
            XCTAssertEqual(entries.map { $0.error == nil }, [true, false, true])
        }
    }

    func testAnEmptyLibrary() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        for try await clip in try Library(open: folder).clips { XCTFail("\(clip)") }
    }

    func testACancelledLoop() async throws {
        try await inStudio { studio in
            _ = try await studio.clip()
            let library = studio.client.library
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                for try await _ in library.clips {}
            }
            await cancelled(task)
        }
    }
}
