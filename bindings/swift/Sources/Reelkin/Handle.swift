import ReelkinGenerated

/// A work on its way: a job, a chain, a recovery.
///
/// A handle watches and owns nothing. Dropping it, breaking off ``wait()`` or leaving the loop over ``events`` stops
/// nothing and loses nothing; ``stopWaiting()`` does what it says. Any number of tasks may use one.
public struct Handle<Outcome: Sendable, Event: Sendable>: Sendable {
    let core: any Watched<Outcome, Event>

    /// Everything that happens to it, from its beginning. Each loop sees all of it.
    public var events: Events<Event> {
        Events(open: core.source)
    }

    /// Waits until it is over. Cancelling the task ends this wait with `CancellationError` and stops nothing.
    ///
    /// - Throws: ``VideoError`` of the kind that ended it; ``VideoError/stopped(details:)`` after ``stopWaiting()`` or
    ///   when the client was closed.
    public func wait() async throws -> Outcome {
        try await core.wait()
    }

    /// Whether it is over, one way or the other.
    public var isOver: Bool {
        get throws { try core.isOver() }
    }

    /// Stops waiting: polls and downloads end, and ``wait()`` throws ``VideoError/stopped(details:)``. The service cannot
    /// cancel a job: it goes on there, its charge stands, and ``VideoClient/recover()`` saves its clip.
    public func stopWaiting() throws {
        try core.stopWaiting()
    }
}

/// One job on its way to a clip.
public typealias JobHandle = Handle<Clip, JobEvent>
/// A chain on its way.
public typealias ChainHandle = Handle<ChainOutcome, ChainEvent>
/// A recovery on its way.
public typealias RecoveryHandle = Handle<Recovered, RecoveryEvent>

extension JobHandle {
    /// The service's id of the job: enough to pick it up again in any process.
    public var id: String {
        get throws { try core.name() }
    }
}

extension ChainHandle {
    /// The id of the chain, by which it is gone on with.
    public var id: String {
        get throws { try core.name() }
    }
}

/// What happens to a work: `for try await event in job.events`. The loop ends when the work is over.
public struct Events<Event: Sendable>: AsyncSequence, Sendable {
    public typealias Element = Event
    let open: @Sendable () throws -> any EventSource<Event>

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(open: open)
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let open: @Sendable () throws -> any EventSource<Event>
        var source: (any EventSource<Event>)?

        /// The next event; `nil` when the work is over. Throws `CancellationError` in a cancelled task.
        public mutating func next() async throws -> Event? {
            let source = try source ?? open()
            self.source = source
            return try await source.next()
        }
    }
}

/// UniFFI has no generics: what its three handles have in common.
protocol Watched<Outcome, Event>: Sendable {
    associatedtype Outcome
    associatedtype Event
    associatedtype Source: EventSource<Event>
    func events() throws -> Source
    func wait() async throws -> Outcome
    func isOver() throws -> Bool
    func stopWaiting() throws
    func name() throws -> String
}

extension Watched {
    @Sendable func source() throws -> any EventSource<Event> {
        try events()
    }
}

protocol EventSource<Event>: Sendable {
    associatedtype Event
    func next() async throws -> Event?
}

extension ReelkinGenerated.JobEvents: EventSource {}
extension ReelkinGenerated.ChainEvents: EventSource {}
extension ReelkinGenerated.RecoveryEvents: EventSource {}

extension ReelkinGenerated.JobHandle: Watched {
    func name() throws -> String { try id() }
}
extension ReelkinGenerated.ChainHandle: Watched {
    func name() throws -> String { try id() }
}
extension ReelkinGenerated.RecoveryHandle: Watched {
    // A recovery has none, and nobody can ask for it.
    func name() throws -> String { "" }
}
