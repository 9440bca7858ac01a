import Files

/// How a file looks without a look at its bytes. Writing to a file changes one of these, and no program can set the time
/// of change.
struct FileStamp: Hashable, Sendable {
  /// In bytes.
  let size: UInt64
  /// When the content last changed, as the file says, in nanoseconds since 1970.
  let modifiedNanoseconds: Int64
  /// When anything about the file last changed, in nanoseconds since 1970.
  let changedNanoseconds: Int64
}

extension FileStamp {
  init(_ status: FileStatus) {
    self.init(
      size: status.size, modifiedNanoseconds: status.modifiedNanoseconds, changedNanoseconds: status.changedNanoseconds)
  }
}
