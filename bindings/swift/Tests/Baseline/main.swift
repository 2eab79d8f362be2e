// What a program of Swift and Foundation costs before it does anything.
import Foundation

print(ProcessInfo.processInfo.processIdentifier)
