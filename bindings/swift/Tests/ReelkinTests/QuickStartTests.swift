import Foundation
import XCTest

/// The package of docs/quickstart-swift.md, as it is written there; test.sh has built it beside the tests.
final class QuickStartTests: XCTestCase {
    func testItRunsAsWritten() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = try Program("/usr/bin/env", ["-C", folder.path, Program.built.appendingPathComponent("QuickStart").path])
        let said = try program.end()
        XCTAssertEqual(program.process.terminationStatus, 0, said)
        for word in ["$0.05", "saved", "flowchart", "moderated", "recovered 1"] {
            XCTAssertTrue(said.contains(word), "\(word) is missing in:\n\(said)")
        }
        XCTAssertTrue(FileManager.default.fileExists(atPath: folder.appendingPathComponent("last.png").path))
    }
}
