import Foundation
import TestSupport
import Testing

extension TemporaryFolder {
  /// The environment of a command that works without a daemon, on a storage directory in this folder.
  var offline: [String: String] {
    ["HOME": path, "KACHERY_OFFLINE_STORAGE_DIR": path("offline"), "PATH": "/usr/bin:/bin"]
  }

  /// Runs a command in this folder by one of its names; expects exit code `code` and returns the output.
  @discardableResult
  func call(
    _ name: String, _ arguments: [String], in environment: [String: String], code: Int32 = 0,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> (output: String, errors: String) {
    let result = try run(name, arguments, in: path, environment: environment)
    #expect(result.code == code, "\(name) \(arguments): \(result)", sourceLocation: sourceLocation)
    return (result.output, result.errors)
  }

  /// Creates a file of this many bytes, with other content for another number; returns its path.
  func file(_ name: String, bytes count: Int) throws -> String {
    let path = path(name)
    try Data(PatternBytes.make(count, seed: count)).write(to: URL(filePath: path))
    return path
  }
}
