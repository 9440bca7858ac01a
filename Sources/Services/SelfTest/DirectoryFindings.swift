package import Primitives

/// What was found out about the folder that holds the storage directory, before it is judged.
package struct DirectoryFindings: Sendable {
  /// The room on a disk for this user.
  package struct Room: Hashable, Sendable {
    /// In bytes.
    package var available: UInt64
    package var total: UInt64
    /// Files that can still be created; nil if the file system has no limit of its own.
    package var files: UInt64?

    package init(available: UInt64, total: UInt64, files: UInt64?) {
      (self.available, self.total, self.files) = (available, total, files)
    }
  }

  /// A limit on what this user may store, in bytes.
  package struct Quota: Hashable, Sendable {
    package var used: UInt64
    package var limit: UInt64

    package init(used: UInt64, limit: UInt64) { (self.used, self.limit) = (used, limit) }
  }

  /// The kernel's name for the kind of file system; nil if it is not known here.
  package var fileSystem: FileSystemKind?
  package var room: Room?
  package var quota: Quota?
  /// The largest file that this process may write, in bytes; nil if there is no limit.
  package var largestFile: UInt64?
  /// Why nothing can be written; nil if something can.
  package var problem: KacheryError?
  package var renameReplaces = true
  package var linkKeepsWhatIsThere = true
  package var hasUnnamedFiles = true
  package var keepsPermissions = true
  package var isCaseSensitive = true
  package var keepsLongNames = true
  package var keepsNamesByBytes = true
  package var sharesBlocks = true
  /// Whether another process was kept out by a lock, and got it afterwards; nil if no process could be started.
  package var locksExclude: Bool?
  /// Why SQLite cannot keep a database there; nil if it can.
  package var databaseProblem: String?
  package var hasWriteAheadLog = true
  /// Whether another process has read and written the open database; nil if no process could be started.
  package var databaseIsShared: Bool?
  /// The median of a few, in milliseconds.
  package var syncMilliseconds = 0.0
  /// The shortest difference between times of files, in nanoseconds.
  package var timeStep: UInt64 = 1
  /// Why there can be no Unix socket; nil if there can.
  package var socketProblem: String?

  package init() {}
}

/// A kind of file system, by its number in `statfs`(2).
package struct FileSystemKind: Hashable, Sendable {
  package let name: String
  /// Whether its files are on another machine.
  package let isRemote: Bool
  /// Whether what is in it is gone after a restart of the machine.
  package let isInMemory: Bool

  private static let known: [(number: Int64, name: String, isRemote: Bool, isInMemory: Bool)] = [
    (0xef53, "ext4", false, false), (0x5846_5342, "XFS", false, false), (0x9123_683e, "btrfs", false, false),
    (0x2fc1_2fc1, "ZFS", false, false), (0xca45_1a4e, "bcachefs", false, false), (0xf2f5_2010, "F2FS", false, false),
    (0x794c_7630, "an overlay, as in a container", false, false), (0x0102_1994, "tmpfs", false, true),
    (0x8584_58f6, "ramfs", false, true), (0x6969, "NFS", true, false), (0xff53_4d42, "CIFS", true, false),
    (0xfe53_4d42, "SMB", true, false), (0x517b, "SMB", true, false), (0x00c3_6400, "Ceph", true, false),
    (0x0bd0_0bd0, "Lustre", true, false), (0x4750_4653, "GPFS", true, false), (0x1983_0326, "BeeGFS", true, false),
    (0x0102_1997, "9p", true, false), (0x5346_414f, "AFS", true, false), (0x6573_5546, "FUSE", true, false),
    (0x4d44, "FAT", false, false), (0x2011_bab0, "exFAT", false, false), (0x5346_544e, "NTFS", false, false),
    (0x7366_746e, "NTFS", false, false),
  ]

  /// The kind with this number; nil if it is not known here.
  package init?(number: Int64) {
    guard let kind = Self.known.first(where: { $0.number == number }) else { return nil }
    (name, isRemote, isInMemory) = (kind.name, kind.isRemote, kind.isInMemory)
  }
}
