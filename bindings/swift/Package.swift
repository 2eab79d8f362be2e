// swift-tools-version: 6.0
import PackageDescription

// The native library is in lib/ on Linux, and an XCFramework on Apple platforms (build-xcframework.sh).
#if os(Linux)
    let native = Target.systemLibrary(name: "ReelkinGeneratedFFI")
    let folder = Context.packageDirectory + "/lib"
    let linker: [LinkerSetting] = [.unsafeFlags(["-L\(folder)", "-Xlinker", "-rpath", "-Xlinker", folder])]
#else
    let native = Target.binaryTarget(name: "ReelkinGeneratedFFI", path: "ReelkinGeneratedFFI.xcframework")
    let linker: [LinkerSetting] = [
        .linkedLibrary("c++"), .linkedLibrary("z"), .linkedLibrary("iconv"),
        .linkedFramework("CoreFoundation"), .linkedFramework("Security"), .linkedFramework("SystemConfiguration"),
    ]
#endif

let package = Package(
    name: "reelkin-swift",
    platforms: [.macOS(.v13), .iOS(.v16), .tvOS(.v16), .visionOS(.v1)],
    products: [.library(name: "Reelkin", targets: ["Reelkin"])],
    targets: [
        native,
        .target(name: "ReelkinGenerated", dependencies: ["ReelkinGeneratedFFI"], linkerSettings: linker),
        .target(name: "Reelkin", dependencies: ["ReelkinGenerated"]),
    ]
)
