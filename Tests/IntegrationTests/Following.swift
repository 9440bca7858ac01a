import Foundation
import Primitives
import TestSupport

/// A command that keeps printing until it is stopped.
final class Following {
  private let process = Process()
  private let output = Pipe()
  private var received: [UInt8] = []

  init(_ name: String, _ arguments: [String], in folder: String, environment: [String: String]) throws {
    // Creates the link with this name.
    _ = try run(name, ["--help"], in: folder, environment: environment)
    process.executableURL = URL(filePath: "\(folder)/\(name)")
    process.arguments = arguments
    process.environment = environment
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  /// The next line of output.
  func line() throws -> String {
    let descriptor = output.fileHandleForReading.fileDescriptor
    while true {
      if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
        defer { received.removeFirst(end + 1) }
        return String(decoding: received[..<end], as: UTF8.self)
      }
      var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&entry, 1, 30_000) > 0 else { throw KacheryError(.timedOut, "Nothing more was printed.") }
      var block = [UInt8](repeating: 0, count: 4_096)
      let count = read(descriptor, &block, block.count)
      guard count > 0 else { throw KacheryError(.disconnected, "The command has ended.") }
      received += block.prefix(count)
    }
  }

  func stop() {
    // Test threads block signals, and their child processes inherit that; this signal cannot be blocked.
    kill(process.processIdentifier, SIGKILL)
    process.waitForEnd()
  }
}
