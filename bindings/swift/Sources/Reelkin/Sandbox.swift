import Foundation
import ReelkinGenerated

/// A local server that speaks the service's protocol, renders real video and injects faults. It needs no account and
/// costs nothing.
public final class Sandbox: Sendable {
    private let core: ReelkinGenerated.Sandbox

    private init(_ core: ReelkinGenerated.Sandbox) {
        self.core = core
    }

    /// Starts a sandbox.
    ///
    /// - Parameters:
    ///   - listen: The address and port to listen on. Defaults to a free port of 127.0.0.1.
    ///   - apiKey: The API key to accept. Defaults to a random one.
    ///   - minJobDuration: The minimum duration of a job. Defaults to 2 s.
    ///   - zeroDataRetention: Whether every request needs an upload URL, as for teams with zero data retention.
    ///   - linkLifetime: How long download links stay valid. Defaults to 24 hours.
    ///   - faults: The faults to inject, in the syntax of `reelkin sandbox --help`.
    /// - Throws: `config` if the address cannot be bound, `invalid_request` if a fault does not parse.
    public static func start(
        listen: String? = nil, apiKey: String? = nil, minJobDuration: Duration? = nil, zeroDataRetention: Bool = false,
        linkLifetime: Duration? = nil, faults: [String] = []
    ) async throws -> Sandbox {
        _ = exitHandler
        let options = SandboxOptions(
            listen: listen, apiKey: apiKey, minJobDuration: minJobDuration, zeroDataRetention: zeroDataRetention,
            linkLifetime: linkLifetime, faults: faults)
        return try await Sandbox(startSandbox(options: checked(options)))
    }

    /// The base URL for clients of this sandbox.
    public var baseUrl: String { core.baseUrl() }
    /// The API key that the sandbox accepts.
    public var apiKey: String { core.apiKey() }

    /// The jobs, the counters of requests and results, and the faults that are in force.
    public var state: SandboxState {
        get throws { try core.state() }
    }

    /// Adds faults after the existing ones.
    public func addFaults(_ faults: [String]) throws {
        try core.addFaults(faults: faults)
    }

    /// Removes all faults.
    public func clearFaults() throws {
        try core.clearFaults()
    }

    /// Closes all connections, refuses new ones for a time, and then serves again at the same address.
    public func restart(downtime: Duration) async throws {
        try await core.restart(downtime: checked(downtime, "downtime"))
    }

    /// Expires all download links issued so far.
    public func expireLinks() throws {
        try core.expireLinks()
    }

    /// Stops the sandbox and deletes its clips. Does nothing if it is stopped already. If a restart is in progress, the
    /// sandbox stops when the restart ends. A canceled task still completes the call.
    public func stop() async throws {
        try await Task { [core] in try await core.stop() }.value
    }
}
