// swift-tools-version: 6.0
import PackageDescription

// A package that depends on the installed one by its path, like a user's package. test.sh puts both next to each other.
let reelkin = Target.Dependency.product(name: "Reelkin", package: "reelkin-swift")

let package = Package(
    name: "ReelkinTests",
    platforms: [.macOS(.v13)],
    dependencies: [.package(path: "../reelkin-swift")],
    targets: [
        // A process that exits or is killed early.
        .executableTarget(name: "Child", dependencies: [reelkin], path: "Child"),
        // For bench.sh.
        .executableTarget(name: "Bench", dependencies: [reelkin], path: "Bench"),
        .executableTarget(name: "Baseline", path: "Baseline"),
        .testTarget(
            name: "ReelkinTests", dependencies: [reelkin, "Child"], path: "ReelkinTests",
            resources: [.copy("python.json")]),
    ]
)
