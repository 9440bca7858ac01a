import Crypto
import Files
package import Primitives

/// Progress and findings of a running check of the stored files.
package enum VerifyEvent: Hashable, Sendable {
  /// Checked so far, of everything to check.
  case progress(StoreUsage.Amount, of: StoreUsage.Amount)
  /// A file's bytes do not have its hash; it was moved to this path and is no longer served.
  case damaged(ContentHash, setAside: String)
  /// The target of a link changed, so the link is no longer valid. Nothing was moved.
  case brokenLink(ContentHash, target: String)
  /// A file could not be read, so its state is unknown.
  case unreadable(ContentHash, reason: String)
  /// An entry that does not belong to the storage format. Nothing was moved.
  case foreign(path: String)
  /// A requested file is not stored.
  case absent(ContentHash)
}

/// The outcome of a check.
package struct VerifyReport: Hashable, Sendable {
  package var checked = StoreUsage.Amount()
  package var damaged = 0
  package var brokenLinks = 0
  package var unreadable = 0
  package var foreign = 0
  package var absent = 0

  package init() {}
}

extension ContentStore {
  /// Whether a check found the file damaged and set it aside.
  package func hasSetAside(_ hash: ContentHash) -> Bool {
    (try? FileSystem.statusIfPresent(layout.damaged(hash), followingLinks: false)) ?? nil != nil
  }

  /// Hashes stored files again. Moves a damaged file to a separate folder and never serves it again; leaves the target
  /// of a link alone, because it belongs to its user.
  ///
  /// - Parameters:
  ///   - only: the files to check; nil for all.
  ///   - tell: receives progress at least with each file and every 64 MiB; returns false to end the check early.
  package func verify(
    only: Set<ContentHash>? = nil, _ tell: (VerifyEvent) throws(KacheryError) -> Bool
  ) throws(KacheryError) -> VerifyReport {
    var scrub = Scrub(store: self)
    return try scrub.run(only, tell)
  }

  /// A running check.
  private struct Scrub {
    private static let progressStep: UInt64 = 64 << 20

    let store: ContentStore
    private var total = StoreUsage.Amount()
    private var report = VerifyReport()

    init(store: ContentStore) { self.store = store }

    mutating func run(
      _ only: Set<ContentHash>?, _ tell: (VerifyEvent) throws(KacheryError) -> Bool
    ) throws(KacheryError) -> VerifyReport {
      if let only { try checkSome(only, tell) } else { try checkAll(tell) }
      return report
    }

    private mutating func checkAll(_ tell: (VerifyEvent) throws(KacheryError) -> Bool) throws(KacheryError) {
      try store.list(withNames: false) { file in
        total.add(file.size)
        return true
      }
      try StoreWalk(layout: store.layout).visit { (entry) throws(KacheryError) in
        switch entry {
        case .foreign(let path):
          report.foreign += 1
          return try tell(.foreign(path: path))
        case .file(let hash, _): return try checkFile(hash, tell)
        case .link(let hash): return try checkLink(hash, tell)
        }
      }
    }

    private mutating func checkSome(
      _ hashes: Set<ContentHash>, _ tell: (VerifyEvent) throws(KacheryError) -> Bool
    ) throws(KacheryError) {
      for hash in hashes { total.add(try sizeToCheck(hash)) }
      for hash in hashes {
        let isFile = try FileSystem.statusIfPresent(store.layout.file(hash), followingLinks: false) != nil
        let isLink = try FileSystem.statusIfPresent(store.layout.link(hash), followingLinks: false) != nil
        if isFile, try !checkFile(hash, tell) { return }
        if isLink, try !checkLink(hash, tell) { return }
        guard !isFile, !isLink else { continue }
        report.absent += 1
        guard try tell(.absent(hash)) else { return }
      }
    }

    private func sizeToCheck(_ hash: ContentHash) throws(KacheryError) -> UInt64 {
      let status = try FileSystem.statusIfPresent(store.layout.file(hash), followingLinks: false)
      if let status { return status.size }
      return try store.link(hash)?.size ?? 0
    }

    private mutating func checkFile(
      _ hash: ContentHash, _ tell: (VerifyEvent) throws(KacheryError) -> Bool
    ) throws(KacheryError) -> Bool {
      try check(hash, at: store.layout.file(hash), setAside: store.layout.file(hash), tell)
    }

    private mutating func checkLink(
      _ hash: ContentHash, _ tell: (VerifyEvent) throws(KacheryError) -> Bool
    ) throws(KacheryError) -> Bool {
      guard let link = try? store.link(hash) else {
        report.unreadable += 1
        return try tell(.unreadable(hash, reason: "The link \(store.layout.link(hash)) is damaged."))
      }
      if let status = try? FileSystem.status(link.path), link.matches(status) {
        guard try check(hash, at: link.path, setAside: store.layout.link(hash), tell) else { return false }
        // Another path where it is linked may still be whole.
        if try store.link(hash) == nil { store.findElsewhere(hash, instead: link) }
        return true
      }
      // Another path is hashed before it takes over.
      if let file = store.findElsewhere(hash, instead: link) {
        report.checked.add(file.size)
        return true
      }
      report.brokenLinks += 1
      return try tell(.brokenLink(hash, target: link.path))
    }

    private mutating func check(
      _ hash: ContentHash, at path: String, setAside: String, _ tell: (VerifyEvent) throws(KacheryError) -> Bool
    ) throws(KacheryError) -> Bool {
      var shouldContinue = true
      do throws(KacheryError) {
        let file = try File(path, .readUnnoticed)
        defer { file.close() }
        let before = try file.status()
        let isSame = try hashOf(file, size: before.size, &shouldContinue, tell) == hash
        guard shouldContinue else { return false }
        report.checked.add(before.size)
        if isSame, FileStamp(try file.status()) == FileStamp(before) { store.remember(hash, before) }
        // If the file was replaced or removed meanwhile, the bytes that were read are not those now stored.
        if !isSame, try file.isStillAtItsPath() {
          report.damaged += 1
          shouldContinue = try tell(.damaged(hash, setAside: try store.setAside(setAside, file, hash)))
        }
      } catch {
        if error.code == .cancelled { throw error }
        // It was removed during the check.
        if error.code == .notFound { return true }
        report.unreadable += 1
        shouldContinue = try tell(.unreadable(hash, reason: error.message))
      }
      guard shouldContinue else { return false }
      return try tellProgress(0, tell)
    }

    private func hashOf(
      _ file: File, size: UInt64, _ shouldContinue: inout Bool, _ tell: (VerifyEvent) throws(KacheryError) -> Bool
    ) throws(KacheryError) -> ContentHash {
      var digest = SHA1Digest()
      var start: UInt64 = 0
      repeat {
        guard let range = ByteRange(start: start, end: min(size, start + Self.progressStep)) else { break }
        try FileBlocks.forEach(of: file, range) { digest.update($0) }
        start = range.end
        if start < size { shouldContinue = try tellProgress(start, tell) }
      } while start < size && shouldContinue
      return digest.finish()
    }

    private func tellProgress(
      _ more: UInt64, _ tell: (VerifyEvent) throws(KacheryError) -> Bool
    ) throws(KacheryError) -> Bool {
      var done = report.checked
      done.bytes += more
      return try tell(.progress(done, of: total))
    }
  }
}
