import Foundation
import ReelkinGenerated

// Start from a default and change it: `var poll = PollPolicy.default; poll.deadline = .seconds(60)`.

extension Budget {
    /// No limits.
    public static let none = Budget(perRequest: nil, perDay: nil, perLibrary: nil, unknownPrices: false)

    /// Creates spending limits in dollars.
    ///
    /// - Parameter unknownPrices: Whether to allow requests that the model table has no price for.
    public static func limits(
        perRequest: Decimal? = nil, perDay: Decimal? = nil, perLibrary: Decimal? = nil, unknownPrices: Bool = false
    ) -> Self {
        Budget(perRequest: perRequest, perDay: perDay, perLibrary: perLibrary, unknownPrices: unknownPrices)
    }
}

extension Defaults {
    /// The built-in values for request fields that are not set.
    public static var `default`: Self { defaultRequestValues() }
}

extension PollPolicy {
    /// The default poll policy.
    public static var `default`: Self { defaultPollPolicy() }
}

extension DownloadPolicy {
    /// The default limits of downloads.
    public static var `default`: Self { defaultDownloadPolicy() }
}

extension RateLimit {
    /// The default request rate limit.
    public static var `default`: Self { defaultRateLimit() }
}

extension Timeouts {
    /// The default timeouts of single requests.
    public static var `default`: Self { defaultTimeouts() }
}

extension PlannerSettings {
    /// The default planner settings.
    public static var `default`: Self { defaultPlannerSettings() }
}

extension AnalyzeOptions {
    /// The default options for analyzing a clip.
    public static var `default`: Self { defaultAnalyzeOptions() }
}

extension ModelTable {
    /// The built-in table of models, limits and prices.
    public static var builtIn: Self {
        get throws { try builtInModels() }
    }
}

/// The version of the package.
public var version: String { ReelkinGenerated.version() }

/// Shuts the package down: closes every client, then stops its threads. Later calls throw.
///
/// Waits for create requests that are being sent, at most 10 s. Called automatically on a normal exit of the process.
public func shutDown() {
    ReelkinGenerated.shutDown()
}

/// Registers ``shutDown()`` to run on a normal exit of the process, once.
let exitHandler: Void = {
    _ = atexit {
        // On a new thread, because the thread-local values of the exiting thread are already gone.
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            ReelkinGenerated.shutDown()
            LogThread.shared.finish()
            done.signal()
        }
        done.wait()
    }
}()
