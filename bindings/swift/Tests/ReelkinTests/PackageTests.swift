import Foundation
import XCTest

final class PackageTests: XCTestCase {
    /// Apple's required-reason APIs: the native library only reads the attributes of files.
    func testPrivacyManifest() throws {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("reelkin-swift")
        let file = package.appendingPathComponent("Sources/Reelkin/PrivacyInfo.xcprivacy")
        let manifest = try PropertyListDecoder().decode(PrivacyManifest.self, from: Data(contentsOf: file))
        XCTAssertFalse(manifest.NSPrivacyTracking)
        XCTAssertEqual(
            manifest.NSPrivacyAccessedAPITypes.map(\.NSPrivacyAccessedAPIType),
            ["NSPrivacyAccessedAPICategoryFileTimestamp"])
        XCTAssertEqual(manifest.NSPrivacyAccessedAPITypes[0].NSPrivacyAccessedAPITypeReasons, ["C617.1", "3B52.1"])
    }
}

private struct PrivacyManifest: Decodable {
    let NSPrivacyTracking: Bool
    let NSPrivacyTrackingDomains: [String]
    let NSPrivacyCollectedDataTypes: [String]
    let NSPrivacyAccessedAPITypes: [AccessedAPI]

    struct AccessedAPI: Decodable {
        let NSPrivacyAccessedAPIType: String
        let NSPrivacyAccessedAPITypeReasons: [String]
    }
}
