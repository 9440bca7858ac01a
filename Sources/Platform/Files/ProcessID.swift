import CPosix

extension FileSystem {
  /// The number of this process, for lock files and names that no other process uses.
  package static var processID: Int32 { getpid() }
}
