import Foundation
import Reelkin
import XCTest

/// Records become JSON and back. The JSON is that of Python's `to_dict`.
final class CodableTests: XCTestCase {
    func testJsonOfPython() throws {
        let file = try XCTUnwrap(Bundle.module.url(forResource: "python", withExtension: "json"))
        let samples = try JSONDecoder().decode([String: [JSONValue]].self, from: Data(contentsOf: file))
        func check<Record: Codable>(_ type: Record.Type) throws {
            let values = try XCTUnwrap(samples["\(type)"])
            XCTAssertFalse(values.isEmpty)
            for value in values {
                let record = try value.decode(Record.self)
                XCTAssertEqual(try plain(record), value, "\(type)")
            }
        }
        try check(Clip.self)
        try check(Probe.self)
        try check(Spent.self)
        try check(Settlement.self)
        try check(GenerateRequest.self)
        try check(PollPolicy.self)
        try check(JobEvent.self)
        XCTAssertEqual(samples.count, 7)
    }

    func testRecordsBecomeJsonAndBack() async throws {
        try await inStudio(budget: .limits(perDay: 5)) { studio in
            let client = studio.client
            let clip = try await studio.clip()
            let job = try await client.startContinueFrom(clip, ContinueRequest("a storm", duration: .seconds(1)))
            let storm = try await job.wait()
            try check(storm)
            try check(try await client.library.list())
            try check(try await client.library.verify())
            try check(try await client.library.family(storm).members)
            try check(try await client.estimate(GenerateRequest("x", duration: .seconds(2))))
            try check(try await client.spent())
            try check(try await client.analyze(storm))
            try check(try await Media.probe(XCTUnwrap(storm.path)))
            try check(try await client.recover())
            try check(try await job.events.reduce(into: [JobEvent]()) { $0.append($1) })
            try check(client.models)
            try check(PollPolicy.default)
            try check(Timeouts.default)
            try check(Budget.limits(perRequest: Decimal(string: "0.1"), perDay: 5))
            try check(GenerateRequest("x", mode: .image(Data([1, 2, 3])), duration: .milliseconds(2500), plan: .on(nil)))
            try check(ChainRequest(.clip(clip.mediaInput), [ContinueRequest("on", frame: .sharpestOfLast(4))], budget: 1))

            let json = try plain(storm)
            XCTAssertEqual(json["path"]?.string, storm.path?.path)
            XCTAssertEqual(json["record"]?["reelkin"]?["cost"]?.string, "0.072")
            XCTAssertEqual(json["record"]?["reelkin"]?["operation"], "continue")
            XCTAssertNotNil(json["record"]?["extra"]?["clientNodeId"])
            XCTAssertEqual(try plain(PollPolicy.default)["deadline"], 900)
            XCTAssertEqual(try plain(Settlement.lost(Decimal(string: "0.1")!)), ["type": "Lost", "value": "0.10"])
            XCTAssertEqual(try plain([Validation.off]), ["off"])
        }
    }

    func testErrors() async throws {
        try await inStudio(faults: ["moderated=400"]) { studio in
            let error = try await failure("moderated") { try await studio.clip() }
            try check(error)
            XCTAssertEqual(try plain(error)["code"], "moderated")
            XCTAssertEqual(try plain(error)["retry_advice"], "change")
        }
    }

    func testInvalidJson() throws {
        func refuse<T: Decodable>(_ type: T.Type, _ value: JSONValue, _ path: String, line: UInt = #line) {
            XCTAssertThrowsError(try value.decode(type), line: line) { error in
                switch error as? DecodingError {
                case .dataCorrupted(let context), .typeMismatch(_, let context), .valueNotFound(_, let context),
                    .keyNotFound(_, let context):
                    XCTAssertEqual(context.codingPath.map(\.stringValue).joined(separator: "."), path, line: line)
                default: XCTFail("\(error)", line: line)
                }
            }
        }
        refuse(Clip.self, ["id": "a"], "")
        refuse(Clip.self, ["id": 1, "file_name": "a.mp4"], "id")
        refuse(Clip.self, "a", "")
        refuse(Settlement.self, ["type": "Gone"], "")
        refuse(Validation.self, "none", "")
        for amount: JSONValue in ["a", "0,10", "1a", "1 000", "", 1, nil] {
            refuse(Settlement.self, ["type": "Lost", "value": amount], "value")
        }
        for time: JSONValue in [1e300, "1", nil] {
            refuse(FramePosition.self, ["type": "At", "value": time], "value")
        }
        refuse(MediaInput.self, ["type": "Bytes", "bytes": "?", "name": "a"], "bytes")
        // Python writes zero like this.
        XCTAssertEqual(try JSONValue.object(["type": "Lost", "value": "0E-10"]).decode(Settlement.self), .lost(0))
        // Fields that can be nil can be left out.
        let clip = try JSONValue.object(["id": "a", "file_name": "a.mp4", "new": 1]).decode(Clip.self)
        XCTAssertEqual(clip, Clip(id: "a", fileName: "a.mp4", path: nil, record: nil))
    }

    func testParsedFields() async throws {
        try await inStudio { studio in
            let clip = try await studio.clip("a \"bay\" ☀")
            let record = try XCTUnwrap(clip.record)
            let request: JSONValue? = record.reelkin?.request
            XCTAssertEqual(request?["prompt"], "a \"bay\" ☀")
            XCTAssertEqual(request?["duration"], 1)
            let extra: [String: JSONValue] = record.extra
            XCTAssertNotNil(extra["clientNodeId"])
        }
    }

    func testJsonValues() throws {
        let text = #"{"a":[1,-2.5,"x",true,null,{}],"b":9007199254740993,"c":1e+30}"#
        let value = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        XCTAssertEqual(value, ["a": [1, -2.5, "x", true, nil, [:]], "b": 9_007_199_254_740_993, "c": 1e30])
        XCTAssertEqual(value["a"]?[1]?.number, -2.5)
        XCTAssertEqual(value["a"]?[0]?.number, 1)
        XCTAssertEqual(value["a"]?[0]?.integer, 1)
        XCTAssertEqual(value["a"]?[2]?.string, "x")
        XCTAssertEqual(value["a"]?[3]?.bool, true)
        XCTAssertNil(value["a"]?[6])
        XCTAssertNil(value["d"])
        XCTAssertNil(value[0])
        XCTAssertEqual(value["a"]?[4], JSONValue.null)
        XCTAssertEqual("\(value)", text)
        XCTAssertEqual(try value["a"]?[5]?.decode([String: Int].self), [:])
    }

    private func plain(_ record: some Encodable) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(record))
    }

    private func check<Record: Codable & Equatable>(_ record: Record, line: UInt = #line) throws {
        let encoder = JSONEncoder()
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        XCTAssertEqual(try decoder.decode(Record.self, from: encoder.encode(record)), record, line: line)
    }
}
