// The baseline for bench.sh: a program with Foundation only.
import Foundation

print(ProcessInfo.processInfo.processIdentifier)
