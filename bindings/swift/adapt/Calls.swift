
// MARK: - By hand. Appended to the generated module by adapt.pl, because it needs its private parts.

/// A future on the other side; freed with the last reference.
fileprivate final class RustFuture: Sendable {
    let handle: UInt64
    private let free: @Sendable (UInt64) -> Void

    init(_ handle: UInt64, free: @escaping @Sendable (UInt64) -> Void) {
        self.handle = handle
        self.free = free
    }

    deinit { free(handle) }
}

/// Waits for a future of Rust, and drops it when the task is cancelled: the call then throws `CancellationError`.
///
/// The generated code would go on waiting. Dropping is what every call of the core is made for: one that makes a clip
/// stops waiting for its job and leaves it in the journal, one that decodes is interrupted, one that watches stops
/// nothing.
fileprivate func cancellableRustCall<F, T>(
    rustFutureFunc: () -> UInt64,
    pollFunc: (UInt64, @escaping UniffiRustFutureContinuationCallback, UInt64) -> Void,
    completeFunc: (UInt64, UnsafeMutablePointer<RustCallStatus>) -> F,
    cancelFunc: @escaping @Sendable (UInt64) -> Void,
    freeFunc: @escaping @Sendable (UInt64) -> Void,
    liftFunc: (F) throws -> T,
    errorHandler: ((RustBuffer) throws -> Swift.Error)?
) async throws -> T {
    uniffiEnsureReelkinInitialized()
    try Task.checkCancellation()
    let future = RustFuture(rustFutureFunc(), free: freeFunc)
    return try await withTaskCancellationHandler {
        var polled: Int8
        repeat {
            polled = await withUnsafeContinuation { continuation in
                pollFunc(
                    future.handle,
                    { handle, polled in uniffiFutureContinuationCallback(handle: handle, pollResult: polled) },
                    uniffiContinuationHandleMap.insert(obj: continuation)
                )
            }
        } while polled != UNIFFI_RUST_FUTURE_POLL_READY
        var status = RustCallStatus()
        let value = completeFunc(future.handle, &status)
        if status.code == CALL_CANCELLED {
            throw CancellationError()
        }
        try uniffiCheckCallStatus(callStatus: status, errorHandler: errorHandler)
        return try liftFunc(value)
    } onCancel: {
        // Elsewhere: this runs under a lock of the task, which resuming its continuation may take again.
        DispatchQueue.global().async { cancelFunc(future.handle) }
    }
}

/// A length of time, to the nanosecond. `Reelkin.checked` has refused negative ones.
fileprivate struct FfiConverterDuration: FfiConverterRustBuffer {
    typealias SwiftType = Duration

    static func read(from buf: inout (data: Data, offset: Data.Index)) throws -> Duration {
        let seconds: UInt64 = try readInt(&buf)
        let nanoseconds: UInt32 = try readInt(&buf)
        // `Duration::MAX` of Rust has no place in 64 signed bits.
        return .seconds(Int64(clamping: seconds)) + .nanoseconds(Int64(nanoseconds))
    }

    static func write(_ value: Duration, into buf: inout [UInt8]) {
        let (seconds, attoseconds) = max(value, .zero).components
        writeInt(&buf, UInt64(seconds))
        writeInt(&buf, UInt32(attoseconds / 1_000_000_000))
    }
}
