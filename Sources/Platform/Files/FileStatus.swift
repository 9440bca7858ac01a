import CPosix

/// The file system's metadata of a file or folder at one moment.
package struct FileStatus: Hashable, Sendable {
  /// The kind of entry at a path.
  package enum Kind: Hashable, Sendable { case regular, folder, symbolicLink, other }

  package let kind: Kind
  /// Bytes in the file.
  package let size: UInt64
  /// When the content last changed, in nanoseconds since 1970.
  package let modifiedNanoseconds: Int64
  /// When the content was last read, as far as the file system records it, in nanoseconds since 1970.
  package let accessedNanoseconds: Int64
  /// When anything about the file last changed, including its name, in nanoseconds since 1970.
  package let changedNanoseconds: Int64
  /// The file's number within `device`: two paths with the same pair name the same file.
  package let inode: UInt64
  package let device: UInt64
  /// The lower twelve bits of the mode: permissions, set-user-ID, set-group-ID, sticky.
  package let permissions: UInt32
  /// The user who owns the file.
  package let owner: UInt32
  /// The file's group.
  package let group: UInt32

  /// When the content last changed, in seconds since 1970, identical to the last bit to Python's `os.stat`: the
  /// published clients treat a link as broken if its time differs from theirs at all.
  package var modified: Double { Self.seconds(ofNanoseconds: modifiedNanoseconds) }

  /// Adds seconds and fraction in this order; another order would round differently in one of four cases.
  static func seconds(ofNanoseconds time: Int64) -> Double {
    let (quotient, remainder) = time.quotientAndRemainder(dividingBy: 1_000_000_000)
    let borrowed: Int64 = remainder < 0 ? 1 : 0
    return Double(quotient - borrowed) + 1e-9 * Double(remainder + borrowed * 1_000_000_000)
  }

  /// Whether both describe the same file.
  package func isSameFile(as other: FileStatus) -> Bool { inode == other.inode && device == other.device }

  /// Whether both describe the same file with the same content, judging by its size and times.
  package func isUnchanged(since other: FileStatus) -> Bool {
    isSameFile(as: other) && size == other.size && modifiedNanoseconds == other.modifiedNanoseconds
  }

  init(_ status: stat) {
    kind =
      switch Int32(bitPattern: status.st_mode) & S_IFMT {
      case S_IFREG: .regular
      case S_IFDIR: .folder
      case S_IFLNK: .symbolicLink
      default: .other
      }
    size = UInt64(clamping: status.st_size)
    modifiedNanoseconds = Self.nanoseconds(status.st_mtim)
    accessedNanoseconds = Self.nanoseconds(status.st_atim)
    changedNanoseconds = Self.nanoseconds(status.st_ctim)
    inode = UInt64(status.st_ino)
    device = UInt64(status.st_dev)
    permissions = status.st_mode & 0o7777
    owner = status.st_uid
    group = status.st_gid
  }

  private static func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
