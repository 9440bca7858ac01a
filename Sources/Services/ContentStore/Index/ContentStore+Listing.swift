import Files
package import Primitives

/// An entry in the listing of a storage directory.
package struct ListedFile: Hashable, Sendable {
  package let hash: ContentHash
  /// In bytes. For a link, the size when it was made.
  package let size: UInt64
  /// The target of a link; nil for a file stored in the directory.
  package let target: String?
  /// False for a link whose target has changed.
  package let isValid: Bool
  package let isPinned: Bool
  /// In seconds since 1970.
  package let lastUse: Int64
  /// The names under which it was stored or loaded, as far as they are known, the latest first.
  package var names: [String] = []
}

/// Disk usage of a storage directory.
package struct StoreUsage: Hashable, Sendable {
  /// A number of files and their total bytes.
  package struct Amount: Hashable, Sendable {
    package var count = 0
    package var bytes: UInt64 = 0

    package init() {}

    /// Adds one file. A link may claim any size, so the sum saturates.
    mutating func add(_ size: UInt64) {
      count += 1
      let (sum, overflow) = bytes.addingReportingOverflow(size)
      bytes = overflow ? .max : sum
    }
  }

  package var files = Amount()
  /// Links, and the bytes of their targets outside the directory.
  package var links = Amount()
  package var brokenLinks = 0
  /// The pinned ones among the files.
  package var pinned = Amount()
  package var trash = Amount()
  package var damaged = Amount()
  /// Files that are being stored or received, or were when their process ended.
  package var unfinished = Amount()
  /// The limit that `kachery.yaml` sets for `files`, in bytes.
  package var limit: UInt64?
  /// Bytes available on the disk.
  package var available: UInt64 = 0

  package init() {}
}

extension ContentStore {
  /// Passes every file and link after `last`, ordered by hash, to `body` until it returns false.
  ///
  /// - Parameter withNames: whether to look up their names, a query for each.
  package func list(
    after last: ContentHash? = nil, withNames: Bool = true, _ body: (ListedFile) throws(KacheryError) -> Bool
  ) throws(KacheryError) {
    let pins = try pins()
    try StoreWalk(layout: layout, last: last).visit { (entry) throws(KacheryError) in
      switch entry {
      case .foreign: return true
      case .file(let hash, let status): return try body(listedFile(hash, status, pins, withNames: withNames))
      case .link(let hash): return try listedLink(hash, pins, withNames: withNames).map(body) ?? true
      }
    }
  }

  /// A stored file, with its status on the disk.
  func listedFile(
    _ hash: ContentHash, _ status: FileStatus, _ pins: Set<ContentHash>, withNames: Bool = true
  ) -> ListedFile {
    ListedFile(
      hash: hash, size: status.size, target: nil, isValid: true, isPinned: pins.contains(hash),
      lastUse: lastUse(of: hash, status), names: withNames ? names(of: hash) : [])
  }

  /// A linked file; nil if its link cannot be read.
  func listedLink(_ hash: ContentHash, _ pins: Set<ContentHash>, withNames: Bool = true) -> ListedFile? {
    guard let link = (try? link(hash)) ?? nil else { return nil }
    let place = validPlace(hash, first: link)
    let status = place?.status ?? (try? FileSystem.status(link.path))
    return ListedFile(
      hash: hash, size: link.size, target: place?.link.path ?? link.path, isValid: place != nil,
      isPinned: pins.contains(hash), lastUse: index?.lastUse(of: hash) ?? status.map(Self.lastUse) ?? 0,
      names: withNames ? names(of: hash) : [])
  }

  private func names(of hash: ContentHash) -> [String] { index?.names(of: hash) ?? [] }

  /// Other nodes and commands without a node may use the same directory. Only the file system knows all their uses,
  /// though mostly just to the day.
  private func lastUse(of hash: ContentHash, _ status: FileStatus) -> Int64 {
    max(index?.lastUse(of: hash) ?? 0, Self.lastUse(status))
  }

  /// Disk usage of the directory, counted from its files.
  package func usage() throws(KacheryError) -> StoreUsage {
    var usage = StoreUsage()
    try list(withNames: false) { file in
      if file.target != nil {
        usage.links.add(file.size)
        if !file.isValid { usage.brokenLinks += 1 }
        return true
      }
      usage.files.add(file.size)
      if file.isPinned { usage.pinned.add(file.size) }
      return true
    }
    usage.trash = trashed
    usage.damaged = setAside
    for folder in [layout.temporary, layout.partial] {
      for file in contents(of: folder) { usage.unfinished.add(file.status.size) }
    }
    usage.limit = try maximumBytes()
    usage.available = try FileSystem.availableBytes(at: layout.root)
    return usage
  }
}
