import Foundation

// How the fields of records are encoded. The JSON is the same in all languages: durations are seconds, times are
// milliseconds since the Unix epoch, amounts and paths are text, bytes are base64, and keys are in snake_case.
// adapt/codable.pl writes the conformances of the records.

/// A type of a field.
protocol Field {
    static func read(from decoder: any Decoder) throws -> Self
    func write(to encoder: any Encoder) throws
    /// The value of a field that is left out, or `nil` if the field is required.
    static var absent: Self? { get }
}

extension Field {
    static var absent: Self? { nil }
}

extension Field where Self: Codable {
    static func read(from decoder: any Decoder) throws -> Self { try Self(from: decoder) }
    func write(to encoder: any Encoder) throws { try encode(to: encoder) }
}

extension Bool: Field {}
extension Double: Field {}
extension Int64: Field {}
extension String: Field {}
extension UInt16: Field {}
extension UInt32: Field {}
extension UInt64: Field {}
extension JSONValue: Field {}
extension VideoModelName: Field {}
extension ResolutionName: Field {}
extension AspectRatioName: Field {}

extension Duration: Field {
    static func read(from decoder: any Decoder) throws -> Duration {
        let value = try decoder.singleValueContainer()
        let seconds = try value.decode(Double.self)
        guard abs(seconds) < 0x1p62 else {
            throw DecodingError.dataCorruptedError(in: value, debugDescription: "\(seconds) s is too long")
        }
        // Nanoseconds are exact, while the fraction of the number is not.
        let whole = seconds.rounded(.down)
        return .seconds(Int64(whole)) + .nanoseconds(Int64(((seconds - whole) * 1e9).rounded()))
    }

    func write(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(Double(components.seconds) + Double(components.attoseconds) / 1e18)
    }
}

extension Decimal: Field {
    static func read(from decoder: any Decoder) throws -> Decimal {
        let value = try decoder.singleValueContainer()
        let text = try value.decode(String.self)
        // `Decimal(string:)` ignores what follows a number.
        let isNumber = text.range(of: #"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"#, options: .regularExpression) != nil
        guard isNumber, let amount = Decimal(string: text, locale: Locale(identifier: "en_US_POSIX")) else {
            throw DecodingError.dataCorruptedError(in: value, debugDescription: "\(text) is not a decimal number")
        }
        return amount
    }

    func write(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(amountText(self))
    }
}

extension URL: Field {
    static func read(from decoder: any Decoder) throws -> URL {
        URL(fileURLWithPath: try decoder.singleValueContainer().decode(String.self))
    }

    func write(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        // A relative path stays one.
        try value.encode(relativePath)
    }
}

extension Data: Field {
    static func read(from decoder: any Decoder) throws -> Data {
        let value = try decoder.singleValueContainer()
        guard let data = Data(base64Encoded: try value.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: value, debugDescription: "not base64")
        }
        return data
    }

    func write(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(base64EncodedString())
    }
}

extension Date: Field {
    static func read(from decoder: any Decoder) throws -> Date {
        Date(milliseconds: try decoder.singleValueContainer().decode(Double.self))
    }

    /// Writes milliseconds since the Unix epoch, as sidecars do.
    func write(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(milliseconds)
    }
}

extension Optional: Field where Wrapped: Field {
    static var absent: Wrapped?? { .some(nil) }

    static func read(from decoder: any Decoder) throws -> Wrapped? {
        try decoder.singleValueContainer().decodeNil() ? nil : Wrapped.read(from: decoder)
    }

    func write(to encoder: any Encoder) throws {
        guard let self else {
            var value = encoder.singleValueContainer()
            return try value.encodeNil()
        }
        try self.write(to: encoder)
    }
}

extension Array: Field where Element: Field {
    static func read(from decoder: any Decoder) throws -> [Element] {
        try [Coded<Element>](from: decoder).map(\.field)
    }

    func write(to encoder: any Encoder) throws {
        try map(Coded.init).encode(to: encoder)
    }
}

extension Dictionary: Field where Key == String, Value: Field {
    static func read(from decoder: any Decoder) throws -> [String: Value] {
        try [String: Coded<Value>](from: decoder).mapValues(\.field)
    }

    func write(to encoder: any Encoder) throws {
        try mapValues(Coded.init).encode(to: encoder)
    }
}

/// Passes a field to an encoder. Some fields are of types with another coding of their own.
private struct Coded<Value: Field>: Codable {
    let field: Value

    init(_ field: Value) { self.field = field }
    init(from decoder: any Decoder) throws { field = try Value.read(from: decoder) }
    func encode(to encoder: any Encoder) throws { try field.write(to: encoder) }
}

/// The key of a field.
struct FieldName: CodingKey, ExpressibleByStringLiteral {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringLiteral name: String) { stringValue = name }
    init(stringValue name: String) { stringValue = name }
    init?(intValue: Int) { nil }
}

extension KeyedDecodingContainer<FieldName> {
    func field<Value: Field>(_ name: FieldName) throws -> Value {
        if !contains(name), let absent = Value.absent { return absent }
        return try decode(Coded<Value>.self, forKey: name).field
    }
}

extension KeyedEncodingContainer<FieldName> {
    mutating func set(_ name: FieldName, _ field: some Field) throws {
        try encode(Coded(field), forKey: name)
    }
}

/// Returns the error for the name of a variant that this version does not know.
func unknownName(_ name: String, _ type: Any.Type, _ decoder: any Decoder) -> DecodingError {
    .dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "\(name) is not a \(type)"))
}
