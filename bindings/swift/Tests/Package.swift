// swift-tools-version: 6.0
import PackageDescription

// A package that depends on the finished one by its path, as a user's does. test.sh puts it beside it.
let reelkin = Target.Dependency.product(name: "Reelkin", package: "reelkin-swift")

let package = Package(
    name: "ReelkinTests",
    platforms: [.macOS(.v13)],
    dependencies: [.package(path: "../reelkin-swift")],
    targets: [
        // Another process of a user's, for those that end early.
        .executableTarget(name: "Child", dependencies: [reelkin], path: "Child"),
        // For bench.sh.
        .executableTarget(name: "Bench", dependencies: [reelkin], path: "Bench"),
        .executableTarget(name: "Baseline", path: "Baseline"),
        .testTarget(name: "ReelkinTests", dependencies: [reelkin, "Child"], path: "ReelkinTests"),
    ]
)
