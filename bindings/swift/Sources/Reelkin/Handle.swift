import ReelkinGenerated

/// A handle for a running job, chain or recovery.
///
/// A handle only observes. Releasing it, canceling ``wait()`` or leaving the loop over ``events`` does not affect the
/// job. Any number of tasks can use the same handle.
public struct Handle<Outcome: Sendable, Event: Sendable>: Sendable {
    let core: any NativeHandle<Outcome, Event>
    let name: String

    init(core: any NativeHandle<Outcome, Event>) throws {
        self.core = core
        name = try core.name()
    }

    /// The asynchronous sequence of all events. Each iteration starts with the first one.
    public var events: Events<Event> {
        Events(open: core.source)
    }

    /// Waits for the outcome. Canceling the task only ends the wait, with `CancellationError`.
    ///
    /// - Throws: ``VideoError`` if it failed; ``VideoError/stopped(details:)`` after ``stopWaiting()`` or when the
    ///   client was closed.
    public func wait() async throws -> Outcome {
        try await core.wait()
    }

    /// A Boolean value that indicates whether it has ended, successfully or not.
    public var isOver: Bool {
        // Fails only in a forked process, which cannot observe the job. There, `wait()` throws.
        (try? core.isOver()) ?? false
    }

    /// Stops polling and downloading. ``wait()`` then throws ``VideoError/stopped(details:)``.
    ///
    /// The service cannot cancel a job: it continues there and is charged. ``VideoClient/recover()`` saves its clip.
    public func stopWaiting() {
        // Fails only in a forked process, where nothing polls.
        try? core.stopWaiting()
    }
}

/// A handle for one job, which produces a clip.
public typealias JobHandle = Handle<Clip, JobEvent>
/// A handle for a chain of clips.
public typealias ChainHandle = Handle<ChainOutcome, ChainEvent>
/// A handle for a recovery.
public typealias RecoveryHandle = Handle<Recovered, RecoveryEvent>

extension JobHandle {
    /// The id of the job at the service. ``VideoClient/job(_:)`` resumes the job with it in any process.
    public var id: String { name }
}

extension ChainHandle {
    /// The id of the chain, with which it can be resumed.
    public var id: String { name }
}

/// An asynchronous sequence of events: `for try await event in job.events`. It ends when the job does.
public struct Events<Event: Sendable>: AsyncSequence, Sendable {
    public typealias Element = Event
    let open: @Sendable () throws -> any EventSource<Event>

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(open: open)
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let open: @Sendable () throws -> any EventSource<Event>
        var source: (any EventSource<Event>)?

        /// Returns the next event, or `nil` after the last one. Throws `CancellationError` in a canceled task.
        public mutating func next() async throws -> Event? {
            let source = try source ?? open()
            self.source = source
            return try await source.next()
        }
    }
}

/// The common interface of the three generated handle classes. UniFFI has no generics.
protocol NativeHandle<Outcome, Event>: Sendable {
    associatedtype Outcome
    associatedtype Event
    associatedtype Source: EventSource<Event>
    func events() throws -> Source
    func wait() async throws -> Outcome
    func isOver() throws -> Bool
    func stopWaiting() throws
    func name() throws -> String
}

extension NativeHandle {
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

extension ReelkinGenerated.JobHandle: NativeHandle {
    func name() throws -> String { try id() }
}
extension ReelkinGenerated.ChainHandle: NativeHandle {
    func name() throws -> String { try id() }
}
extension ReelkinGenerated.RecoveryHandle: NativeHandle {
    // A recovery has no name, and no public API asks for one.
    func name() throws -> String { "" }
}
