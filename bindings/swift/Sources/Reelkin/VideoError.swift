import Foundation
import ReelkinGenerated

extension VideoError {
    /// The details of the error, such as the HTTP status, the retry advice and whether it may have been charged.
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

    /// The kind as a word, the same in every language: `submission_unknown`, `moderated`, ...
    public var code: String { details.code }
    /// One line: what was being done to what, and why it failed.
    public var reason: String { details.reason }
    /// A hint on how to fix the problem, if there is one.
    public var guidance: String? { details.guidance }
    /// The id of the job at the service, for ``VideoClient/job(_:)``. Set in every error after the job was submitted.
    public var jobId: String? { details.jobId }
    /// The id of the request's journal record, if it has to be settled by hand with ``Library/settle(_:_:)``.
    public var recordId: String? { details.recordId }
    /// A Boolean value that indicates whether the same call can be repeated unchanged, now or after a pause, without
    /// paying twice.
    public var isRetryable: Bool { details.isRetryable }

    /// Creates an error for an argument that is rejected before it reaches the native library.
    static func invalidArgument(_ reason: String) -> Self {
        .invalidRequest(
            details: ErrorDetails(
                code: "invalid_request", reason: reason, guidance: nil, jobId: nil, recordId: nil, status: nil,
                serviceCode: nil, retryAfter: nil, attempts: 0, mayHaveBeenCharged: .no, retryAdvice: .change,
                isRetryable: false))
    }
}

extension VideoError: CustomStringConvertible, CustomDebugStringConvertible {
    /// The reason and, on a second line, the guidance. `localizedDescription` is the same.
    public var debugDescription: String {
        [reason, guidance].compactMap { $0 }.joined(separator: "\n")
    }
}
