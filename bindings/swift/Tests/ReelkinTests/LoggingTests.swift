import Foundation
import Reelkin
import XCTest

/// The records that a handler got.
private final class Heard: @unchecked Sendable {
    private let lock = NSLock()
    private var records: [LogRecord] = []

    func add(_ record: LogRecord) {
        lock.lock()
        defer { lock.unlock() }
        records.append(record)
    }

    var all: [LogRecord] {
        lock.lock()
        defer { lock.unlock() }
        return records
    }

    /// Waits until a message begins with a text.
    func until(_ text: String) async throws {
        for _ in 0..<3000 {
            if all.contains(where: { $0.message.hasPrefix(text) }) { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        XCTFail("no record begins with \(text): \(all)")
    }
}

final class LoggingTests: XCTestCase {
    override func tearDown() {
        ReelkinLog.setHandler(nil)
    }

    func testJobsAndRepliesAreLogged() async throws {
        let heard = Heard()
        ReelkinLog.setHandler(level: .debug) { heard.add($0) }
        try await inStudio { studio in
            let clip = try await studio.clip("a secret lighthouse")
            try await heard.until("saved")
            let records = heard.all
            XCTAssertTrue(records.contains { $0.logger == "reelkin.http" && $0.level == .debug })
            let saved = try XCTUnwrap(records.first { $0.message.hasPrefix("saved") })
            XCTAssertEqual(saved.logger, "reelkin")
            XCTAssertTrue(saved.message.contains(clip.id))
            XCTAssertLessThan(abs(saved.time.timeIntervalSinceNow), 60)
            for secret in ["secret lighthouse", studio.sandbox.apiKey, "?"] {
                XCTAssertFalse(records.contains { $0.message.contains(secret) }, secret)
            }
        }
    }

    func testLessImportantRecordsAreLeftOut() async throws {
        let heard = Heard()
        ReelkinLog.setHandler { heard.add($0) }
        try await inStudio { studio in
            _ = try await studio.clip()
            try await heard.until("saved")
            XCTAssertEqual(Set(heard.all.map(\.logger)), ["reelkin"])
        }
    }

    func testAHandlerCanBeReplaced() async throws {
        let (first, second) = (Heard(), Heard())
        try await inStudio { studio in
            ReelkinLog.setHandler { first.add($0) }
            _ = try await studio.clip()
            try await first.until("saved")
            ReelkinLog.setHandler { second.add($0) }
            let before = first.all.count
            _ = try await studio.clip()
            try await second.until("saved")
            XCTAssertEqual(first.all.count, before)
        }
    }
}
