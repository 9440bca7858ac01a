import Files
package import Primitives

extension ContentStore {
  /// Removes a file, or the link to one with every place that it was linked at. It then rests in the trash, so that a
  /// mistake can be undone by hand.
  ///
  /// - Returns: the bytes that the file had; 0 for a link, whose target stays as it is.
  /// - Throws: `notFound` if it is not here, `forbidden` if it is pinned, `alreadyRunning` while it is read.
  @discardableResult
  package func remove(_ hash: ContentHash) throws(KacheryError) -> UInt64 {
    let file = try FileSystem.statusIfPresent(layout.file(hash), followingLinks: false)
    let link = try FileSystem.statusIfPresent(layout.link(hash), followingLinks: false)
    guard file != nil || link != nil else {
      throw KacheryError(.notFound, "The file \(hash) is not in this storage directory; there is nothing to remove.")
    }
    guard try !isPinned(hash) else {
      throw KacheryError(.forbidden, "The file \(hash) is pinned; unpin it before it is removed.")
    }
    guard !activity.isRead(hash) else {
      throw KacheryError(.alreadyRunning, "The file \(hash) is being read; remove it when that has ended.")
    }
    // Before the link, which would otherwise be made of them again.
    try removePlaces(of: hash)
    if link != nil { try moveAside(layout.link(hash), to: layout.trash) }
    if file != nil { try moveAside(layout.file(hash), to: layout.trash) }
    index?.forget(hash)
    return file?.size ?? 0
  }

  /// Moves a file into one of this software's own folders, under its own name. A file that is gone already is no error.
  ///
  /// - Returns: if it lies now.
  @discardableResult
  func moveAside(_ path: String, to folder: String) throws(KacheryError) -> String {
    try prepareOwnFolder(folder)
    let place = "\(folder)/\(path.lastPathName)"
    do { try FileSystem.rename(path, to: place) } catch  where error.code == .notFound {}
    return place
  }

  /// Removes for good what lies in the trash.
  ///
  /// - Returns: the bytes that this freed.
  @discardableResult
  package func emptyTrash() -> UInt64 { empty(layout.trash) }

  /// Removes for good the files that were found damaged.
  ///
  /// - Returns: the bytes that this freed.
  @discardableResult
  package func removeDamaged() -> UInt64 { empty(layout.damaged) }

  /// Removes the oldest files of the trash until no more than `maximum` bytes are left in it.
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

  /// Does something that needs room on the disk; where there is none, empties the trash and tries once more.
  func makingRoom<Answer>(_ body: () throws(KacheryError) -> Answer) throws(KacheryError) -> Answer {
    do throws(KacheryError) { return try body() } catch  where error.code == .diskFull {
      guard emptyTrash() > 0 else { throw error }
      log.info("The disk is full: emptied the trash of \(layout.root).")
      return try body()
    }
  }
}
