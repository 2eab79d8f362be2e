import Foundation
import Reelkin
import XCTest

/// The scenarios of bindings/SCENARIOS.md.
final class ScenariosTests: XCTestCase {
    func testGenerateFromText() async throws {
        try await inStudio { studio in
            let clip = try await studio.clip("a lighthouse at dusk")
            let path = try XCTUnwrap(clip.path)
            XCTAssertTrue(FileManager.default.fileExists(atPath: path.path))
            let record = try XCTUnwrap(clip.record)
            let own = try XCTUnwrap(record.reelkin)
            XCTAssertEqual(record.prompt, "a lighthouse at dusk")
            XCTAssertEqual(own.delivery?.findings, [])
            XCTAssertEqual(own.jobId, try studio.sandbox.state.jobs.first?.id)
            XCTAssertEqual(try studio.creates, 1)
            let price = try XCTUnwrap(own.cost)
            XCTAssertGreaterThan(price, 0)
            let spent = try await studio.client.spent()
            XCTAssertEqual(spent.paid, price)
            XCTAssertEqual(spent.requests, 1)
        }
    }

    func testGenerateFromAnImage() async throws {
        try await inStudio { studio in
            let clip = try await studio.clip()
            let picture = try await studio.client.frame(clip, .last).toPng()
            let next = try await studio.client.generate(
                "the lamp turns on", mode: .image(MediaInput.bytes(bytes: picture, name: "last frame")),
                duration: .seconds(1), resolution: .p480)
            let own = try XCTUnwrap(next.record?.reelkin)
            XCTAssertGreaterThanOrEqual(try XCTUnwrap(own.delivery?.start).lumaDb, 35)
            XCTAssertEqual(own.inputs?.count, 1)
            XCTAssertEqual(own.inputs?.first?.sha256, try sha256(picture))
        }
    }

    func testContinueTwiceAndReadTheFamily() async throws {
        try await inStudio { studio in
            let first = try await studio.clip()
            let second = try await studio.client.continueFrom(first, "a storm comes in", duration: .seconds(1))
            let third = try await studio.client.continueFrom(second, "the storm leaves", duration: .seconds(1))
            let family = try await studio.client.library.family(second)
            let row = [first.id, second.id, third.id]
            XCTAssertEqual(family.members.map(\.id), row)
            XCTAssertEqual(family.focus.id, second.id)
            XCTAssertEqual(family.root.id, first.id)
            XCTAssertEqual(family.parents(third.id).map(\.id), [second.id])
            XCTAssertEqual(family.children(first.id).map(\.id), [second.id])
            XCTAssertEqual(family.pathTo(third.id).map(\.id), row)
            XCTAssertEqual(Set(family.descendants(first.id).map(\.id)), [second.id, third.id])
            XCTAssertGreaterThan(family.cost, 0)
            XCTAssertTrue(family.toMermaid().contains("flowchart"))
            let verdicts = try await studio.client.library.verifyFamily(family)
            XCTAssertEqual(verdicts.map(\.condition), [.intact, .intact, .intact])
        }
    }

    func testEdit() async throws {
        try await inStudio { studio in
            let clip = try await studio.clip()
            let night = try await studio.client.edit(clip, "make it a moonlit night")
            XCTAssertEqual(night.record?.reelkin?.operation, "edit")
            XCTAssertEqual(night.record?.reelkin?.parents?.map(\.id), [clip.id])
        }
    }

    func testExtend() async throws {
        try await inStudio { studio in
            let clip = try await studio.clip(seconds: 2)
            let long = try await studio.client.extend(clip, "the rain stops", duration: .seconds(2))
            let before = try await Media.probe(try XCTUnwrap(clip.path)).duration
            let after = try await Media.probe(try XCTUnwrap(long.path)).duration
            XCTAssertEqual(seconds(after - before), 2, accuracy: 0.1)
            let seam = try XCTUnwrap(long.record?.reelkin?.delivery?.seam)
            XCTAssertEqual(seam.seconds, 2, accuracy: 0.1)
        }
    }

    func testAnalyze() async throws {
        try await inStudio { studio in
            let clip = try await studio.clip()
            let notes = try await studio.client.analyze(clip)
            XCTAssertFalse(notes.prompt.isEmpty)
            XCTAssertFalse(notes.shot.isEmpty)
            XCTAssertEqual(notes.frames.count, 2)
            XCTAssertGreaterThan(try XCTUnwrap(notes.cost), 0)
            XCTAssertEqual(try studio.creates, 1)
        }
    }

    func testFrameEqualsRusts() async throws {
        try await inStudio { studio in
            let clip = try await studio.clip()
            let path = try XCTUnwrap(clip.path)
            let frame = try await studio.client.frame(clip, .last)
            let expected = URL(fileURLWithPath: try XCTUnwrap(ProcessInfo.processInfo.environment["REELKIN_EXPECTED"]))
            let rusts = try await Media.frame(expected.appendingPathComponent("clip.mp4"), .last)
            XCTAssertEqual(try rusts.toPng(), try Data(contentsOf: expected.appendingPathComponent("last.png")))
            XCTAssertEqual(frame.rgb.count, frame.width * frame.height * 3)
            let same = try await Media.frame(path, .last)
            XCTAssertEqual(try frame.psnr(same), .infinity)
        }
    }

    func testModeration() async throws {
        try await inStudio(faults: ["moderated=400"]) { studio in
            let error = try await failure("moderated") { try await studio.clip() }
            guard case .moderated = error else { return XCTFail("\(error)") }
            XCTAssertNotNil(error.jobId)
            XCTAssertFalse(error.isRetryable)
            let page = try await studio.client.library.list()
            XCTAssertEqual(page.clips.count, 0)
        }
    }

    func testSubmissionUnknown() async throws {
        try await inStudio(faults: ["create:lost-reply"]) { studio in
            let error = try await failure("submission_unknown") { try await studio.clip() }
            let recordId = try XCTUnwrap(error.recordId)
            XCTAssertEqual(error.details.mayHaveBeenCharged, .unknown)
            XCTAssertEqual(try studio.creates, 1)
            let recovered = try await studio.client.recover()
            XCTAssertEqual(recovered.unsettled.map(\.id), [recordId])
            XCTAssertEqual(recovered.saved, [])
            let settled = try await studio.client.library.settle(recordId, .neverMade)
            XCTAssertEqual(settled.id, recordId)
            let open = try await studio.client.library.jobs()
            XCTAssertEqual(open, [])
            let again = try await studio.client.recover()
            XCTAssertEqual(again.unsettled, [])
            XCTAssertEqual(try studio.creates, 1)
        }
    }

    func testBudget() async throws {
        try await inStudio(budget: .limits(perRequest: Decimal(string: "0.01"))) { studio in
            let error = try await failure("budget") { try await studio.clip() }
            XCTAssertEqual(error.details.mayHaveBeenCharged, .no)
            XCTAssertEqual(try studio.creates, 0)
        }
    }

    func testPickUpInAnotherProcess() async throws {
        try await inStudio { studio in
            let child = try Program(
                "Child", ["start-and-hang", studio.sandbox.baseUrl, studio.folder.path],
                environment: ["XAI_API_KEY": studio.sandbox.apiKey])
            let id = try child.line()
            kill(child.process.processIdentifier, SIGKILL)
            child.process.waitUntilExit()
            let recovered = try await studio.client.recover()
            XCTAssertEqual(recovered.saved.count, 1)
            XCTAssertEqual(recovered.saved.first?.record?.reelkin?.jobId, id)
            XCTAssertEqual(try studio.creates, 1)
            let clip = try await studio.client.job(id).wait()
            XCTAssertEqual(clip.id, recovered.saved.first?.id)
        }
    }

    func testCancelThenRecover() async throws {
        try await inStudio(minJobDuration: .seconds(5)) { studio in
            let task = Task { try await studio.clip() }
            try await until("the job's id is written down") {
                try await studio.client.library.jobs().contains { $0.jobId != nil }
            }
            await cancelled(task)
            let recovered = try await studio.client.recover()
            XCTAssertEqual(recovered.saved.count, 1)
            XCTAssertEqual(try studio.creates, 1)
            let open = try await studio.client.library.jobs()
            XCTAssertEqual(open, [])
        }
    }

    func testTwentyAtOnce() async throws {
        try await inStudio { studio in
            let ids = try await withThrowingTaskGroup(of: String.self) { group in
                for number in 1...20 {
                    group.addTask { try await studio.clip("lighthouse \(number)").id }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            XCTAssertEqual(ids.count, 20)
            XCTAssertEqual(try studio.creates, 20)
        }
    }

    func testKeyNeverShown() async throws {
        try await inStudio { studio in
            let wrong = "xai-wrong-8841-never-shown"
            let stranger = try Studio.client(of: studio.sandbox, studio.folder, key: wrong)
            let error = try await failure("auth") { try await stranger.generate("a lighthouse", duration: .seconds(1)) }
            let clip = try await studio.clip()
            let job = try await studio.client.startGenerate(GenerateRequest("a boat", duration: .seconds(1)))
            _ = try await job.wait()
            let things: [Any] = [
                error, error.details, error.localizedDescription, stranger, studio.client, stranger.library, clip,
                job, job.events, try await studio.client.library.family(clip),
                try await studio.client.frame(clip, .first), try await studio.client.spent(),
                try await studio.client.library.list(), stranger.service, try studio.sandbox.state,
            ]
            var shown = ""
            for thing in things {
                dump(thing, to: &shown)
                print(thing, String(reflecting: thing), to: &shown)
            }
            try await stranger.close()
            for file in try files(below: studio.folder) {
                shown += file.path + String(decoding: try Data(contentsOf: file), as: UTF8.self)
            }
            XCTAssertGreaterThan(shown.utf8.count, 10_000)
            XCTAssertFalse(shown.contains(wrong))
            XCTAssertFalse(shown.contains(studio.sandbox.apiKey))
        }
    }
}

private func sha256(_ data: Data) throws -> String {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try data.write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let words = try Program("/usr/bin/env", ["sha256sum", file.path]).end()
    return String(words.prefix(64))
}

private func seconds(_ time: Duration) -> Double {
    time / .seconds(1)
}
