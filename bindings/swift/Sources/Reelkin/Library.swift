import Foundation
import ReelkinGenerated

/// A library of clips: what is in it, whether it is whole, what was paid.
///
/// All of it reads, but ``settle(_:_:)``. Cancelling a task ends its call with `CancellationError`.
public final class Library: Sendable {
    private let core: ReelkinGenerated.Library

    init(_ core: ReelkinGenerated.Library) {
        self.core = core
    }

    /// Opens a folder as a library, and makes it if it is missing.
    public convenience init(open folder: URL) throws {
        _ = endsWithTheProcess
        try self.init(.open(folder: Self.address(folder)))
    }

    /// Opens a folder that exists, to read it.
    public convenience init(openToRead folder: URL) throws {
        _ = endsWithTheProcess
        try self.init(.openToRead(folder: Self.address(folder)))
    }

    static func address(_ library: URL) -> String {
        library.isFileURL ? library.path : library.absoluteString
    }

    /// The folder, if the library is one.
    public var folder: URL? {
        get throws { try core.folder().map { URL(fileURLWithPath: $0, isDirectory: true) } }
    }

    /// A clip by its id, its file name, or the path of its file.
    ///
    /// - Throws: `not_found`.
    public func clip(_ name: String) async throws -> Clip {
        try await core.clip(name: name)
    }

    /// A page of clips, newest first. `before` comes from the page before.
    public func list(limit: Int = 50, before: String? = nil) async throws -> Page {
        guard let most = UInt32(exactly: limit) else {
            throw VideoError.refused("list \(limit) clips: a page has from 1 on")
        }
        return try await core.list(limit: most, before: before)
    }

    /// The family of a clip.
    public func family(_ clip: Clip) async throws -> Family {
        try await Family(core.family(clip: clip.id))
    }

    /// Holds every clip's bytes against what is on record. Reads all of them.
    public func verify() async throws -> [Verdict] {
        try await core.verify()
    }

    /// The same for the clips of a family.
    public func verifyFamily(_ family: Family) async throws -> [Verdict] {
        try await core.verifyFamily(family: family.core)
    }

    /// The bytes of a clip, at most so many of them.
    public func read(_ clip: Clip, limit: UInt64 = 1 << 30) async throws -> Data {
        try await core.read(clip: clip.id, limit: limit)
    }

    /// Paid requests that are open, oldest first.
    public func jobs() async throws -> [JobRecord] {
        try await core.jobs()
    }

    /// Records that cannot be taken up, and why.
    public func stuckJobs() async throws -> [StuckJob] {
        try await core.stuckJobs()
    }

    /// Bytes that were paid for and failed verification, kept until they are accepted, discarded or replaced.
    public func quarantined() async throws -> [QuarantinedClip] {
        try await core.quarantined()
    }

    /// Removes what is in quarantine of a record, and says whether there was anything. The record stays as it is.
    public func discardQuarantined(_ record: String) async throws -> Bool {
        try await core.discardQuarantined(record: record)
    }

    /// The record of a paid request by its id, open or settled.
    public func jobRecord(_ id: String) async throws -> JobRecord {
        try await core.jobRecord(id: id)
    }

    /// Marks what became of a paid request that is open, as a person knows from the account page.
    public func settle(_ record: String, _ settlement: Settlement) async throws -> JobRecord {
        try await core.settle(id: record, settlement: checked(settlement))
    }

    /// What was spent on requests that were begun from a time on and before another; without them, on all.
    public func spent(from: Date? = nil, before: Date? = nil) async throws -> Spent {
        try await core.spent(from: from?.milliseconds, before: before?.milliseconds)
    }
}

/// Every clip that is kin of one clip, over any number of hops. A snapshot.
public final class Family: Sendable {
    let core: ReelkinGenerated.Family

    init(_ core: ReelkinGenerated.Family) {
        self.core = core
    }

    /// All of them, parents before children.
    public var members: [Member] { core.members() }
    /// The clip that was asked about.
    public var focus: Member { core.focus() }
    /// The clip that the one asked about goes back to.
    public var root: Member { core.root() }
    /// What all of them cost, in dollars, as far as is on record.
    public var cost: Decimal { Decimal(core.costUsdTicks()) / ticksPerDollar }
    /// What the reader should know: a link that was left out, a clip that was renamed.
    public var notes: [String] { core.notes() }

    /// One of them by its id.
    public func member(_ id: String) -> Member? { core.member(id: id) }
    /// What a clip was made from.
    public func parents(_ id: String) -> [Member] { core.parents(id: id) }
    /// What was made from a clip.
    public func children(_ id: String) -> [Member] { core.children(id: id) }
    /// All that was ever made from a clip.
    public func descendants(_ id: String) -> [Member] { core.descendants(id: id) }
    /// The clips from the root to a clip.
    public func pathTo(_ id: String) -> [Member] { core.pathTo(id: id) }

    /// The family as JSON.
    public func toJson() -> String { core.toJson() }
    /// The family as a Mermaid flowchart.
    public func toMermaid() -> String { core.toMermaid() }
    /// The family as a Graphviz graph.
    public func toGraphviz() -> String { core.toGraphviz() }
}

extension Date {
    /// Since 1970 UTC; what is before that is 1970.
    var milliseconds: UInt64 {
        UInt64(exactly: max(0, min(timeIntervalSince1970 * 1000, 0x1p62)).rounded()) ?? 0
    }

    /// A time of a record, in milliseconds since 1970 UTC.
    public init(milliseconds: UInt64) {
        self.init(timeIntervalSince1970: Double(milliseconds) / 1000)
    }
}
