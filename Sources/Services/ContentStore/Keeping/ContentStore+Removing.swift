import Files
package import Primitives

extension ContentStore {
  /// Removes a file, or a link and all its other paths. Either goes to the trash, so that a mistake can be undone by
  /// hand.
  ///
  /// - Returns: the file's bytes; 0 for a link, whose target is left alone.
  /// - Throws: `notFound` if it is not stored, `forbidden` if it is pinned, `alreadyRunning` while it is read.
  @discardableResult
  package func remove(_ hash: ContentHash) throws(KacheryError) -> UInt64 {
    let (file, link) = try requireRemovable(hash)
    // Before the link; otherwise one of these paths would become the link again.
    try removePlaces(of: hash)
    if link != nil { try moveAside(layout.link(hash), to: layout.trash) }
    if file != nil { try moveAside(layout.file(hash), to: layout.trash) }
    index?.forget(hash)
    return file?.size ?? 0
  }

  /// The status of a file, and that of its link, if `remove` would remove them.
  ///
  /// - Throws: as `remove`.
  @discardableResult
  func requireRemovable(_ hash: ContentHash) throws(KacheryError) -> (file: FileStatus?, link: FileStatus?) {
    let file = try FileSystem.statusIfPresent(layout.file(hash), followingLinks: false)
    let link = try FileSystem.statusIfPresent(layout.link(hash), followingLinks: false)
    guard file != nil || link != nil else {
      throw KacheryError(.notFound, "The file \(hash) is not in this storage directory; there is nothing to remove.")
    }
    guard try !isPinned(hash) else {
      throw KacheryError(.forbidden, "The file \(hash) is pinned; unpin it before removing it.")
    }
    guard !activity.isRead(hash) else {
      throw KacheryError(.alreadyRunning, "The file \(hash) is being read; try again later.")
    }
    return (file, link)
  }

  /// Moves a file into one of this software's own folders, under its own name. A missing file is not an error.
  ///
  /// - Returns: its new path.
  @discardableResult
  func moveAside(_ path: String, to folder: String) throws(KacheryError) -> String {
    try prepareOwnFolder(folder)
    let place = "\(folder)/\(path.lastPathName)"
    do { try FileSystem.rename(path, to: place) } catch  where error.code == .notFound {}
    return place
  }

  /// Removes everything in the trash for good.
  ///
  /// - Returns: the bytes that this freed.
  @discardableResult
  package func emptyTrash() -> UInt64 { empty(layout.trash) }

  /// Removes damaged files for good.
  ///
  /// - Returns: the bytes that this freed.
  @discardableResult
  package func removeDamaged() -> UInt64 { empty(layout.damaged) }

  /// Removes the oldest files from the trash until it holds at most `maximum` bytes.
  func trimTrash(to maximum: UInt64) -> UInt64 {
    let files = contents(of: layout.trash).sorted { $0.status.changedNanoseconds < $1.status.changedNanoseconds }
    var left = files.reduce(0) { $0 + $1.status.size }
    var freed: UInt64 = 0
    for file in files where left > maximum {
      guard (try? FileSystem.remove(file.path)) != nil else { continue }
      left -= file.status.size
      freed += file.status.size
    }
    return freed
  }

  /// The files in the trash.
  var trashed: StoreUsage.Amount { amount(in: layout.trash) }

  /// The damaged files that were set aside.
  var setAside: StoreUsage.Amount { amount(in: layout.damaged) }

  private func amount(in folder: String) -> StoreUsage.Amount {
    var amount = StoreUsage.Amount()
    for file in contents(of: folder) { amount.add(file.status.size) }
    return amount
  }

  private func empty(_ folder: String) -> UInt64 {
    var freed: UInt64 = 0
    for file in contents(of: folder) where (try? FileSystem.remove(file.path)) != nil { freed += file.status.size }
    return freed
  }

  /// The files in one of this software's own folders, with their sizes.
  func contents(of folder: String) -> [(path: String, status: FileStatus)] {
    guard (try? FileSystem.statusIfPresent(folder)) ?? nil != nil, let names = try? FileSystem.names(in: folder) else {
      return []
    }
    return names.compactMap { name in
      guard let status = try? FileSystem.status("\(folder)/\(name)", followingLinks: false), status.kind != .folder
      else { return nil }
      return ("\(folder)/\(name)", status)
    }
  }

  /// Runs `body`, which needs disk space; if the disk is full, empties the trash and tries once more.
  func makingRoom<Answer>(_ body: () throws(KacheryError) -> Answer) throws(KacheryError) -> Answer {
    do throws(KacheryError) { return try body() } catch  where error.code == .diskFull {
      guard emptyTrash() > 0 else { throw noting(fullDisk: error) }
      log.info("The disk is full: emptied the trash of \(layout.root).", .diskFull)
      do throws(KacheryError) { return try body() } catch  where error.code == .diskFull {
        throw noting(fullDisk: error)
      }
    }
  }

  /// Logs that something could not be stored, unless that was logged just now: all that arrives fails alike.
  private func noting(fullDisk error: KacheryError) -> KacheryError {
    if activity.isNews(fullDiskAt: FileSystem.now) {
      log.error("\(layout.root): \(error.message)", .diskFull, about: [.error(error.code.rawValue)])
    }
    return error
  }
}
