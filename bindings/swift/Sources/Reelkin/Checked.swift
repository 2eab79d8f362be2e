import Foundation
import ReelkinGenerated

/// A value that is to cross, when it can.
///
/// Swift's types for time and money hold more than the core's: what is negative, endless or finer than the unit in
/// which it crosses is refused here, in one place, wherever in a request it stands. Everything else the core checks.
///
/// - Throws: ``VideoError/invalidRequest(details:)``, which names the field.
func checked<Value>(_ value: Value, _ name: String = "value") throws -> Value {
    try check(value, name)
    return value
}

private func check(_ value: Any, _ name: String) throws {
    switch value {
    case let time as Duration where time < .zero || time.components.seconds == .max:
        throw VideoError.refused("take \(name) of \(time): it has to be a time from 0 on")
    case let amount as Decimal where !isMoney(amount):
        throw VideoError.refused("take \(name) of \(amount): it has to be dollars from 0 on, down to 1e-10")
    case is Duration, is Decimal, is Data, is String:
        return
    default:
        for child in Mirror(reflecting: value).children {
            try check(child.value, child.label.flatMap { $0.first == "." ? nil : $0 } ?? name)
        }
    }
}

private func isMoney(_ amount: Decimal) -> Bool {
    guard !amount.isNaN, amount >= 0 else { return false }
    return UInt64((amount * ticksPerDollar).description) != nil
}
