import Foundation
import ReelkinGenerated

// Take the default, and change what is to be different: `var poll = PollPolicy.default; poll.deadline = .seconds(60)`.

extension Budget {
    /// No limits.
    public static let none = Budget(perRequest: nil, perDay: nil, perLibrary: nil, unknownPrices: false)

    /// Limits in dollars. A request whose price is not in the table is refused unless `unknownPrices`.
    public static func limits(
        perRequest: Decimal? = nil, perDay: Decimal? = nil, perLibrary: Decimal? = nil, unknownPrices: Bool = false
    ) -> Self {
        Budget(perRequest: perRequest, perDay: perDay, perLibrary: perLibrary, unknownPrices: unknownPrices)
    }
}

extension Defaults {
    /// What is put where a request leaves something open.
    public static var `default`: Self { defaultRequestValues() }
}

extension PollPolicy {
    /// How jobs are waited for.
    public static var `default`: Self { defaultPollPolicy() }
}

extension DownloadPolicy {
    /// The bounds of a download.
    public static var `default`: Self { defaultDownloadPolicy() }
}

extension RateLimit {
    /// How fast a client may talk to the service.
    public static var `default`: Self { defaultRateLimit() }
}

extension Timeouts {
    /// How long one exchange with the service may take.
    public static var `default`: Self { defaultTimeouts() }
}

extension PlannerSettings {
    /// How prompts are planned, and which are.
    public static var `default`: Self { defaultPlannerSettings() }
}

extension AnalyzeOptions {
    /// How a clip is looked at.
    public static var `default`: Self { defaultAnalyzeOptions() }
}

extension ModelTable {
    /// The table of models, limits and prices that this version was built with.
    public static var builtIn: Self {
        get throws { try builtInModels() }
    }
}

/// The version of the package.
public var version: String { ReelkinGenerated.version() }

/// Ends the package for this process: closes every client, then stops its threads. Waits for creates that are being
/// sent, at most 10 s. Every later call throws. Runs by itself when the process ends in the ordinary way.
public func shutDown() {
    ReelkinGenerated.shutDown()
}

/// Lets an ordinary end of the process wait for creates that are being sent, once.
let endsWithTheProcess: Void = {
    _ = atexit {
        // On a thread of its own: the one that ends the process has lost the values that the core keeps for each thread.
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            ReelkinGenerated.shutDown()
            done.signal()
        }
        done.wait()
    }
}()
