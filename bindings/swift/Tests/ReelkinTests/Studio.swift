import Foundation
import Reelkin
import XCTest

/// A test fixture: a sandbox, a client and a library.
struct Studio {
    let sandbox: Sandbox
    let client: VideoClient
    let folder: URL

    init(faults: [String] = [], budget: Budget? = nil, minJobDuration: Duration = .milliseconds(200)) async throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("reelkin-\(UUID().uuidString)")
        sandbox = try await Sandbox.start(minJobDuration: minJobDuration, faults: faults)
        client = try Self.client(of: sandbox, folder, budget: budget)
    }

    static func client(of sandbox: Sandbox, _ folder: URL, key: String? = nil, budget: Budget? = nil) throws -> VideoClient {
        var poll = PollPolicy.default
        (poll.first, poll.shortest, poll.longest) = (.milliseconds(50), .milliseconds(50), .milliseconds(200))
        return try VideoClient(
            library: folder, apiKey: key ?? sandbox.apiKey, baseUrl: sandbox.baseUrl, budget: budget, poll: poll,
            rateLimit: RateLimit(requestsPerSecond: 200, createsPerSecond: 100))
    }

    /// Generates the smallest possible clip.
    func clip(_ prompt: String = "a lighthouse", seconds: Int = 1) async throws -> Clip {
        try await client.generate(prompt, duration: .seconds(seconds), resolution: .p480)
    }

    /// Closes the client and the sandbox, and deletes the library.
    func end() async throws {
        try await client.close()
        try await sandbox.stop()
        try? FileManager.default.removeItem(at: folder)
    }

    var creates: UInt64 {
        get throws { try sandbox.state.creates }
    }
}

/// Runs a test with a studio, and cleans up afterwards.
func inStudio(
    faults: [String] = [], budget: Budget? = nil, minJobDuration: Duration = .milliseconds(200),
    _ test: (Studio) async throws -> Void
) async throws {
    let studio = try await Studio(faults: faults, budget: budget, minJobDuration: minJobDuration)
    do {
        try await test(studio)
    } catch {
        try? await studio.end()
        throw error
    }
    try await studio.end()
}

/// Returns the error of a call that must fail.
@discardableResult
func failure<T>(
    _ code: String? = nil, _ call: () async throws -> T, file: StaticString = #filePath, line: UInt = #line
) async throws -> VideoError {
    do {
        let value = try await call()
        XCTFail("expected an error, got \(value)", file: file, line: line)
        throw CancellationError()
    } catch let error as VideoError {
        if let code { XCTAssertEqual(error.code, code, "\(error)", file: file, line: line) }
        XCTAssertFalse(error.reason.isEmpty, file: file, line: line)
        return error
    }
}

/// Cancels a task and asserts that it throws `CancellationError`.
func cancelled<T>(
    _ task: Task<T, any Error>, within limit: Duration = .seconds(5), file: StaticString = #filePath, line: UInt = #line
) async {
    let start = ContinuousClock.now
    task.cancel()
    do {
        let value = try await task.value
        XCTFail("expected a cancellation, got \(value)", file: file, line: line)
    } catch {
        XCTAssertTrue(error is CancellationError, "\(error)", file: file, line: line)
    }
    XCTAssertLessThan(ContinuousClock.now - start, limit, file: file, line: line)
}

/// Waits until a condition is true, at most 30 s.
func until(_ description: String, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            XCTFail("timed out: \(description)")
            throw CancellationError()
        }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// A running program. A bare name refers to a program of this build.
struct Program {
    let process = Process()
    private let output = Pipe()

    init(_ path: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        process.executableURL =
            path.contains("/") ? URL(fileURLWithPath: path) : Self.built.appendingPathComponent(path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = output
        try process.run()
    }

    /// The folder with the programs of this build.
    static var built: URL {
        #if os(Linux)
            Bundle.main.bundleURL
        #else
            Bundle(for: ScenariosTests.self).bundleURL.deletingLastPathComponent()
        #endif
    }

    /// Reads the next line of output.
    func line() throws -> String {
        var line = Data()
        while let byte = try output.fileHandleForReading.read(upToCount: 1), byte != Data("\n".utf8) {
            line.append(byte)
        }
        return String(decoding: line, as: UTF8.self)
    }

    /// Waits for the program to exit and returns the remaining output.
    func end() throws -> String {
        let rest = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: rest, as: UTF8.self)
    }
}

/// Returns all files below a folder.
func files(below folder: URL) throws -> [URL] {
    try FileManager.default.subpathsOfDirectory(atPath: folder.path).map(folder.appendingPathComponent)
        .filter { url in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) && !isFolder.boolValue
        }
}
