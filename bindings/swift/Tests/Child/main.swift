// Child ACTION BASE_URL LIBRARY, with the key in XAI_API_KEY: a process that exits with a job in flight.
import Foundation
import Reelkin

let arguments = CommandLine.arguments
let client = try VideoClient(library: URL(fileURLWithPath: arguments[3]), baseUrl: arguments[2])

func printLine(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
}

switch arguments[1] {
case "start-and-hang":
    let job = try await client.startGenerate(GenerateRequest("a lighthouse", duration: .seconds(1)))
    printLine(job.id)
    try await Task.sleep(for: .seconds(600))
case "start-and-end":
    // Also exits with another sandbox and client open, after calls on several threads.
    let sandbox = try await Sandbox.start()
    let other = try VideoClient(library: client.library.folder!, apiKey: sandbox.apiKey, baseUrl: sandbox.baseUrl)
    try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
            group.addTask { _ = try await other.recover() }
        }
        try await group.waitForAll()
    }
    let job = try await client.startGenerate(GenerateRequest("a lighthouse", duration: .seconds(1)))
    printLine(job.id)
case "end-while-creating":
    Task { try await client.generate("a lighthouse", duration: .seconds(1)) }
    try await Task.sleep(for: .milliseconds(700))
    printLine("ending")
default:
    fatalError("unknown action \(arguments[1])")
}
