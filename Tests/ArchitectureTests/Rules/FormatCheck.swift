import Foundation
import TestSupport

/// Runs the toolchain's formatter on all Swift sources.
enum FormatCheck {
  /// The formatter's complaints about `paths`; empty if there are none.
  static func complaints(about paths: [String], in folder: URL) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["swift-format", "lint", "--strict", "--recursive", "--configuration", configuration] + paths
    process.currentDirectoryURL = folder
    var environment = ProcessInfo.processInfo.environment
    // Prefers the formatter of the toolchain that runs the tests: other versions format differently.
    environment["PATH"] = toolchain.map { "\($0):" }.joined() + (environment["PATH"] ?? "")
    process.environment = environment
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitForEnd()
    return process.terminationStatus == 0 ? "" : text.isEmpty ? "exit status \(process.terminationStatus)" : text
  }

  private static var configuration: String { Repository.root.appending(path: ".swift-format").path }

  /// The folder of the `swift` command on the path, with links resolved; it also contains the formatter.
  private static var toolchain: [String] {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    return folders.lazy.map { URL(filePath: "\($0)/swift") }
      .filter { FileManager.default.isExecutableFile(atPath: $0.path) }
      .prefix(1).map { $0.resolvingSymlinksInPath().deletingLastPathComponent().path }
  }
}
