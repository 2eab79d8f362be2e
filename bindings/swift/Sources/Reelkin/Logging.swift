import Foundation
import ReelkinGenerated

#if canImport(os)
    import os
#endif

/// How important a log record is.
public typealias LogLevel = ReelkinGenerated.LogLevel
/// One record of the log. It contains no key, no signed link and no prompt.
public typealias LogRecord = ReelkinGenerated.LogRecord

/// The log of the package: jobs that were submitted, clips that were saved, replies of the service, and what failed and was
/// worked around. Nothing is logged until a handler is set.
public enum ReelkinLog {
    /// Passes the records of `level` and of more important levels to a handler. A later call replaces it, and `nil` ends
    /// logging.
    ///
    /// The handler is called on a thread of the package, with one record at a time. If it is slow, the oldest of more than
    /// 1,000 waiting records are dropped; no call waits for it.
    public static func setHandler(level: LogLevel = .info, _ handler: (@Sendable (LogRecord) -> Void)?) {
        LogThread.shared.set(level, handler)
    }

    #if canImport(os)
        /// Passes the log to the unified logging system, with the category `reelkin` or `reelkin.http`.
        public static func useUnifiedLogging(level: LogLevel = .info, subsystem: String = "dev.reelkin") {
            let loggers = Dictionary(
                uniqueKeysWithValues: ["reelkin", "reelkin.http"].map { ($0, Logger(subsystem: subsystem, category: $0)) })
            setHandler(level: level) { record in
                let type: OSLogType =
                    switch record.level {
                    case .error: .error
                    case .warn: .default
                    case .info: .info
                    case .debug: .debug
                    }
                loggers[record.logger]?.log(level: type, "\(record.message, privacy: .public)")
            }
        }
    #endif
}

/// Takes the records from the native library, on a thread that runs while there is a handler.
// Safe to share, because every property is only used under the lock.
final class LogThread: @unchecked Sendable {
    typealias Handler = @Sendable (LogRecord) -> Void

    static let shared = LogThread()
    /// How long the thread waits before it looks whether there still is a handler.
    private static let wait = Duration.seconds(5)
    /// How long the end of the process waits for a handler, in seconds.
    private static let longestEnd = 2.0

    private let lock = NSLock()
    private var handler: Handler?
    private var level = LogLevel.info
    private var isRunning = false
    // Held while records are passed on, one after another. Not `lock`, because a handler can set another one.
    private let delivery = NSLock()

    func set(_ level: LogLevel, _ handler: Handler?) {
        lock.lock()
        defer { lock.unlock() }
        self.handler = handler
        self.level = level
        setLogLevel(level: handler == nil ? nil : level)
        if handler != nil && !isRunning {
            isRunning = true
            Thread.detachNewThread { self.run() }
        }
    }

    /// Passes on what is left, when the process ends.
    func finish() {
        if delivery.lock(before: Date(timeIntervalSinceNow: Self.longestEnd)) {
            deliver()
            delivery.unlock()
        }
    }

    private func run() {
        while continues() {
            guard waitForLogRecords(longest: Self.wait) else { continue }
            delivery.lock()
            #if canImport(ObjectiveC)
                autoreleasepool { deliver() }
            #else
                deliver()
            #endif
            delivery.unlock()
        }
    }

    private func deliver() {
        for record in takeLogRecords() {
            // It may have been replaced since the record was made.
            if let (handler, level) = current(), record.level.rank <= level.rank {
                handler(record)
            }
        }
    }

    private func current() -> (Handler, LogLevel)? {
        lock.lock()
        defer { lock.unlock() }
        return handler.map { ($0, level) }
    }

    /// Returns whether there is a handler. Without one, the thread ends.
    private func continues() -> Bool {
        lock.lock()
        defer { lock.unlock() }
        isRunning = handler != nil
        return isRunning
    }
}

extension LogLevel {
    /// 0 for the most important level.
    fileprivate var rank: Int {
        switch self {
        case .error: 0
        case .warn: 1
        case .info: 2
        case .debug: 3
        }
    }
}
