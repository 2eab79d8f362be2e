import ReelkinGenerated

/// Answers the library's questions for a token with a closure of the caller's, in a task of its own. The library never
/// waits here: it asks, gives up at its deadline, and then the task is cancelled.
final class Tokens: TokenCallback {
    private let source: @Sendable () async throws -> AccessToken

    init(_ source: @escaping @Sendable () async throws -> AccessToken) {
        self.source = source
    }

    func ask(answer: TokenAnswer) {
        Task { [source] in
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    do {
                        try answer.give(token: checked(try await source()))
                    } catch {
                        // It fails where nobody waits any more.
                        try? answer.refuse(reason: "\(error)")
                    }
                }
                group.addTask { try? await answer.over() }
                await group.next()
                group.cancelAll()
            }
        }
    }
}

extension AccessToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The token itself is never shown.
    public var description: String { "AccessToken" }
    /// The token itself is never shown.
    public var debugDescription: String { description }
    /// Without the token itself.
    public var customMirror: Mirror { Mirror(self, children: ["expiresIn": expiresIn as Any]) }
}
