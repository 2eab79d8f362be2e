// swift-tools-version: 6.0
import Foundation
import PackageDescription

// The native library is an XCFramework on Apple platforms (build-xcframework.sh), and a shared library on Linux.
#if os(Linux)
    // A package that contains its library needs flags that SwiftPM accepts only from packages that are used by their path.
    // A package without lib/ (package.sh --prefix) finds its library with pkg-config, and can be a versioned dependency.
    let folder = Context.packageDirectory + "/lib"
    let isBundled = FileManager.default.fileExists(atPath: folder)
    let native = Target.systemLibrary(name: "ReelkinGeneratedFFI", pkgConfig: isBundled ? nil : "reelkin")
    let linker: [LinkerSetting] =
        isBundled ? [.unsafeFlags(["-L\(folder)", "-Xlinker", "-rpath", "-Xlinker", folder])] : []
    let excluded = ["PrivacyInfo.xcprivacy"]
    let resources: [Resource] = []
#else
    let native = Target.binaryTarget(name: "ReelkinGeneratedFFI", path: "ReelkinGeneratedFFI.xcframework")
    let linker: [LinkerSetting] = [
        .linkedLibrary("c++"), .linkedLibrary("z"), .linkedLibrary("iconv"),
        .linkedFramework("CoreFoundation"), .linkedFramework("Security"), .linkedFramework("SystemConfiguration"),
    ]
    let excluded: [String] = []
    let resources = [Resource.copy("PrivacyInfo.xcprivacy")]
#endif

let package = Package(
    name: "reelkin-swift",
    // Those that build-xcframework.sh builds for. Linux needs no entry.
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [.library(name: "Reelkin", targets: ["Reelkin"])],
    targets: [
        native,
        .target(name: "ReelkinGenerated", dependencies: ["ReelkinGeneratedFFI"], linkerSettings: linker),
        .target(name: "Reelkin", dependencies: ["ReelkinGenerated"], exclude: excluded, resources: resources),
    ]
)
