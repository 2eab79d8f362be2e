import Foundation

extension Date {
    /// Creates a date from milliseconds since the Unix epoch.
    init(milliseconds: Double) {
        self.init(timeIntervalSince1970: milliseconds / 1000)
    }

    /// The whole milliseconds since the Unix epoch, negative for earlier dates.
    var milliseconds: Int64 {
        Int64(max(-0x1p62, min(timeIntervalSince1970 * 1000, 0x1p62)).rounded())
    }
}

/// Converts a time of a record.
func date(milliseconds: UInt64) -> Date {
    Date(milliseconds: Double(milliseconds))
}

/// Converts a date for a record. Earlier dates than the Unix epoch become 0.
func milliseconds(date: Date) -> UInt64 {
    UInt64(max(0, date.milliseconds))
}
