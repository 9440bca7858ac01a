import Primitives

/// What a path of the gateway names.
enum GatewayTarget: Hashable, Sendable {
  /// The address itself, which says what this is.
  case root
  /// A file, and the name that the path gives it; empty if it gives none.
  case file(FileKey, name: String)
  /// A folder, or an entry in it.
  case folder(FolderURI, hasFinalSlash: Bool)

  /// Bytes in the longest path: enough for the deepest folder with its longest names, percent-encoded, in practice.
  static let longestPath = 16 << 10

  /// Reads a path, percent-encoded as it was sent, without its query. Behind the slash the path is that of a `sha1://` or
  /// `sha1dir://` URI.
  ///
  /// - Parameter manifest: the hash of the file's manifest in the query; ignored unless it is one.
  init?(path: String, manifest: String? = nil) {
    guard path.utf8.count <= Self.longestPath else { return nil }
    if ByteString(path) == "/" {
      self = .root
    } else if let rest = path.removing(prefix: "/sha1/") {
      let query = manifest.flatMap { ContentHash(hex: $0) }.map { "?manifest=\($0)" } ?? ""
      guard let uri = try? KacheryURI(parsing: "sha1://\(rest)\(query)"), uri.key.chunkOf == nil else { return nil }
      let name = uri.label.text.parts(separatedBy: "/").last.flatMap { PercentEncoding.decodeName($0) }
      self = .file(uri.key, name: name ?? "")
    } else if let rest = path.removing(prefix: "/sha1dir/"), let uri = try? FolderURI(parsing: "sha1dir://\(rest)") {
      self = .folder(uri, hasFinalSlash: path.ends(with: "/"))
    } else {
      return nil
    }
  }
}
