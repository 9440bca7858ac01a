/// `sha1dir://HASH[.label][/path/inside]`: a stored folder, or something in it.
package struct FolderURI: Hashable, Sendable, CustomStringConvertible {
  /// The hash of the folder's document.
  package let hash: ContentHash
  /// Decoration for people: usually the folder's name. Empty if there is none.
  package let label: ByteString
  /// The names from the folder down to what is meant; none if it is the folder itself.
  package let path: [ByteString]

  package init(hash: ContentHash, label: ByteString = "", path: [ByteString] = []) {
    self.hash = hash
    self.label = label
    self.path = path
  }

  /// The key of the folder's document.
  package var document: FileKey { FileKey(hash: hash) }

  /// The URI in the form that every client reads.
  package var description: String {
    (["sha1dir://\(hash)" + (label.isEmpty ? "" : ".\(label)")] + path.map(\.text)).joined(separator: "/")
  }

  /// Whether `text` is meant as the URI of a folder.
  package static func isMeant(by text: String) -> Bool { text.begins(with: scheme) }

  private static let scheme = "sha1dir://"

  /// Reads a URI of any form that was ever published. Names that are empty do not count, as in paths.
  ///
  /// - Throws: `badRequest` with a sentence that names what is wrong with it.
  package init(parsing text: String) throws(KacheryError) {
    guard let rest = text.removing(prefix: Self.scheme) else {
      throw KacheryError(.badRequest, "'\(text)' is not a folder URI: it does not begin with sha1dir://.")
    }
    let parts = rest.cut(at: "?").head.parts(separatedBy: "/")
    let (digits, label) = (parts.first ?? "").cut(at: ".")
    guard let hash = ContentHash(hex: digits) else {
      throw KacheryError(
        .badRequest, "'\(text)' is not a folder URI: after sha1dir:// there must be 40 hexadecimal digits.")
    }
    self.init(
      hash: hash, label: ByteString(label ?? ""),
      path: parts.dropFirst().filter { !$0.isEmpty }.map { ByteString($0) })
  }
}

/// Whatever a person may name for loading: a file, or a folder or something in it.
package enum ContentURI: Hashable, Sendable {
  case file(KacheryURI)
  case folder(FolderURI)

  /// Reads a `sha1://` or `sha1dir://` URI.
  ///
  /// - Throws: `badRequest` with a sentence that names what is wrong with it.
  package init(parsing text: String) throws(KacheryError) {
    self = FolderURI.isMeant(by: text) ? .folder(try FolderURI(parsing: text)) : .file(try KacheryURI(parsing: text))
  }
}
