import CPosix
import Glibc

extension FileSystem {
  /// The ID of this process, for lock files and unique names.
  package static var processID: Int32 { getpid() }

  /// The effective user of this process.
  package static var user: UInt32 { geteuid() }

  /// Most descriptors that a daemon can make use of.
  private static let mostDescriptors: Int64 = 1 << 20

  /// The permissions of a new file that its creator leaves to the umask. Briefly changes the umask of the process.
  package static var newFilePermissions: UInt32 {
    let mask = umask(0o077)
    umask(mask)
    return 0o666 & ~UInt32(mask)
  }

  /// Raises the number of descriptors that this process may have open to the maximum allowed; returns it.
  ///
  /// Shells start programs with 1,024, which is fewer than the number of clients that may wait for messages
  /// concurrently.
  @discardableResult
  package static func raiseDescriptorLimit() -> Int {
    Int(clamping: max(0, CPosix_raise_descriptor_limit(mostDescriptors)))
  }

  /// Seconds since 1970, to compute the age of files.
  package static var now: Int64 { Int64(time(nil)) }
}
