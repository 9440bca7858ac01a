import CPosix
package import Primitives

/// What there is room for.
extension FileSystem {
  /// The number of the kind of file system that holds a path (statfs(2)).
  package static func kindNumber(at path: String) throws(KacheryError) -> Int64 {
    var kind: Int64 = 0
    try check("inspect", path) { CPosix_file_system($0, &kind) }
    return kind
  }

  /// Bytes available to this user on the file system of `path`, all its bytes, and the files that can still be created;
  /// nil if it has no limit on these.
  package static func room(
    at path: String
  ) throws(KacheryError) -> (available: UInt64, total: UInt64, files: UInt64?) {
    var status = statvfs()
    try check("inspect", path) { CPosix_statvfs($0, &status) }
    let total = UInt64(status.f_blocks).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return (
      try availableBytes(at: path), total.overflow ? .max : total.partialValue,
      status.f_files == 0 ? nil : UInt64(status.f_favail)
    )
  }

  /// The largest file that this process may write, in bytes; nil if there is no limit.
  package static var largestFile: UInt64? {
    let limit = CPosix_largest_file()
    return limit < 0 || limit == .max ? nil : UInt64(limit)
  }

  /// What this user has stored on the file system of `path`, in bytes, and may store; nil if there is no quota, or it is
  /// not known here, as on NFS.
  package static func quota(at path: String) -> (used: UInt64, limit: UInt64)? {
    guard let device = device(of: path) else { return nil }
    var (used, limit): (UInt64, UInt64) = (0, 0)
    guard device.withCString({ CPosix_quota($0, user, &used, &limit) }) == 0, limit > 0 else { return nil }
    return (used, limit)
  }

  /// The device that is mounted where a path is, by the list in proc(5), `mountinfo`.
  private static func device(of path: String) -> String? {
    guard let number = (try? status(path))?.device, let list = try? read("/proc/self/mountinfo", limit: 1 << 20) else {
      return nil
    }
    let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xf_ff00))
    for line in String(decoding: list, as: UTF8.self).parts(separatedBy: "\n") {
      let words = line.parts(separatedBy: " ")
      guard words.count > 6, words[2].utf8.elementsEqual("\(major):\(minor)".utf8),
        let dash = words.firstIndex(where: { $0.utf8.elementsEqual("-".utf8) }), words.count > dash + 2
      else { continue }
      return String(words[dash + 2])
    }
    return nil
  }
}
