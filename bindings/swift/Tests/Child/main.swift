// Child WHAT BASE_URL LIBRARY, with the key in XAI_API_KEY: a process that ends with a job in flight.
import Foundation
import Reelkin

let arguments = CommandLine.arguments
let client = try VideoClient(library: URL(fileURLWithPath: arguments[3]), baseUrl: arguments[2])

func say(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
}

switch arguments[1] {
case "start-and-hang":
    let job = try await client.startGenerate(GenerateRequest("a lighthouse", duration: .seconds(1)))
    try say(job.id)
    try await Task.sleep(for: .seconds(600))
case "start-and-end":
    // A sandbox of its own, and calls of every sort on every thread: none of it is brought to an end.
    let sandbox = try await Sandbox.start()
    let other = try VideoClient(library: client.library.folder!, apiKey: sandbox.apiKey, baseUrl: sandbox.baseUrl)
    try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
            group.addTask { _ = try await other.recover() }
        }
        try await group.waitForAll()
    }
    let job = try await client.startGenerate(GenerateRequest("a lighthouse", duration: .seconds(1)))
    try say(job.id)
case "end-while-creating":
    Task { try await client.generate("a lighthouse", duration: .seconds(1)) }
    try await Task.sleep(for: .milliseconds(700))
    say("ending")
default:
    fatalError("what is \(arguments[1])?")
}
