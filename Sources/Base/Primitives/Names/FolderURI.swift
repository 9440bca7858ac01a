/// `sha1dir://HASH[.label][/path/inside]`: a stored folder, or an entry in it.
package struct FolderURI: Hashable, Sendable, CustomStringConvertible {
  /// The hash of the folder's document.
  package let hash: ContentHash
  /// Decoration for people: usually the folder's name. Empty if there is none.
  package let label: ByteString
  /// The paths that the text may mean, in the order in which to look for them. There is more than one only if the text
  /// contains a question mark, which begins a query unless the folder contains the name with it.
  let readings: [[PathPart]]

  package init(hash: ContentHash, label: ByteString = "", path: [ByteString] = []) {
    self.init(hash, label, written: path.map { URILabel.escape($0.text).text }.joined(separator: "/"))
  }

  private init(_ hash: ContentHash, _ label: ByteString, written: String) {
    self.hash = hash
    self.label = label
    let readings = [written.cut(at: "?").tail == nil ? nil : written[...], written.cut(at: "?").head]
    self.readings = readings.compactMap { $0?.parts(separatedBy: "/", omittingEmpty: true).map { PathPart($0) } }
  }

  /// The names from the folder down to the entry; empty for the folder itself. A query is not part of it.
  package var path: [ByteString] { readings.last?.map(\.name) ?? [] }

  /// The key of the folder's document.
  package var document: FileKey { FileKey(hash: hash) }

  /// The URI in the form that every client accepts.
  package var description: String {
    let path = path.map { URILabel.escape($0.text).text }
    return (["sha1dir://\(hash)" + (label.isEmpty ? "" : ".\(label)")] + path).joined(separator: "/")
  }

  package static func == (one: FolderURI, other: FolderURI) -> Bool {
    one.hash == other.hash && one.label == other.label && one.path == other.path
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(hash)
    hasher.combine(label)
    hasher.combine(path)
  }

  /// Whether `text` has the scheme of a folder URI.
  package static func isMeant(by text: String) -> Bool { text.begins(with: scheme) }

  private static let scheme = "sha1dir://"

  /// Reads a URI in any form ever published. Ignores empty names, as in paths.
  ///
  /// - Throws: `badRequest` with a message that explains what is wrong.
  package init(parsing text: String) throws(KacheryError) {
    guard let rest = text.removing(prefix: Self.scheme) else {
      throw KacheryError(.badRequest, "'\(text)' is not a folder URI: it does not begin with sha1dir://.")
    }
    let (place, path) = rest.cut(at: "/")
    let (first, query) = place.cut(at: "?")
    let (digits, label) = first.cut(at: ".")
    guard let hash = ContentHash(hex: digits) else {
      throw KacheryError(
        .badRequest, "'\(text)' is not a folder URI: sha1dir:// must be followed by 40 hexadecimal digits.")
    }
    self.init(hash, ByteString(label ?? ""), written: query == nil ? String(path ?? "") : "")
  }

  /// One name in the path of a URI.
  struct PathPart: Sendable {
    /// The name that it stands for: its percent-encoding is undone.
    let name: ByteString
    /// As it is written, which older software used as the name itself.
    let written: ByteString

    init(_ text: Substring) {
      written = ByteString(text)
      name = PercentEncoding.decodeName(text).map { ByteString($0) } ?? written
    }

    /// The names that it may mean, in the order in which to look for them.
    var spellings: [ByteString] { name == written ? [name] : [name, written] }
  }
}

/// What a user can load: a file, a folder or an entry in a folder.
package enum ContentURI: Hashable, Sendable {
  case file(KacheryURI)
  case folder(FolderURI)

  /// Reads a `sha1://` or `sha1dir://` URI.
  ///
  /// - Throws: `badRequest` with a message that explains what is wrong.
  package init(parsing text: String) throws(KacheryError) {
    self = FolderURI.isMeant(by: text) ? .folder(try FolderURI(parsing: text)) : .file(try KacheryURI(parsing: text))
  }
}
