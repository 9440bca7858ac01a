import Files

/// Detects changes to a file without reading it. Any write changes one of these values, and no program can set the
/// change time.
struct FileStamp: Hashable, Sendable {
  /// In bytes.
  let size: UInt64
  /// Modification time (mtime), in nanoseconds since 1970.
  let modifiedNanoseconds: Int64
  /// Change time (ctime), in nanoseconds since 1970.
  let changedNanoseconds: Int64
}

extension FileStamp {
  init(_ status: FileStatus) {
    self.init(
      size: status.size, modifiedNanoseconds: status.modifiedNanoseconds, changedNanoseconds: status.changedNanoseconds)
  }
}
