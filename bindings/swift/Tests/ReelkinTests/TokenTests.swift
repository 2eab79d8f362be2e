import Foundation
import Reelkin
import XCTest

/// A closure of the caller's that gives tokens, in place of a key. The sandbox's key is the token that is right.
final class TokenTests: XCTestCase {
    actor Counter {
        var asked = 0
        var cancelled = false
        func ask() { asked += 1 }
        func cancel() { cancelled = true }
    }

    struct NoToken: Error, CustomStringConvertible {
        let description = "no token\nfor you"
    }

    /// A client of the studio's sandbox with another library and no key.
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

    func testOneCallServesAWholeJob() async throws {
        try await inStudio { studio in
            let (counter, key) = (Counter(), try studio.sandbox.apiKey)
            let source: @Sendable () async throws -> AccessToken = {
                await counter.ask()
                return AccessToken(secret: key, expiresIn: .seconds(3600))
            }
            try await withClient(studio, source) { client in
                _ = try await client.generate("a bay", duration: .seconds(1), resolution: .p480)
                _ = try await client.visibleModels()
            }
            let asked = await counter.asked
            XCTAssertEqual(asked, 1)
            XCTAssertEqual(try studio.creates, 1)
        }
    }

    func testWithoutAnExpiryItIsAskedForEachRequest() async throws {
        try await inStudio { studio in
            let (counter, key) = (Counter(), try studio.sandbox.apiKey)
            let source: @Sendable () async throws -> AccessToken = {
                await counter.ask()
                return AccessToken(secret: key)
            }
            try await withClient(studio, source) { client in
                _ = try await client.visibleModels()
                _ = try await client.visibleModels()
            }
            let asked = await counter.asked
            XCTAssertEqual(asked, 2)
        }
    }

    func testWhatItThrowsIsTheErrorAndNothingIsSent() async throws {
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

    func testOneThatHangsEndsAtTheDeadlineAndIsCancelled() async throws {
        try await inStudio { studio in
            let counter = Counter()
            var soon = Timeouts.default
            soon.token = .milliseconds(300)
            let source: @Sendable () async throws -> AccessToken = {
                do {
                    try await Task.sleep(for: .seconds(3600))
                } catch {
                    await counter.cancel()
                    throw error
                }
                return AccessToken(secret: "never")
            }
            try await withClient(studio, timeouts: soon, source) { client in
                let error = try await failure("auth") {
                    try await client.generate("a bay", duration: .seconds(1), resolution: .p480)
                }
                XCTAssertTrue(error.reason.contains("within 0.3 s"), error.reason)
                try await until("it was cancelled") { await counter.cancelled }
            }
            XCTAssertEqual(try studio.sandbox.state.createRequests, 0)
        }
    }

    func testATokenIsNotShownAndNoKeyIsGivenBesides() async throws {
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
            // A time that Swift can say and the core cannot.
            try await withClient(studio, { AccessToken(secret: "x", expiresIn: .seconds(-1)) }) { client in
                try await failure("auth") { try await client.visibleModels() }
            }
        }
    }
}
