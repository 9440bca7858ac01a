/// `sha1://HASH[/label][?manifest=HASH2]` or `sha1://HASH[/label]?chunkOf=PARENT~START~END`: names a file.
package struct KacheryURI: Hashable, Sendable, CustomStringConvertible {
  package let key: FileKey
  /// Decoration for people: usually the file's name. Empty if there is none.
  package let label: ByteString

  package init(key: FileKey, label: ByteString = "") {
    self.key = key
    self.label = label
  }

  /// The URI in the form that every client accepts.
  package var description: String {
    var text = "sha1://\(key.hash)"
    if !label.isEmpty { text += "/\(label)" }
    if let chunk = key.chunkOf { return text + "?chunkOf=\(chunk.parent)~\(chunk.range.start)~\(chunk.range.end)" }
    if let manifest = key.manifest { text += "?manifest=\(manifest)" }
    return text
  }

  /// Reads a URI in any form ever published.
  ///
  /// - Throws: `badRequest` with a message that explains what is wrong.
  package init(parsing text: String) throws(KacheryError) {
    guard let rest = text.removing(prefix: "sha1://") else {
      throw KacheryError(.badRequest, "'\(text)' is not a kachery URI: it does not begin with sha1://.")
    }
    let (name, label, query) = Self.parts(of: rest)
    // Old clients wrote an extension after the hash; it never had a meaning.
    let digits = name.cut(at: ".").head
    guard let hash = ContentHash(hex: digits) else {
      let count = Hex.isSpelled(by: digits) && !digits.isEmpty ? ", not by \(digits.utf8.count)" : ""
      throw KacheryError(
        .badRequest, "'\(text)' is not a kachery URI: sha1:// must be followed by 40 hexadecimal digits\(count).")
    }
    self.label = ByteString(label ?? "")
    var manifest: ContentHash?
    var chunk: ChunkLocation?
    for parameter in (query ?? "").parts(separatedBy: "&") {
      if let digits = parameter.removing(prefix: "manifest=") {
        guard let value = ContentHash(hex: digits) else {
          throw KacheryError(.badRequest, "'\(text)' names a manifest that is not 40 hexadecimal digits.")
        }
        manifest = value
      } else if let place = parameter.removing(prefix: "chunkOf=") {
        chunk = try Self.chunk(place, in: text)
      }
    }
    key = FileKey(hash: hash, manifest: manifest, chunkOf: chunk)
  }

  /// The hash, the label and the query. The label may also follow the query, so that software that looks at the end of
  /// a URI finds the file's name there: `HASH?manifest=HASH2/label`.
  private static func parts(of text: Substring) -> (name: Substring, label: Substring?, query: Substring?) {
    let (first, rest) = text.cut(at: "/")
    let (hash, early) = first.cut(at: "?")
    if let early, early.begins(with: "manifest=") || early.begins(with: "chunkOf=") {
      return (hash, rest?.cut(at: "?").head, early)
    }
    let (path, query) = text.cut(at: "?")
    let (name, label) = path.cut(at: "/")
    return (name, label, query)
  }

  private static func chunk(_ value: Substring, in text: String) throws(KacheryError) -> ChunkLocation {
    let parts = value.parts(separatedBy: "~")
    guard parts.count == 3, let parent = ContentHash(hex: parts[0]), let start = UInt64(digits: parts[1]),
      let end = UInt64(digits: parts[2]), let range = ByteRange(start: start, end: end)
    else { throw KacheryError(.badRequest, "'\(text)' has a chunkOf that is not PARENT~START~END.") }
    guard ChunkLocation.isPossible(range) else {
      throw KacheryError(
        .badRequest,
        "'\(text)' names a part of more than \(Limits.maximumPartSize) bytes, or one beyond the largest file; "
          + "load the file \(parent) instead.")
    }
    return ChunkLocation(parent: parent, range: range)
  }
}
