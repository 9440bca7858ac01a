/// `sha1dir://HASH[.label][/path/inside]`: a stored folder, or an entry in it.
package struct FolderURI: Hashable, Sendable, CustomStringConvertible {
  /// The hash of the folder's document.
  package let hash: ContentHash
  /// Decoration for people: usually the folder's name. Empty if there is none.
  package let label: ByteString
  /// The names from the folder down to the entry; empty for the folder itself.
  package let path: [ByteString]

  package init(hash: ContentHash, label: ByteString = "", path: [ByteString] = []) {
    self.hash = hash
    self.label = label
    self.path = path
  }

  /// The key of the folder's document.
  package var document: FileKey { FileKey(hash: hash) }

  /// The URI in the form that every client accepts.
  package var description: String {
    (["sha1dir://\(hash)" + (label.isEmpty ? "" : ".\(label)")] + path.map(\.text)).joined(separator: "/")
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
    let parts = rest.cut(at: "?").head.parts(separatedBy: "/")
    let (digits, label) = (parts.first ?? "").cut(at: ".")
    guard let hash = ContentHash(hex: digits) else {
      throw KacheryError(
        .badRequest, "'\(text)' is not a folder URI: // there must be 40 hexadecimal digits.")
    }
    self.init(
      hash: hash, label: ByteString(label ?? ""),
      path: parts.dropFirst().filter { !$0.isEmpty }.map { ByteString($0) })
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
