import Foundation

/// The number of ticks in a dollar. Amounts cross the language boundary as exact ticks of 1e-10 USD.
package let ticksPerDollar = Decimal(10_000_000_000)

/// Converts ticks to dollars, exactly.
func dollars(ticks: UInt64) -> Decimal {
    Decimal(ticks) / ticksPerDollar
}

/// Converts dollars to ticks. `Reelkin.checked` has already rejected amounts that cannot be converted.
func ticks(dollars: Decimal) -> UInt64 {
    UInt64((dollars * ticksPerDollar).description) ?? 0
}

/// Formats an amount with at least two decimals, as the other languages do.
func amountText(_ amount: Decimal) -> String {
    guard let ticks = UInt64((amount * ticksPerDollar).description) else { return amount.description }
    let (dollars, fraction) = ticks.quotientAndRemainder(dividingBy: 10_000_000_000)
    let text = String(fraction)
    var digits = String(repeating: "0", count: 10 - text.count) + text
    while digits.count > 2 && digits.last == "0" { digits.removeLast() }
    return "\(dollars).\(digits)"
}
