
// MARK: - Hand-written code that adapt.pl appends to the generated module, because it uses private declarations.

/// A Rust future, freed with the last reference.
fileprivate final class RustFuture: Sendable {
    let handle: UInt64
    private let free: @Sendable (UInt64) -> Void

    init(_ handle: UInt64, free: @escaping @Sendable (UInt64) -> Void) {
        self.handle = handle
        self.free = free
    }

    deinit { free(handle) }
}

/// Awaits a Rust future. If the task is canceled, drops the future and throws `CancellationError`.
///
/// The generated code would continue to wait. All calls of the core support being dropped: a call that creates a clip
/// stops waiting and leaves its job in the journal, decoding is interrupted, and observing affects nothing.
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
        // On another thread, because this handler holds a lock of the task that resuming its continuation may take too.
        DispatchQueue.global().async { cancelFunc(future.handle) }
    }
}

/// Converts durations with nanosecond precision. `Reelkin.checked` has already rejected negative ones.
fileprivate struct FfiConverterDuration: FfiConverterRustBuffer {
    typealias SwiftType = Duration

    static func read(from buf: inout (data: Data, offset: Data.Index)) throws -> Duration {
        let seconds: UInt64 = try readInt(&buf)
        let nanoseconds: UInt32 = try readInt(&buf)
        // Rust's `Duration::MAX` does not fit into a signed 64-bit integer.
        return .seconds(Int64(clamping: seconds)) + .nanoseconds(Int64(nanoseconds))
    }

    static func write(_ value: Duration, into buf: inout [UInt8]) {
        let (seconds, attoseconds) = max(value, .zero).components
        writeInt(&buf, UInt64(seconds))
        writeInt(&buf, UInt32(attoseconds / 1_000_000_000))
    }
}
