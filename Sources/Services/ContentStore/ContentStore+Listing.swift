import Files
package import Primitives

/// A file in a storage directory, as a listing shows it.
package struct ListedFile: Hashable, Sendable {
  package let hash: ContentHash
  /// In bytes; of a link, as it was when it was made.
  package let size: UInt64
  /// Where a linked file lies; nil for one whose bytes are in the directory.
  package let target: String?
  /// False for a link whose target has changed.
  package let isValid: Bool
  package let isPinned: Bool
  /// In seconds since 1970.
  package let lastUse: Int64
}

/// What fills a storage directory.
package struct StoreUsage: Hashable, Sendable {
  /// A number of files and their bytes.
  package struct Amount: Hashable, Sendable {
    package var count = 0
    package var bytes: UInt64 = 0

    package init() {}

    /// Adds one file. A link may claim any size, so the sum stops at the largest number there is.
    mutating func add(_ size: UInt64) {
      count += 1
      let (sum, overflow) = bytes.addingReportingOverflow(size)
      bytes = overflow ? .max : sum
    }
  }

  package var files = Amount()
  /// Links, and the bytes that lie elsewhere.
  package var links = Amount()
  package var brokenLinks = 0
  /// Those of the files that are pinned.
  package var pinned = Amount()
  package var trash = Amount()
  package var damaged = Amount()
  /// Files that are being stored or received, or were.
  package var unfinished = Amount()
  /// The limit that `kachery.yaml` sets for `files`, in bytes.
  package var limit: UInt64?
  /// Bytes that may still be written on the disk.
  package var available: UInt64 = 0

  package init() {}
}

extension ContentStore {
  /// Hands over every file and link after `last`, in the order of the hashes, until `body` answers false.
  package func list(
    after last: ContentHash? = nil, _ body: (ListedFile) throws(KacheryError) -> Bool
  ) throws(KacheryError) {
    let pins = try pins()
    try StoreWalk(layout: layout, last: last).visit { (entry) throws(KacheryError) in
      switch entry {
      case .foreign: return true
      case .file(let hash, let status):
        return try body(
          ListedFile(
            hash: hash, size: status.size, target: nil, isValid: true, isPinned: pins.contains(hash),
            lastUse: lastUse(of: hash, status)))
      case .link(let hash):
        guard let link = try? link(hash) else { return true }
        let place = validPlace(hash, first: link)
        let status = place?.status ?? (try? FileSystem.status(link.path))
        return try body(
          ListedFile(
            hash: hash, size: link.size, target: place?.link.path ?? link.path, isValid: place != nil,
            isPinned: pins.contains(hash), lastUse: index?.lastUse(of: hash) ?? status.map(Self.lastUse) ?? 0))
      }
    }
  }

  /// Other nodes may use the same directory, and commands that ask no node; the file system knows of all of them, though
  /// mostly to a day only.
  private func lastUse(of hash: ContentHash, _ status: FileStatus) -> Int64 {
    max(index?.lastUse(of: hash) ?? 0, Self.lastUse(status))
  }

  /// What fills the directory, counted from the files.
  package func usage() throws(KacheryError) -> StoreUsage {
    var usage = StoreUsage()
    try list { file in
      if file.target != nil {
        usage.links.add(file.size)
        if !file.isValid { usage.brokenLinks += 1 }
        return true
      }
      usage.files.add(file.size)
      if file.isPinned { usage.pinned.add(file.size) }
      return true
    }
    for file in contents(of: layout.trash) { usage.trash.add(file.status.size) }
    for file in contents(of: layout.damaged) { usage.damaged.add(file.status.size) }
    for folder in [layout.temporary, layout.partial] {
      for file in contents(of: folder) { usage.unfinished.add(file.status.size) }
    }
    usage.limit = try settings().maximumBytes
    usage.available = try FileSystem.availableBytes(at: layout.root)
    return usage
  }
}
