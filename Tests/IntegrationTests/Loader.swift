import Primitives

/// Passes a daemon to another thread.
// A load uses only state that does not change after the start.
struct Loader: @unchecked Sendable {
  let daemon: RunningDaemon

  func load(_ key: FileKey) throws -> String { try daemon.load(key) }
}
