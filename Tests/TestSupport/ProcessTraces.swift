import Foundation
import Glibc

/// Runs a test again in separate processes, and compares their traces. Sets and dictionaries are hashed with a
/// per-process seed: a dependence on their order shows only between two processes.
package enum ProcessTraces {
  /// The file for the trace, in a process that `compare` has started.
  private static let variable = "KACHERY_TRACE_FILE"
  /// The time after which a hanging process is killed.
  private static let seconds = 300.0

  /// The reason why two processes cannot be compared, or their difference.
  package struct Difference: Error, CustomStringConvertible {
    package let description: String
  }

  /// Runs the body in this process, and the test that calls it in two more.
  ///
  /// - Parameter test: the test's name for `swift test --filter`.
  package static func compare(_ test: String, _ body: () throws -> [String]) throws {
    // Two seeds of 64 bits do not yield the same value by chance.
    let text = try (["hash \("any word".hashValue)"] + body()).joined(separator: "\n")
    if let path = ProcessInfo.processInfo.environment[variable] {
      return try Data(text.utf8).write(to: URL(filePath: path))
    }
    let own = text.components(separatedBy: "\n")
    let folder = try TemporaryFolder()
    let children = try (0..<2).map { try Child(test, in: folder, $0) }
    var traces = [own]
    for child in children { traces.append(try child.trace()) }
    guard Set(traces.map(\.first)).count == traces.count else {
      throw Difference(description: "two processes hash with the same seed, so this compares nothing")
    }
    for trace in traces {
      guard trace.count > 1 else { throw Difference(description: "\(test) has traced nothing") }
      let difference = zip(own, trace).dropFirst().first { $0 != $1 }
      if let difference { throw Difference(description: "\(difference.0)\nbut in another process\n\(difference.1)") }
      guard trace.count == own.count else { throw Difference(description: "one process did more than another") }
    }
  }

  /// A process that runs one test.
  private struct Child {
    private let process = Process()
    private let folder: TemporaryFolder
    private let path: String
    private let output: String

    init(_ test: String, in folder: TemporaryFolder, _ number: Int) throws {
      self.folder = folder
      path = folder.path("trace \(number)")
      output = try folder.write("output \(number)", [])
      process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      process.arguments = ["--testing-library", "swift-testing", "--filter", test]
      var environment = ProcessInfo.processInfo.environment
      environment[ProcessTraces.variable] = path
      environment["SWIFT_DETERMINISTIC_HASHING"] = nil
      process.environment = environment
      process.standardInput = FileHandle.nullDevice
      let handle = try FileHandle(forWritingTo: URL(filePath: output))
      process.standardOutput = handle
      process.standardError = handle
      try process.run()
    }

    /// The trace of the process, once it has ended.
    func trace() throws -> [String] {
      let deadline = Date(timeIntervalSinceNow: ProcessTraces.seconds)
      while process.isRunning, Date() < deadline { usleep(1_000) }
      if process.isRunning { kill(process.processIdentifier, SIGKILL) }
      process.waitForEnd()
      guard process.terminationStatus == 0, let data = FileManager.default.contents(atPath: path) else {
        let words = FileManager.default.contents(atPath: output).map {
          String(decoding: $0.suffix(2_000), as: UTF8.self)
        }
        throw Difference(description: "the process ended with \(process.terminationStatus) and said: \(words ?? "")")
      }
      return String(decoding: data, as: UTF8.self).components(separatedBy: "\n")
    }
  }
}
