import Foundation
import ReelkinGenerated

extension VideoError {
    /// What is known of it: status, retry advice, whether money may be gone, and all that follows here.
    public var details: ErrorDetails {
        switch self {
        case .config(let details), .auth(let details), .invalidRequest(let details), .notFound(let details),
            .rateLimited(let details), .moderated(let details), .jobFailed(let details), .jobExpired(let details),
            .submissionUnknown(let details), .timeout(let details), .stopped(let details), .budget(let details),
            .network(let details), .protocol(let details), .media(let details), .framesUnavailable(let details),
            .library(let details), .internal(let details):
            details
        }
    }

    /// The word for its kind, the same in every language: `submission_unknown`, `moderated`, ...
    public var code: String { details.code }
    /// One line: what was being done to what, and why it failed.
    public var reason: String { details.reason }
    /// A sentence or two that help to do better, where there are any.
    public var guidance: String? { details.guidance }
    /// The service's id of the job. Present in every error after the submit: ``VideoClient/job(_:)`` takes it.
    public var jobId: String? { details.jobId }
    /// The id of the request's record in the journal, where only a person can settle it: ``Library/settle(_:_:)``.
    public var record: String? { details.record }
    /// Whether the same call may be made again as it is, now or after a pause, without paying twice.
    public var isRetryable: Bool { details.isRetryable }

    /// An error of this side of the boundary: nothing was sent, nothing was paid.
    static func refused(_ reason: String) -> Self {
        .invalidRequest(
            details: ErrorDetails(
                code: "invalid_request", reason: reason, guidance: nil, jobId: nil, record: nil, status: nil,
                serviceCode: nil, retryAfter: nil, attempts: 0, mayHaveBeenCharged: .no, retryAdvice: .change,
                isRetryable: false))
    }
}

extension VideoError: CustomStringConvertible, CustomDebugStringConvertible {
    /// The reason, and the guidance on a line of its own. `localizedDescription` says the same.
    public var debugDescription: String {
        [reason, guidance].compactMap { $0 }.joined(separator: "\n")
    }
}
