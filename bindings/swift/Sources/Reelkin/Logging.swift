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
private final class LogThread: @unchecked Sendable {
    static let shared = LogThread()
    /// How long the thread waits before it looks whether there still is a handler.
    private static let wait = Duration.seconds(5)

    private let lock = NSLock()
    private var handler: (@Sendable (LogRecord) -> Void)?
    private var isRunning = false

    func set(_ level: LogLevel, _ handler: (@Sendable (LogRecord) -> Void)?) {
        lock.lock()
        defer { lock.unlock() }
        self.handler = handler
        setLogLevel(level: handler == nil ? nil : level)
        if handler != nil && !isRunning {
            isRunning = true
            Thread.detachNewThread { self.run() }
        }
    }

    private func run() {
        while current() != nil {
            guard waitForLogRecords(longest: Self.wait) else { continue }
            // It may have been replaced during the wait.
            if let handler = current() {
                takeLogRecords().forEach(handler)
            }
        }
    }

    /// Returns the handler. Without one, the thread ends.
    private func current() -> (@Sendable (LogRecord) -> Void)? {
        lock.lock()
        defer { lock.unlock() }
        isRunning = handler != nil
        return handler
    }
}
