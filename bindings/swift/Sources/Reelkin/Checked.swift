import Foundation
import ReelkinGenerated

/// Validates a value before it is passed to the native library, and returns it.
///
/// Swift's `Duration` and `Decimal` can hold values that the native types cannot: negative, infinite or too precise
/// ones. This function rejects them wherever they occur in a request. The native library validates everything else.
///
/// - Throws: ``VideoError/invalidRequest(details:)``, which names the field.
func checked<Value>(_ value: Value, _ name: String = "value") throws -> Value {
    try check(value, name)
    return value
}

private func check(_ value: Any, _ name: String) throws {
    switch value {
    case let duration as Duration where duration < .zero || duration.components.seconds == .max:
        throw VideoError.invalidArgument("convert \(name): must be a finite duration of 0 or more, not \(duration)")
    case let amount as Decimal where !isValidAmount(amount):
        throw VideoError.invalidArgument(
            "convert \(name): must be an amount in dollars of 0 or more with at most 10 decimals, not \(amount)")
    case is Duration, is Decimal, is Data, is String:
        return
    default:
        for child in Mirror(reflecting: value).children {
            try check(child.value, child.label.flatMap { $0.first == "." ? nil : $0 } ?? name)
        }
    }
}

private func isValidAmount(_ amount: Decimal) -> Bool {
    guard !amount.isNaN, amount >= 0 else { return false }
    return UInt64((amount * ticksPerDollar).description) != nil
}
