import Crypto
import Files
import Primitives

/// Contents that are linked at several places.
///
/// The storage format has one link for each content. It leads to the place that was linked last; the further places are
/// documents of the same form in a folder of this software's own, and take over when the link no longer holds.
extension ContentStore {
  /// Further places of one content that are kept.
  static let maximumPlaces = 32

  /// The file with this hash if it is linked, from the first of its places that still holds. A further place is hashed
  /// before it becomes the link.
  ///
  /// - Throws: `fileChanged` if the content of the only place changed although its size and time did not.
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

  /// The file at one of the further places, which is the link from now on.
  @discardableResult
  func findElsewhere(_ hash: ContentHash, instead link: LinkDocument?) -> StoredFile? {
    for place in places(of: hash) where !(link?.isAt(place.path) ?? false) {
      guard let file = try? find(hash, place, isRecorded: false) else { continue }
      do throws(KacheryError) {
        if let link, isAway(link) { try keep(link, of: hash) }
        try write(place, to: layout.link(hash), in: layout.folder(of: hash))
        try FileSystem.remove(path(of: place, hash))
        log.info("\(hash) is served from \(place.path) now: the place that was linked last no longer holds.")
      } catch {
        // A user who may not write here reads it from there all the same.
        log.debug("\(error.message)")
      }
      return file
    }
    return nil
  }

  /// The file where a link says, if it is what was linked.
  ///
  /// - Parameter isRecorded: whether it is the link, of which there may be a record, and not a further place; that is hashed.
  /// - Throws: `fileChanged` if it looks the same and has other bytes; then it is a link or a place no more.
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
    // It is not hashed again each time that the content is asked for.
    if isRecorded {
      _ = try? setAside(layout.link(hash), file, hash)
    } else {
      try? FileSystem.remove(path(of: link, hash))
    }
    throw KacheryError(
      .fileChanged,
      "\(link.path) changed since it was linked as \(hash), though its size and time did not; link it again.")
  }

  /// The place that holds now, as far as sizes and times show, and how the file there looks.
  func validPlace(_ hash: ContentHash, first link: LinkDocument) -> (link: LinkDocument, status: FileStatus)? {
    func look(_ link: LinkDocument) -> (LinkDocument, FileStatus)? {
      guard let status = (try? FileSystem.statusIfPresent(link.path)) ?? nil, link.matches(status) else { return nil }
      return (link, status)
    }
    if let place = look(link) { return place }
    for place in places(of: hash) { if let place = look(place) { return place } }
    return nil
  }

  /// A content is linked at another place from now on: the place that it had stays as a further one while it holds, or while
  /// nothing is there, as when a disk is not mounted.
  func keepPlace(of hash: ContentHash, besides newPath: String) throws(KacheryError) {
    if let link = try link(hash), !link.isAt(newPath), validPlace(link) || isAway(link) { try keep(link, of: hash) }
    for place in places(of: hash) where place.isAt(newPath) { try FileSystem.remove(path(of: place, hash)) }
  }

  /// Moves the further places of a content to the trash.
  func removePlaces(of hash: ContentHash) throws(KacheryError) {
    for name in placeNames(of: hash) { try moveAside("\(layout.places(hash))/\(name)", to: layout.trash) }
    try? FileSystem.removeFolder(layout.places(hash))
  }

  private func keep(_ link: LinkDocument, of hash: ContentHash) throws(KacheryError) {
    let places = places(of: hash)
    if places.count >= Self.maximumPlaces {
      // One that no longer holds makes room; if all do, there are enough.
      guard let broken = places.first(where: { !validPlace($0) }) else { return }
      try FileSystem.remove(path(of: broken, hash))
    }
    try write(link, to: path(of: link, hash), in: layout.places(hash))
  }

  private func validPlace(_ link: LinkDocument) -> Bool {
    ((try? FileSystem.statusIfPresent(link.path)) ?? nil).map(link.matches) ?? false
  }

  /// Whether nothing is there, or nothing that this user may look at.
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

  /// One name for each path, so that no process has to write what another one reads.
  private func path(of place: LinkDocument, _ hash: ContentHash) -> String {
    "\(layout.places(hash))/\(hash)-\(ContentHash.of(Array(place.path.utf8)).hex.prefix(16)).link"
  }
}
