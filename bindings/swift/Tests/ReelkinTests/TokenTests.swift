import Foundation
import Reelkin
import XCTest

/// Tokens from a closure instead of a key. The sandbox accepts its key as a token.
final class TokenTests: XCTestCase {
    actor Counter {
        var calls = 0
        var cancelled = false
        func call() { calls += 1 }
        func cancel() { cancelled = true }
    }

    struct NoToken: Error, CustomStringConvertible {
        let description = "no token\nfor you"
    }

    /// Runs a test with another client of the sandbox, which has a token source, no key and its own library.
    private func withClient(
        _ studio: Studio, timeouts: Timeouts? = nil, _ token: @escaping @Sendable () async throws -> AccessToken,
        _ test: (VideoClient) async throws -> Void
    ) async throws {
        let client = try VideoClient(
            library: studio.folder.appendingPathComponent("tokens"), baseUrl: studio.sandbox.baseUrl,
            timeouts: timeouts, token: token)
        do {
            try await test(client)
        } catch {
            try? await client.close()
            throw error
        }
        try await client.close()
    }

    func testOneTokenIsEnoughForAJob() async throws {
        try await inStudio { studio in
            let (counter, key) = (Counter(), studio.sandbox.apiKey)
            let source: @Sendable () async throws -> AccessToken = {
                await counter.call()
                return AccessToken(secret: key, expiresIn: .seconds(3600))
            }
            try await withClient(studio, source) { client in
                _ = try await client.generate("a bay", duration: .seconds(1), resolution: .p480)
                _ = try await client.visibleModels()
            }
            let calls = await counter.calls
            XCTAssertEqual(calls, 1)
            XCTAssertEqual(try studio.creates, 1)
        }
    }

    func testATokenWithoutALifetimeIsUsedForOneRequest() async throws {
        try await inStudio { studio in
            let (counter, key) = (Counter(), studio.sandbox.apiKey)
            let source: @Sendable () async throws -> AccessToken = {
                await counter.call()
                return AccessToken(secret: key)
            }
            try await withClient(studio, source) { client in
                _ = try await client.visibleModels()
                _ = try await client.visibleModels()
            }
            let calls = await counter.calls
            XCTAssertEqual(calls, 2)
        }
    }

    func testAnErrorBecomesAnAuthErrorAndNothingIsSent() async throws {
        try await inStudio { studio in
            try await withClient(studio, { throw NoToken() }) { client in
                let error = try await failure("auth") {
                    try await client.generate("a bay", duration: .seconds(1), resolution: .p480)
                }
                XCTAssertEqual(error.reason, "get a token: no token for you")
                XCTAssertEqual(error.details.mayHaveBeenCharged, .no)
                XCTAssertTrue(error.isRetryable)
                let open = try await client.library.jobs()
                XCTAssertEqual(open, [])
            }
            XCTAssertEqual(try studio.sandbox.state.createRequests, 0)
        }
    }

    func testAClosureThatHangsIsCancelledAtTheDeadline() async throws {
        try await inStudio { studio in
            let counter = Counter()
            var timeouts = Timeouts.default
            timeouts.token = .milliseconds(300)
            let source: @Sendable () async throws -> AccessToken = {
                do {
                    try await Task.sleep(for: .seconds(3600))
                } catch {
                    await counter.cancel()
                    throw error
                }
                return AccessToken(secret: "never")
            }
            try await withClient(studio, timeouts: timeouts, source) { client in
                let error = try await failure("auth") {
                    try await client.generate("a bay", duration: .seconds(1), resolution: .p480)
                }
                XCTAssertTrue(error.reason.contains("within 0.3 s"), error.reason)
                try await until("it was cancelled") { await counter.cancelled }
            }
            XCTAssertEqual(try studio.sandbox.state.createRequests, 0)
        }
    }

    func testTokensAreNotPrintedAndExcludeAKey() async throws {
        try await inStudio { studio in
            let token = AccessToken(secret: "SECRET", expiresIn: .seconds(60))
            var dumped = ""
            dump(token, to: &dumped)
            for text in ["\(token)", String(reflecting: token), dumped] {
                XCTAssertFalse(text.contains("SECRET"), text)
            }
            try await failure("config") {
                try VideoClient(library: studio.folder, apiKey: "key", baseUrl: studio.sandbox.baseUrl) {
                    AccessToken(secret: "token")
                }
            }
            // A duration that Swift can represent but the native library cannot.
            try await withClient(studio, { AccessToken(secret: "x", expiresIn: .seconds(-1)) }) { client in
                try await failure("auth") { try await client.visibleModels() }
            }
        }
    }
}
