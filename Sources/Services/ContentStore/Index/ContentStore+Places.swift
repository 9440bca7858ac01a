import Crypto
import Files
import Primitives

/// Contents linked at several paths.
///
/// The storage format has one link per content. It names the path that was linked last. The other paths are documents
/// of the same form in one of this software's own folders; one of them takes over when the link breaks.
extension ContentStore {
  /// Most other paths kept for one content.
  static let maximumPlaces = 32

  /// The file with this hash if it is linked: at the link's path or the first other path that is still valid. Another
  /// path is hashed before it becomes the link.
  ///
  /// - Throws: `fileChanged` if the content at the only path changed although its size and time did not.
  func findLinked(_ hash: ContentHash) throws(KacheryError) -> StoredFile? {
    guard try FileSystem.statusIfPresent(layout.link(hash)) != nil else { return nil }
    let link = try link(hash)
    let linked = Result { () throws(KacheryError) -> StoredFile? in
      guard let link else { return nil }
      return try find(hash, link)
    }
    if case .success(let file?) = linked { return file }
    if let file = findElsewhere(hash, instead: link) { return file }
    if let file = try linked.get() { return file }
    guard let link else { return nil }
    let sentence = "\(link.path) changed since it was linked as \(hash), so it is no longer served; link it again."
    if activity.isNews(brokenLink: hash) { log.warning(sentence) } else { log.debug(sentence) }
    return nil
  }

  /// The file at one of the other paths, which becomes the link.
  @discardableResult
  func findElsewhere(_ hash: ContentHash, instead link: LinkDocument?) -> StoredFile? {
    for place in places(of: hash) where !(link?.isAt(place.path) ?? false) {
      guard let file = try? find(hash, place, isRecorded: false) else { continue }
      do throws(KacheryError) {
        if let link, isAway(link) { try keep(link, of: hash) }
        try write(place, to: layout.link(hash), in: layout.folder(of: hash))
        try FileSystem.remove(path(of: place, hash))
        log.info("\(hash) is served from \(place.path) now: the path that was linked last is no longer valid.")
      } catch {
        // A user without write permission still reads the file from there.
        log.debug("\(error.message)")
      }
      return file
    }
    return nil
  }

  /// The file at a link's path, if it is the file that was linked.
  ///
  /// - Parameter isRecorded: true for the link, which the index may know; false for another path, which is always
  ///   hashed.
  /// - Throws: `fileChanged` if the file looks the same but has other bytes; the link or path is then removed.
  private func find(
    _ hash: ContentHash, _ link: LinkDocument, isRecorded: Bool = true
  ) throws(KacheryError) -> StoredFile? {
    guard let status = try FileSystem.statusIfPresent(link.path), link.matches(status) else { return nil }
    let found = StoredFile(hash: hash, size: status.size, path: link.path, link: link)
    guard !isRecorded || needsRecheck(hash, status) else { return found }
    let file: File
    do throws(KacheryError) { file = try File(link.path, .readUnnoticed) } catch {
      if error.code == .notFound { return nil }
      throw error
    }
    defer { file.close() }
    guard try file.status().kind == .regular else { return nil }
    if try recheck(hash, file, isKnown: isRecorded) { return found }
    // Otherwise it would be hashed again at each request for the content.
    if isRecorded {
      _ = try? setAside(layout.link(hash), file, hash)
    } else {
      try? FileSystem.remove(path(of: link, hash))
    }
    throw KacheryError(
      .fileChanged,
      "\(link.path) changed since it was linked as \(hash), though its size and time did not; link it again.")
  }

  /// The first path that is valid, judging by size and time, and the status of its file.
  func validPlace(_ hash: ContentHash, first link: LinkDocument) -> (link: LinkDocument, status: FileStatus)? {
    func look(_ link: LinkDocument) -> (LinkDocument, FileStatus)? {
      guard let status = (try? FileSystem.statusIfPresent(link.path)) ?? nil, link.matches(status) else { return nil }
      return (link, status)
    }
    if let place = look(link) { return place }
    for place in places(of: hash) { if let place = look(place) { return place } }
    return nil
  }

  /// Prepares for linking a content at another path. The current path is kept as well if it is valid or nothing is
  /// there, as when a disk is not mounted.
  func keepPlace(of hash: ContentHash, besides newPath: String) throws(KacheryError) {
    if let link = try link(hash), !link.isAt(newPath), validPlace(link) || isAway(link) { try keep(link, of: hash) }
    for place in places(of: hash) where place.isAt(newPath) { try FileSystem.remove(path(of: place, hash)) }
  }

  /// Moves the other paths of a content to the trash.
  func removePlaces(of hash: ContentHash) throws(KacheryError) {
    for name in placeNames(of: hash) { try moveAside("\(layout.places(hash))/\(name)", to: layout.trash) }
    try? FileSystem.removeFolder(layout.places(hash))
  }

  private func keep(_ link: LinkDocument, of hash: ContentHash) throws(KacheryError) {
    let places = places(of: hash)
    if places.count >= Self.maximumPlaces {
      // Replaces one that is no longer valid; if all are valid, there are enough.
      guard let broken = places.first(where: { !validPlace($0) }) else { return }
      try FileSystem.remove(path(of: broken, hash))
    }
    try write(link, to: path(of: link, hash), in: layout.places(hash))
  }

  private func validPlace(_ link: LinkDocument) -> Bool {
    ((try? FileSystem.statusIfPresent(link.path)) ?? nil).map(link.matches) ?? false
  }

  /// Whether nothing is there, or nothing this user can access.
  private func isAway(_ link: LinkDocument) -> Bool { ((try? FileSystem.statusIfPresent(link.path)) ?? nil) == nil }

  private func places(of hash: ContentHash) -> [LinkDocument] {
    placeNames(of: hash).compactMap { name in
      let path = "\(layout.places(hash))/\(name)"
      guard let bytes = try? FileSystem.read(path, limit: LinkDocument.maximumSize) else { return nil }
      return try? LinkDocument(parsing: bytes, path: path)
    }
  }

  private func placeNames(of hash: ContentHash) -> [String] {
    let folder = layout.places(hash)
    guard (try? FileSystem.statusIfPresent(folder)) ?? nil != nil else { return [] }
    let names = ((try? FileSystem.names(in: folder)) ?? []).filter {
      $0.begins(with: hash.hex) && $0.ends(with: ".link")
    }
    return Array(names.sorted().prefix(2 * Self.maximumPlaces))
  }

  /// A separate name for each path, so that no process overwrites a document that another one reads.
  private func path(of place: LinkDocument, _ hash: ContentHash) -> String {
    "\(layout.places(hash))/\(hash)-\(ContentHash.of(Array(place.path.utf8)).hex.prefix(16)).link"
  }
}
