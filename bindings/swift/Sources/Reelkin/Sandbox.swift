import Foundation
import ReelkinGenerated

/// The service on loopback: same routes, same strictness, real video, scripted faults. No key of yours, no cost.
public final class Sandbox: Sendable {
    private let core: ReelkinGenerated.Sandbox

    private init(_ core: ReelkinGenerated.Sandbox) {
        self.core = core
    }

    /// Starts a sandbox.
    ///
    /// - Parameters:
    ///   - listen: address and port; a free port of 127.0.0.1.
    ///   - apiKey: the key that is right; a random one.
    ///   - secondsPerJob: how long a job takes at least; 2.
    ///   - zeroDataRetention: whether every request must bring an upload address.
    ///   - linkLifetime: how long a link to a clip works; 24 hours.
    ///   - faults: what is to go wrong, as `reelkin sandbox --help` spells it.
    /// - Throws: `config` when the address cannot be bound, `invalid_request` for a fault that is none.
    public static func start(
        listen: String? = nil, apiKey: String? = nil, secondsPerJob: Double? = nil, zeroDataRetention: Bool = false,
        linkLifetime: Duration? = nil, faults: [String] = []
    ) async throws -> Sandbox {
        _ = endsWithTheProcess
        let options = SandboxOptions(
            listen: listen, apiKey: apiKey, secondsPerJob: secondsPerJob, zeroDataRetention: zeroDataRetention,
            linkLifetime: linkLifetime, faults: faults)
        return try await Sandbox(startSandbox(options: checked(options)))
    }

    /// What a client takes for its base URL.
    public var baseUrl: String { core.baseUrl() }
    /// The key that is right.
    public var apiKey: String { core.apiKey() }

    /// What it has been asked, and what came of it.
    public var state: SandboxState {
        get throws { try core.state() }
    }

    /// Adds faults to the script, behind those in force.
    public func addFaults(_ faults: [String]) throws {
        try core.addFaults(faults: faults)
    }

    /// Takes all faults out of the script.
    public func clearFaults() throws {
        try core.clearFaults()
    }

    /// Goes down, and comes back at the same address.
    public func restart(downtime: Duration) async throws {
        try await core.restart(downtime: checked(downtime, "downtime"))
    }

    /// Ends all links to clips that were given so far.
    public func expireLinks() throws {
        try core.expireLinks()
    }

    /// Stops it and removes its clips. A second call does nothing. Runs to its end in a cancelled task, too.
    public func stop() async throws {
        try await Task { [core] in try await core.stop() }.value
    }
}
