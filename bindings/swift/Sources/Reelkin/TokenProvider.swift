import ReelkinGenerated

/// Answers the native library's token requests with a closure of the caller.
///
/// Each request runs in its own task. The native library does not block on it, and the task is canceled when the
/// deadline for the token passes.
final class TokenProvider: TokenCallback {
    private let source: @Sendable () async throws -> AccessToken

    init(_ source: @escaping @Sendable () async throws -> AccessToken) {
        self.source = source
    }

    func requestToken(answer: TokenAnswer) {
        Task { [source] in
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    do {
                        try answer.give(token: checked(try await source()))
                    } catch {
                        // Fails only if the answer is no longer needed.
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
    /// A description without the token.
    public var description: String { "AccessToken" }
    /// A description without the token.
    public var debugDescription: String { description }
    /// A mirror without the token.
    public var customMirror: Mirror { Mirror(self, children: ["expiresIn": expiresIn as Any]) }
}
