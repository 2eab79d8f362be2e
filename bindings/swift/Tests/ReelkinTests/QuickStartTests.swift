import Foundation
import XCTest

/// Runs the package of docs/src/guide/swift.md, which test.sh has built.
final class QuickStartTests: XCTestCase {
    func testQuickStart() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = try Program("/usr/bin/env", ["-C", folder.path, Program.built.appendingPathComponent("QuickStart").path])
        let output = try program.end()
        XCTAssertEqual(program.process.terminationStatus, 0, output)
        for word in ["$0.05", "saved", "flowchart", "moderated", "recovered 1"] {
            XCTAssertTrue(output.contains(word), "\(word) is missing in:\n\(output)")
        }
        XCTAssertTrue(FileManager.default.fileExists(atPath: folder.appendingPathComponent("last.png").path))
    }
}
