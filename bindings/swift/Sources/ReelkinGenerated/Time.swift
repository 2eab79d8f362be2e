import Foundation

/// Converts a time of a record, in milliseconds since the Unix epoch.
func date(milliseconds: UInt64) -> Date {
    Date(timeIntervalSince1970: Double(milliseconds) / 1000)
}

/// Converts a date to milliseconds since the Unix epoch. Earlier dates become 0.
func milliseconds(date: Date) -> UInt64 {
    UInt64(exactly: max(0, min(date.timeIntervalSince1970 * 1000, 0x1p62)).rounded()) ?? 0
}
