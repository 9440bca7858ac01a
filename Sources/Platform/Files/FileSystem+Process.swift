import CPosix
import Glibc

extension FileSystem {
  /// The number of this process, for lock files and names that no other process uses.
  package static var processID: Int32 { getpid() }

  /// The user as whom this process acts.
  package static var user: UInt32 { geteuid() }

  /// More open files than this are of no use to a daemon.
  private static let mostDescriptors: Int64 = 1 << 20

  /// Lets this process have as many files and connections open as its owner may allow it; returns how many.
  ///
  /// Shells start programs with 1,024, which is fewer than the clients that may wait for messages at once.
  @discardableResult
  package static func raiseDescriptorLimit() -> Int {
    Int(clamping: max(0, CPosix_raise_descriptor_limit(mostDescriptors)))
  }

  /// Seconds since 1970, to judge how old a file is.
  package static var now: Int64 { Int64(time(nil)) }
}
