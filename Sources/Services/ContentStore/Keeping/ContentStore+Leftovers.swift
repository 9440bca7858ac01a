import Files
import Primitives

extension ContentStore {
  /// How long a partial file is kept if nothing resumes receiving it, in seconds: a week.
  private static let partialLifetime: Int64 = 7 * 24 * 3_600

  /// Removes unfinished files of processes that have ended. A file that cannot be removed stays and does no harm.
  func removeLeftovers() {
    var removed = 0
    for name in names(in: layout.temporary) where remove("\(layout.temporary)/\(name)") { removed += 1 }
    for name in names(in: layout.partial) where removeStale(name) { removed += 1 }
    if removed > 0 { log.info("Removed \(removed) unfinished files from \(layout.own).") }
  }

  /// Removes the partial file of an earlier session for a file that is now stored, unless it is in use.
  func removeKept(_ hash: ContentHash) {
    guard isPresent(layout.partial(hash)), remove(layout.partial(hash)) else { return }
    if isPresent(layout.journal(hash)) { _ = remove(layout.journal(hash)) }
  }

  private func names(in folder: String) -> [String] {
    do {
      guard try FileSystem.statusIfPresent(folder) != nil else { return [] }
      return try FileSystem.names(in: folder)
    } catch {
      log.debug("\(error.message)")
      return []
    }
  }

  private func remove(_ path: String) -> Bool {
    do { return try TemporaryFile.removeIfAbandoned(path) } catch {
      log.debug("\(error.message)")
      return false
    }
  }

  /// Removes a partial file that is too old or cannot be resumed because its other half is missing.
  private func removeStale(_ name: String) -> Bool {
    let path = "\(layout.partial)/\(name)"
    if let partial = path.removing(suffix: StoreLayout.journalSuffix) {
      return !isPresent(String(partial)) && remove(path)
    }
    let journal = path + StoreLayout.journalSuffix
    guard !isPresent(journal) || isOld(path), remove(path) else { return false }
    return !isPresent(journal) || remove(journal)
  }

  private func isPresent(_ path: String) -> Bool { (try? FileSystem.statusIfPresent(path)) ?? nil != nil }

  private func isOld(_ path: String) -> Bool {
    guard let status = try? FileSystem.status(path) else { return false }
    return FileSystem.now - status.modifiedNanoseconds / 1_000_000_000 > Self.partialLifetime
  }
}
