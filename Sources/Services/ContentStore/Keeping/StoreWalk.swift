import Files
import Primitives

/// Visits everything below `sha1/`, folder by folder in the order of the names, so that a directory of any size needs
/// little memory.
struct StoreWalk {
  /// The meaning of a name below `sha1/`.
  enum Entry {
    case file(ContentHash, FileStatus)
    case link(ContentHash)
    /// Not part of the storage format.
    case foreign(path: String)
  }

  let layout: StoreLayout
  /// The walk starts after this hash.
  var last: ContentHash?

  /// Passes each entry to `body` until it returns false; returns whether all were visited.
  ///
  /// A file that is removed during the walk is left out.
  @discardableResult
  func visit(_ body: (Entry) throws(KacheryError) -> Bool) throws(KacheryError) -> Bool {
    let top = layout.files
    guard try FileSystem.statusIfPresent(top) != nil else { return true }
    return try visit(top, "", body)
  }

  /// Visits a folder below the folders that `digits` name.
  private func visit(
    _ folder: String, _ digits: String, _ body: (Entry) throws(KacheryError) -> Bool
  ) throws(KacheryError) -> Bool {
    for name in try names(in: folder) {
      let path = "\(folder)/\(name)"
      guard digits.utf8.count < 6 else {
        if let entry = try entry(name, path), try !body(entry) { return false }
        continue
      }
      // An earlier walk visited all of it.
      if let last, ByteString(digits + name) < ByteString(last.hex.prefix(digits.utf8.count + 2)) { continue }
      let isFolder = try FileSystem.statusIfPresent(path)?.kind == .folder
      guard isFolder, name.utf8.count == 2, Hex.decode(name) != nil else {
        guard try body(.foreign(path: path)) else { return false }
        continue
      }
      guard try visit(path, digits + name, body) else { return false }
    }
    return true
  }

  private func names(in folder: String) throws(KacheryError) -> [String] {
    do { return try FileSystem.names(in: folder).sorted { ByteString($0) < ByteString($1) } } catch
      where error.code == .notFound
    { return [] }
  }

  private func entry(_ name: String, _ path: String) throws(KacheryError) -> Entry? {
    guard let status = try FileSystem.statusIfPresent(path, followingLinks: false) else { return nil }
    let linkName = name.removing(suffix: ".link")
    let stem = linkName ?? name[...]
    // A hash may be written in either case, but a file's name is in lower case.
    guard status.kind == .regular, let hash = ContentHash(hex: stem), hash.hex == stem else {
      return .foreign(path: path)
    }
    if let last, hash.hex <= last.hex { return nil }
    let isLink = linkName != nil
    guard path == (isLink ? layout.link(hash) : layout.file(hash)) else { return .foreign(path: path) }
    return isLink ? .link(hash) : .file(hash, status)
  }
}
