import CPosix

extension FileSystem {
  /// The number of this process, for lock files and names that no other process uses.
  package static var processID: Int32 { getpid() }

  /// The user as whom this process acts.
  package static var user: UInt32 { geteuid() }

  /// Seconds since 1970, to judge how old a file is.
  package static var now: Int64 { Int64(time(nil)) }
}
