import Foundation

/// The unit in which money crosses: 1e-10 USD, exact.
package let ticksPerDollar = Decimal(10_000_000_000)

/// Dollars as they are shown, without a loss.
func dollars(ticks: UInt64) -> Decimal {
    Decimal(ticks) / ticksPerDollar
}

/// Dollars as they cross. `Reelkin.checked` has refused what is negative, too large or finer than a tick: what is
/// left of that here is none.
func ticks(dollars: Decimal) -> UInt64 {
    UInt64((dollars * ticksPerDollar).description) ?? 0
}
