// The programs that bench.sh measures: Bench start | frame CLIP | clip LIBRARY
import Foundation
import Reelkin

switch CommandLine.arguments.dropFirst().first {
case "start":
    print(ProcessInfo.processInfo.processIdentifier, version)
case "frame":
    let frame = try await Media.frame(URL(fileURLWithPath: CommandLine.arguments[2]), .last)
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let peak = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    print(frame.width, frame.height, peak.filter(\.isNumber))
case "clip":
    let sandbox = try await Sandbox.start(minJobDuration: .milliseconds(100))
    let client = try VideoClient(
        library: URL(fileURLWithPath: CommandLine.arguments[2]), apiKey: sandbox.apiKey, baseUrl: sandbox.baseUrl)
    print(try await client.generate("a lighthouse", duration: .seconds(5), resolution: .p720).path!.path)
    try await client.close()
    try await sandbox.stop()
default:
    fatalError("usage: Bench start | frame CLIP | clip LIBRARY")
}
