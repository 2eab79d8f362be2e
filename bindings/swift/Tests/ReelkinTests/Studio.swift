import Foundation
import Reelkin
import XCTest

/// A sandbox and a client of it, with a library of its own.
struct Studio {
    let sandbox: Sandbox
    let client: VideoClient
    let folder: URL

    init(faults: [String] = [], budget: Budget? = nil, secondsPerJob: Double = 0.2) async throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("reelkin-\(UUID().uuidString)")
        sandbox = try await Sandbox.start(secondsPerJob: secondsPerJob, faults: faults)
        client = try Self.client(of: sandbox, folder, budget: budget)
    }

    static func client(of sandbox: Sandbox, _ folder: URL, key: String? = nil, budget: Budget? = nil) throws -> VideoClient {
        var poll = PollPolicy.default
        (poll.first, poll.shortest, poll.longest) = (.milliseconds(50), .milliseconds(50), .milliseconds(200))
        return try VideoClient(
            library: folder, apiKey: key ?? sandbox.apiKey, baseUrl: sandbox.baseUrl, budget: budget, poll: poll,
            rateLimit: RateLimit(requestsPerSecond: 200, createsPerSecond: 100))
    }

    /// The smallest clip there is.
    func clip(_ prompt: String = "a lighthouse", seconds: Int = 1) async throws -> Clip {
        try await client.generate(prompt, duration: .seconds(seconds), resolution: .p480)
    }

    /// What a client does that is not told to wait at all.
    func end() async throws {
        try await client.close()
        try await sandbox.stop()
        try? FileManager.default.removeItem(at: folder)
    }

    var creates: UInt64 {
        get throws { try sandbox.state.creates }
    }
}

/// Runs a test in a studio, and ends it however the test ends.
func inStudio(
    faults: [String] = [], budget: Budget? = nil, secondsPerJob: Double = 0.2,
    _ test: (Studio) async throws -> Void
) async throws {
    let studio = try await Studio(faults: faults, budget: budget, secondsPerJob: secondsPerJob)
    do {
        try await test(studio)
    } catch {
        try? await studio.end()
        throw error
    }
    try await studio.end()
}

/// The error of a call that has to fail.
@discardableResult
func failure<T>(
    _ code: String? = nil, _ call: () async throws -> T, file: StaticString = #filePath, line: UInt = #line
) async throws -> VideoError {
    do {
        let value = try await call()
        XCTFail("no error but \(value)", file: file, line: line)
        throw CancellationError()
    } catch let error as VideoError {
        if let code { XCTAssertEqual(error.code, code, "\(error)", file: file, line: line) }
        XCTAssertFalse(error.reason.isEmpty, file: file, line: line)
        return error
    }
}

/// That a call ends with `CancellationError`.
func cancelled<T>(
    _ task: Task<T, any Error>, within limit: Duration = .seconds(5), file: StaticString = #filePath, line: UInt = #line
) async {
    let begin = ContinuousClock.now
    task.cancel()
    do {
        let value = try await task.value
        XCTFail("not cancelled: \(value)", file: file, line: line)
    } catch {
        XCTAssertTrue(error is CancellationError, "\(error)", file: file, line: line)
    }
    XCTAssertLessThan(ContinuousClock.now - begin, limit, file: file, line: line)
}

/// Waits until something is so, at most 30 s.
func until(_ what: String, _ isSo: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while try await !isSo() {
        guard ContinuousClock.now < deadline else {
            XCTFail("never: \(what)")
            throw CancellationError()
        }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// Another program: of this build when it is a bare name.
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

    /// Where the programs of this build are.
    static var built: URL {
        #if os(Linux)
            Bundle.main.bundleURL
        #else
            Bundle(for: ScenariosTests.self).bundleURL.deletingLastPathComponent()
        #endif
    }

    /// The first line that it prints.
    func line() throws -> String {
        var line = Data()
        while let byte = try output.fileHandleForReading.read(upToCount: 1), byte != Data("\n".utf8) {
            line.append(byte)
        }
        return String(decoding: line, as: UTF8.self)
    }

    /// All that it still prints; its status is in `process` then.
    func end() throws -> String {
        let rest = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: rest, as: UTF8.self)
    }
}

/// Every file below a folder.
func files(below folder: URL) throws -> [URL] {
    try FileManager.default.subpathsOfDirectory(atPath: folder.path).map(folder.appendingPathComponent)
        .filter { url in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) && !isFolder.boolValue
        }
}
