import Foundation
import ReelkinGenerated

/// A library of clips: its content, its integrity, and its ledger.
///
/// Canceling a task ends its call with `CancellationError`.
public final class Library: Sendable {
    private let core: ReelkinGenerated.Library
    /// The folder of the library, if it is stored in a folder.
    public let folder: URL?

    init(_ core: ReelkinGenerated.Library) throws {
        self.core = core
        folder = try core.folder().map { URL(fileURLWithPath: $0, isDirectory: true) }
    }

    /// Opens a folder as a library. Creates the folder if it does not exist.
    public convenience init(open folder: URL) throws {
        _ = exitHandler
        try self.init(.open(folder: Self.address(folder)))
    }

    /// Opens an existing folder for reading.
    public convenience init(openToRead folder: URL) throws {
        _ = exitHandler
        try self.init(.openToRead(folder: Self.address(folder)))
    }

    static func address(_ library: URL) -> String {
        library.isFileURL ? library.path : library.absoluteString
    }

    /// Finds a clip by its id, file name or path.
    ///
    /// - Throws: `not_found` if there is no such clip.
    public func clip(_ name: String) async throws -> Clip {
        try await core.clip(name: name)
    }

    /// Lists a page of clips, newest first.
    ///
    /// - Parameter before: where the page starts: `next` of the previous page.
    public func list(limit: Int = 50, before: String? = nil) async throws -> Page {
        guard let limit = UInt32(exactly: limit) else {
            throw VideoError.invalidArgument("list \(limit) clips: limit must be from 1 to \(UInt32.max)")
        }
        return try await core.list(limit: limit, before: before)
    }

    /// All clips, newest first: `for try await clip in library.clips`. Pages are read as the loop needs them.
    ///
    /// Clips whose sidecar cannot be read are left out. ``entries(pageSize:)`` has their errors.
    public var clips: AsyncCompactMapSequence<Entries, Clip> {
        entries().compactMap { $0.clip }
    }

    /// Returns the entries of all pages, newest first: clips, and the errors of those whose sidecar cannot be read.
    public func entries(pageSize: Int = 50) -> Entries {
        Entries(library: self, pageSize: pageSize)
    }

    /// Returns the family of a clip.
    public func family(_ clip: Clip) async throws -> Family {
        try await Family(core.family(clip: clip.id))
    }

    /// Verifies every clip against its recorded hash. Reads all clips.
    public func verify() async throws -> [Verdict] {
        try await core.verify()
    }

    /// Verifies the clips of a family against their recorded hashes.
    public func verifyFamily(_ family: Family) async throws -> [Verdict] {
        try await core.verifyFamily(family: family.core)
    }

    /// Reads the bytes of a clip.
    ///
    /// - Throws: `invalid_request` if there are more than `limit`.
    public func read(_ clip: Clip, limit: UInt64 = 1 << 30) async throws -> Data {
        try await core.read(clip: clip.id, limit: limit)
    }

    /// Lists the open paid requests, oldest first.
    public func jobs() async throws -> [JobRecord] {
        try await core.jobs()
    }

    /// Lists the records that a recovery cannot process.
    public func stuckJobs() async throws -> [StuckJob] {
        try await core.stuckJobs()
    }

    /// Lists downloads that failed verification, kept until they are accepted, discarded or replaced.
    public func quarantined() async throws -> [QuarantinedClip] {
        try await core.quarantined()
    }

    /// Deletes the quarantined download of a record. The record stays unchanged.
    ///
    /// - Returns: `true` if there was one.
    public func discardQuarantined(_ recordId: String) async throws -> Bool {
        try await core.discardQuarantined(recordId: recordId)
    }

    /// Returns the record of a paid request, open or settled, by the record's id.
    public func jobRecord(_ id: String) async throws -> JobRecord {
        try await core.jobRecord(id: id)
    }

    /// Settles an open paid request by hand, with what the account page shows about it.
    public func settle(_ recordId: String, _ settlement: Settlement) async throws -> JobRecord {
        try await core.settle(id: recordId, settlement: checked(settlement))
    }

    /// Returns what was spent on requests started at or after `from` and before `before`. A `nil` bound is open.
    public func spent(from: Date? = nil, before: Date? = nil) async throws -> Spent {
        try await core.spent(from: from, before: before)
    }
}

extension Library {
    /// An asynchronous sequence of the entries of a library. Each iteration reads the library again.
    public struct Entries: AsyncSequence, Sendable {
        public typealias Element = PageEntry
        let library: Library
        let pageSize: Int

        public func makeAsyncIterator() -> AsyncIterator {
            AsyncIterator(library: library, pageSize: pageSize)
        }

        public struct AsyncIterator: AsyncIteratorProtocol {
            let library: Library
            let pageSize: Int
            var entries: ArraySlice<PageEntry> = []
            var before: String?
            var isLastPage = false

            /// Returns the next entry, or `nil` after the last one. Throws `CancellationError` in a canceled task.
            public mutating func next() async throws -> PageEntry? {
                guard pageSize > 0 else {
                    throw VideoError.invalidArgument("list pages of \(pageSize) clips: pageSize must be positive")
                }
                while entries.isEmpty && !isLastPage {
                    let page = try await library.list(limit: pageSize, before: before)
                    entries = page.clips[...]
                    before = page.next
                    isLastPage = page.next == nil
                }
                return entries.popFirst()
            }
        }
    }
}

/// A snapshot of the family of one clip: every clip that is related to it, directly or through other clips.
public final class Family: Sendable {
    let core: ReelkinGenerated.Family

    init(_ core: ReelkinGenerated.Family) {
        self.core = core
    }

    /// All members, parents before children.
    public var members: [Member] { core.members() }
    /// The clip that the family was requested for.
    public var focus: Member { core.focus() }
    /// The oldest ancestor of ``focus``.
    public var root: Member { core.root() }
    /// The recorded cost of all members in dollars.
    public var cost: Decimal { core.cost() }
    /// Remarks about the family, such as a link that was left out or a clip that was renamed.
    public var notes: [String] { core.notes() }

    /// Returns the member with the given id.
    public func member(_ id: String) -> Member? { core.member(id: id) }
    /// Returns the clips that a clip was made from.
    public func parents(_ id: String) -> [Member] { core.parents(id: id) }
    /// Returns the clips that were made from a clip.
    public func children(_ id: String) -> [Member] { core.children(id: id) }
    /// Returns all direct and indirect children of a clip.
    public func descendants(_ id: String) -> [Member] { core.descendants(id: id) }
    /// Returns the clips on the path from ``root`` to a clip.
    public func pathTo(_ id: String) -> [Member] { core.pathTo(id: id) }

    /// Formats the family as JSON.
    public func toJson() -> String { core.toJson() }
    /// Formats the family as a Mermaid flowchart.
    public func toMermaid() -> String { core.toMermaid() }
    /// Formats the family as a Graphviz graph.
    public func toGraphviz() -> String { core.toGraphviz() }
}
