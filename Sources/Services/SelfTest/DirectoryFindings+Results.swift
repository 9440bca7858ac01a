import Primitives

extension DirectoryFindings {
  private static let leastRoom: UInt64 = 10_000_000
  private static let littleRoom: UInt64 = 1_000_000_000
  private static let leastFiles: UInt64 = 1_000
  private static let littleFiles: UInt64 = 100_000
  /// Longer waits slow down every append to a feed, in milliseconds.
  private static let slowSync = 100.0
  /// Two changes within a coarser step may look like one, in nanoseconds.
  private static let coarseTime: UInt64 = 100_000_000

  /// What the findings mean.
  package var results: [SelfTestResult] {
    guard let problem else {
      return [kind, space] + limits
        + [
          writing, rename, link, locks, database, sync, permissions, names, times, socket, blocks,
        ]
    }
    let isOthers = problem.code == .permissionDenied
    return [kind, space] + limits
      + [
        SelfTestResult(
          "writing", isOthers ? .skipped : .failure, problem.message,
          isOthers
            ? "What follows from writing could not be checked. Run this as the user of the daemon: sudo -u USER kachery "
              + "selftest."
            : "Nothing can be stored here until that is mended.")
      ]
  }

  private var kind: SelfTestResult {
    guard let fileSystem else {
      return SelfTestResult(
        "file system", .ok, "of a kind that is not known here; what matters is tested below")
    }
    guard !fileSystem.isInMemory else {
      return SelfTestResult(
        "file system", .warning, "\(fileSystem.name), which is in memory",
        "Everything in it, with the node's feeds, is gone when the machine restarts. Choose a folder on a disk with "
          + "KACHERY_STORAGE_DIR.")
    }
    guard fileSystem.isRemote else { return .ok("file system", "\(fileSystem.name)") }
    return SelfTestResult(
      "file system", .warning, "\(fileSystem.name), which may be on another machine",
      "Stored files are safe there. A node's databases work only where locks do: run one daemon on the directory, or "
        + "keep the directory on a local disk and make only its folder sha1 a symbolic link.")
  }

  private var space: SelfTestResult {
    guard let room else { return SelfTestResult("space", .skipped, "the system does not say how much there is") }
    let files = room.files.map { ", and \(Quantity.count($0)) more files" } ?? ""
    let text =
      "\(Quantity.bytes(Double(room.available))) free of \(Quantity.bytes(Double(room.total)))\(files)"
    let isOut = room.available < Self.leastRoom || room.files ?? .max < Self.leastFiles
    let isScarce = room.available < Self.littleRoom || room.files ?? .max < Self.littleFiles
    guard isScarce else { return .ok("space", text) }
    return SelfTestResult(
      "space", isOut ? .failure : .warning, text,
      "Loads will fail when the disk is full. Free some space, for example with kachery gc --trash.")
  }

  private var limits: [SelfTestResult] {
    var results: [SelfTestResult] = []
    if let quota {
      let rest = quota.limit > quota.used ? quota.limit - quota.used : 0
      let text = "\(Quantity.bytes(Double(rest))) left of \(Quantity.bytes(Double(quota.limit)))"
      results.append(
        rest >= Self.littleRoom
          ? .ok("quota", text)
          : SelfTestResult(
            "quota", rest < Self.leastRoom ? .failure : .warning, text,
            "This user may store no more than that. Ask for more, or set maxCacheSizeGiB in kachery.yaml below it."))
    }
    if let largestFile {
      results.append(
        SelfTestResult(
          "file size", .warning, "files of at most \(Quantity.bytes(Double(largestFile))) may be written",
          "Larger ones cannot be loaded. Raise the limit: ulimit -f unlimited."))
    }
    return results
  }

  private var writing: SelfTestResult { .ok("writing", "files can be created, and removed") }

  private var rename: SelfTestResult {
    guard renameReplaces else {
      return SelfTestResult(
        "rename", .failure, "a rename does not replace the file that is there",
        "A stored file gets its name by a rename, so files could be incomplete. Use another file system.")
    }
    return .ok("rename", "replaces a file in one step")
  }

  private var link: SelfTestResult {
    guard linkKeepsWhatIsThere else {
      return SelfTestResult(
        "hard links", .warning, "there are none",
        "Files are stored by renaming instead, which is as safe, but slower for many small ones.")
    }
    guard hasUnnamedFiles else { return .ok("hard links", "never replace a file; no files without a name") }
    return .ok("hard links", "never replace a file")
  }

  private var locks: SelfTestResult {
    guard let locksExclude else { return SelfTestResult("locks", .skipped, "no second process could be started") }
    guard locksExclude else {
      return SelfTestResult(
        "locks", .failure, "a file that one process has locked can be locked by another",
        "Two daemons could use the directory and damage its databases. On NFS, mount it with locks (without nolock), or "
          + "use a local disk.")
    }
    return .ok("locks", "keep a second process out, and end with the first")
  }

  private var database: SelfTestResult {
    let remedy =
      "Feeds and values are in databases, which need this. Keep the storage directory on a local disk; its folder sha1 "
      + "may be a symbolic link to another one."
    if let databaseProblem { return SelfTestResult("databases", .failure, databaseProblem, remedy) }
    guard hasWriteAheadLog else {
      return SelfTestResult("databases", .failure, "SQLite cannot have a write-ahead log here", remedy)
    }
    guard let databaseIsShared else { return .ok("databases", "SQLite works; no second process could be started") }
    guard databaseIsShared else {
      return SelfTestResult("databases", .failure, "a second process cannot use an open database", remedy)
    }
    return .ok("databases", "SQLite works, with a write-ahead log, also between processes")
  }

  private var sync: SelfTestResult {
    let text = "\(Quantity.time(.microseconds(Int64(syncMilliseconds * 1_000)))) to save a small file to the disk"
    guard syncMilliseconds > Self.slowSync else { return .ok("saving", text) }
    return SelfTestResult(
      "saving", .warning, text,
      "Each append to a feed and each stored file waits for that. A disk that is busy, or on another machine, is slow: "
        + "append several messages in one request, and keep the storage directory on a faster disk.")
  }

  private var permissions: SelfTestResult {
    guard keepsPermissions else {
      return SelfTestResult(
        "permissions", .failure, "a file cannot be made private",
        "The node's keys would be readable by others, and the daemon refuses such keys. Use another file system, or mount "
          + "this one with permissions.")
    }
    return .ok("permissions", "files can be made private")
  }

  private var names: SelfTestResult {
    guard keepsNamesByBytes, isCaseSensitive, keepsLongNames else {
      let wrong = [
        isCaseSensitive ? nil : "takes A and a for one name",
        keepsNamesByBytes ? nil : "changes names that are not plain ASCII",
        keepsLongNames ? nil : "has no names of 255 bytes",
      ].compactMap { $0 }
      return SelfTestResult(
        "names", .warning, wrong.joined(separator: ", "),
        "Stored files are not affected. A folder that is loaded here may lack files whose names differ only in that, so "
          + "load it to another file system.")
    }
    return .ok("names", "of 255 bytes, and kept as they are written")
  }

  private var times: SelfTestResult {
    let text = "times of files differ by \(Quantity.time(.nanoseconds(Int64(clamping: timeStep)))) or more"
    guard timeStep > Self.coarseTime else { return .ok("times", text) }
    return SelfTestResult(
      "times", .warning, text,
      "A stored or linked file that is altered again so soon may look unaltered. kachery verify finds such files.")
  }

  private var socket: SelfTestResult {
    guard let socketProblem else { return .ok("socket", "a Unix socket can be there") }
    return SelfTestResult(
      "socket", .warning, socketProblem,
      "Programs use the port of the local API instead, with a token. Nothing else is missing.")
  }

  private var blocks: SelfTestResult {
    .ok(
      "copies",
      sharesBlocks
        ? "share their blocks: a large file is stored and loaded without being copied"
        : "take room and time: a large file that is stored is there twice (XFS and btrfs could share its blocks)")
  }
}
