/// `sha1://HASH[/label][?manifest=HASH2]` or `sha1://HASH[/label]?chunkOf=PARENT~START~END`: how people name a file.
package struct KacheryURI: Hashable, Sendable, CustomStringConvertible {
  package let key: FileKey
  /// Decoration for people: usually the file's name. Empty where there is none.
  package let label: String

  package init(key: FileKey, label: String = "") {
    self.key = key
    self.label = label
  }

  /// The URI in the form that every client reads.
  package var description: String {
    var text = "sha1://\(key.hash)"
    if !label.isEmpty { text += "/\(label)" }
    if let chunk = key.chunkOf { return text + "?chunkOf=\(chunk.parent)~\(chunk.range.start)~\(chunk.range.end)" }
    if let manifest = key.manifest { text += "?manifest=\(manifest)" }
    return text
  }

  /// Reads a URI of any form that was ever published.
  ///
  /// - Throws: `badRequest` with a sentence that names what is wrong with it.
  package init(parsing text: String) throws(KacheryError) {
    guard text.hasPrefix("sha1://") else {
      throw KacheryError(.badRequest, "'\(text)' is no kachery URI: it does not begin with sha1://.")
    }
    let rest = text.dropFirst("sha1://".count)
    let pathEnd = rest.utf8.firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
    let path = rest[..<pathEnd]
    let hashEnd = path.utf8.firstIndex(of: UInt8(ascii: "/")) ?? path.endIndex
    // Old clients wrote an extension behind the hash; it never had a meaning.
    let digitsEnd = path[..<hashEnd].utf8.firstIndex(of: UInt8(ascii: ".")) ?? hashEnd
    let digits = path[..<digitsEnd]
    guard let hash = ContentHash(hex: digits) else {
      let count = digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) ? ", not \(digits.count)" : ""
      throw KacheryError(
        .badRequest, "'\(text)' is no kachery URI: after sha1:// there must be 40 hexadecimal digits\(count).")
    }
    label = hashEnd < path.endIndex ? String(path[path.utf8.index(after: hashEnd)...]) : ""
    var manifest: ContentHash?
    var chunk: ChunkLocation?
    if pathEnd < rest.endIndex {
      for parameter in rest[rest.utf8.index(after: pathEnd)...].split(separator: "&") {
        if parameter.hasPrefix("manifest=") {
          guard let value = ContentHash(hex: parameter.dropFirst("manifest=".count)) else {
            throw KacheryError(.badRequest, "'\(text)' names a manifest that is not 40 hexadecimal digits.")
          }
          manifest = value
        } else if parameter.hasPrefix("chunkOf=") {
          chunk = try Self.chunk(parameter.dropFirst("chunkOf=".count), in: text)
        }
      }
    }
    key = FileKey(hash: hash, manifest: manifest, chunkOf: chunk)
  }

  private static func chunk(_ value: Substring, in text: String) throws(KacheryError) -> ChunkLocation {
    let parts = value.split(separator: "~", omittingEmptySubsequences: false)
    guard parts.count == 3, let parent = ContentHash(hex: parts[0]), let start = UInt64(digits: parts[1]),
      let end = UInt64(digits: parts[2]), let range = ByteRange(start: start, end: end)
    else { throw KacheryError(.badRequest, "'\(text)' has a chunkOf that is not PARENT~START~END.") }
    guard ChunkLocation.isPossible(range) else {
      throw KacheryError(
        .badRequest,
        "'\(text)' names a part of more than \(Limits.maximumPartSize) bytes, or one that no file reaches; "
          + "load the file \(parent) instead.")
    }
    return ChunkLocation(parent: parent, range: range)
  }
}
