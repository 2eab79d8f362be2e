import Foundation
import Reelkin
import XCTest

/// Cancellation ends a call at once and loses nothing that was paid for.
final class CancellationTests: XCTestCase {
    func testACancelledTaskSendsNothing() async throws {
        try await inStudio { studio in
            let task = Task {
                try? await Task.sleep(for: .seconds(60))
                return try await studio.clip()
            }
            await cancelled(task)
            XCTAssertEqual(try studio.creates, 0)
        }
    }

    func testNoOperationOfACancelledTaskSendsAnything() async throws {
        typealias Call = @Sendable (VideoClient, Clip) async throws -> Void
        // All paid operations, also with planning of the prompt, which is a paid call that comes first.
        let steps: @Sendable (Clip) -> ChainRequest = { clip in
            ChainRequest(.clip(clip.mediaInput), [ContinueRequest("storm", duration: .seconds(1))])
        }
        let paid: [Call] = [
            { client, _ in _ = try await client.generate("a bay", duration: .seconds(1)) },
            { client, _ in _ = try await client.generate(GenerateRequest("a bay", plan: .on(nil))) },
            { client, _ in _ = try await client.startGenerate(GenerateRequest("a bay")) },
            { client, clip in _ = try await client.edit(clip, "night") },
            { client, clip in _ = try await client.startEdit(EditRequest(clip, "night")) },
            { client, clip in _ = try await client.extend(clip, "on", duration: .seconds(2)) },
            { client, clip in _ = try await client.startExtend(ExtendRequest(clip, "on")) },
            { client, clip in _ = try await client.continueFrom(clip, "storm", duration: .seconds(1)) },
            { client, clip in _ = try await client.startContinueFrom(clip, ContinueRequest("storm")) },
            { client, clip in _ = try await client.chain(steps(clip)) },
            { client, clip in _ = try await client.startChain(steps(clip)) },
            { client, clip in _ = try await client.analyze(clip) },
        ]
        try await inStudio { studio in
            let clip = try await studio.clip(seconds: 2)
            let before = try studio.sandbox.state
            for call in paid {
                let task = Task {
                    withUnsafeCurrentTask { $0?.cancel() }
                    try await call(studio.client, clip)
                }
                await cancelled(task)
            }
            // Waits for requests that are being sent.
            try await studio.client.close()
            let after = try studio.sandbox.state
            XCTAssertEqual(before.createRequests, after.createRequests)
            XCTAssertEqual(before.answers, after.answers)
            XCTAssertEqual(before.uploads, after.uploads)
        }
    }

    func testCancellationWhileACreateIsSent() async throws {
        try await inStudio(faults: ["create:delay=4,times=1"]) { studio in
            let task = Task { try await studio.clip() }
            try await until("the create is there") { try studio.sandbox.state.createRequests == 1 }
            await cancelled(task)
            let recovered = try await studio.client.recover()
            XCTAssertEqual(recovered.saved.count, 1)
            XCTAssertEqual(try studio.creates, 1)
        }
    }

    func testCancellingAWaitDoesNotStopTheJob() async throws {
        try await inStudio(minJobDuration: .seconds(5)) { studio in
            let job = try await studio.client.startGenerate(GenerateRequest("a", duration: .seconds(1)))
            let waiting = Task { try await job.wait() }
            let watching = Task {
                for try await _ in job.events {}
            }
            try await Task.sleep(for: .milliseconds(300))
            await cancelled(waiting)
            // The iteration may have been between two events, and then ends without an error.
            watching.cancel()
            _ = await watching.result
            XCTAssertFalse(job.isOver)
            let clip = try await job.wait()
            XCTAssertEqual(clip.record?.reelkin?.jobId, job.id)
            XCTAssertTrue(job.isOver)
        }
    }

    func testStopWaiting() async throws {
        try await inStudio(minJobDuration: .seconds(5)) { studio in
            let job = try await studio.client.startGenerate(GenerateRequest("a", duration: .seconds(1)))
            let waiting = Task { try await job.wait() }
            job.stopWaiting()
            let error = try await failure("stopped") { try await waiting.value }
            XCTAssertEqual(error.jobId, job.id)
            let recovered = try await studio.client.recover()
            XCTAssertEqual(recovered.saved.map { $0.record?.reelkin?.jobId }, [job.id])
            XCTAssertEqual(try studio.creates, 1)
        }
    }

    func testCancellationOfAnAnalysis() async throws {
        try await inStudio(faults: ["answer:delay=60"]) { studio in
            let clip = try await studio.clip()
            let task = Task { try await studio.client.analyze(clip) }
            try await Task.sleep(for: .milliseconds(500))
            await cancelled(task)
        }
    }

    func testCancellationOfARecovery() async throws {
        try await inStudio(minJobDuration: .seconds(6)) { studio in
            let job = try await studio.client.startGenerate(GenerateRequest("a", duration: .seconds(1)))
            job.stopWaiting()
            _ = try? await job.wait()
            let task = Task { try await studio.client.recover() }
            try await Task.sleep(for: .milliseconds(500))
            await cancelled(task)
            let recovered = try await studio.client.recover()
            XCTAssertEqual(recovered.saved.count, 1)
            XCTAssertEqual(try studio.creates, 1)
        }
    }

    func testAFailingTaskGroup() async throws {
        // An error of one task cancels the others. Every created clip is saved later, and none twice.
        try await inStudio(faults: ["moderated=400,prompt=bad"], minJobDuration: .seconds(1)) { studio in
            _ = try? await withThrowingTaskGroup(of: Void.self) { group in
                for prompt in ["good", "bad", "fair", "fine"] {
                    group.addTask { _ = try await studio.clip(prompt) }
                }
                try await group.waitForAll()
            }
            let creates = try studio.creates
            let recovered = try await studio.client.recover()
            XCTAssertEqual(recovered.unsettled, [])
            XCTAssertEqual(recovered.heldByOthers, [])
            let page = try await studio.client.library.list()
            XCTAssertEqual(page.clips.count, Int(creates) - 1)
            XCTAssertEqual(try studio.creates, creates)
        }
    }

    func testClosingInACancelledTask() async throws {
        try await inStudio(minJobDuration: .seconds(30)) { studio in
            let waiting = Task { try await studio.clip() }
            try await until("the job runs") { try studio.creates == 1 }
            let closing = Task {
                try? await Task.sleep(for: .seconds(60))
                try await studio.client.close()
            }
            closing.cancel()
            try await closing.value
            try await failure("stopped") { try await waiting.value }
            try await failure("config") { try await studio.client.recover() }
        }
    }

    func testAThousandCancellations() async throws {
        // At different moments, from before the call starts to after it has ended.
        try await inStudio { studio in
            let library = studio.client.library
            _ = try await studio.clip()
            for round in 0..<1000 {
                let task = Task { try await library.list() }
                if round % 3 > 0 { await Task.yield() }
                if round % 7 == 0 { try await Task.sleep(for: .microseconds(round)) }
                task.cancel()
                switch await task.result {
                case .success(let page): XCTAssertEqual(page.clips.count, 1)
                case .failure(let error): XCTAssertTrue(error is CancellationError, "\(error)")
                }
            }
        }
    }
}
