import Database
import Files
package import Primitives

extension ContentStore {
  /// Most files in one answer of `search`.
  package static let foundAtOnce: UInt64 = 1_000
  /// Bytes of a search text that count. Names that are kept have no more.
  private static let longestText = 255

  /// The stored files whose names contain the text, in upper or lower case of ASCII letters, or whose hash begins with it;
  /// all of them if it is empty. Those used last come first.
  ///
  /// Finds what the index knows, which leaves out files that another process has stored since the start.
  ///
  /// - Returns: `{"files", "total"}`; `total` counts all that match, and each file has its `uri` besides what a listing says.
  package func search(
    _ text: String, skipping: UInt64 = 0, atMost limit: UInt64 = foundAtOnce
  ) throws(KacheryError) -> JSONValue {
    index?.flush()
    guard
      let found = index?.search(
        String(text.prefix(bytes: Self.longestText)), skipping: skipping, atMost: min(limit, Self.foundAtOnce))
    else {
      throw KacheryError(.storageFailed, "The index of stored files cannot be read now; try again in a moment.")
    }
    let pins = try pins()
    var files: [JSONValue] = []
    for hash in found.hashes {
      // The index may know a file that is gone.
      guard let file = try listed(hash, pins) else { continue }
      var fields = file.json.object ?? [:]
      let manifest = file.size > Limits.manifestThreshold ? index?.manifest(of: hash) : nil
      let label = file.names.first.map { URILabel.escape($0) } ?? ""
      fields["uri"] = .string(KacheryURI(key: FileKey(hash: hash, manifest: manifest), label: label).description)
      files.append(.object(fields))
    }
    return ["files": .array(files), "total": .integer(Int64(clamping: found.total))]
  }

  private func listed(_ hash: ContentHash, _ pins: Set<ContentHash>) throws(KacheryError) -> ListedFile? {
    guard let status = try FileSystem.statusIfPresent(layout.file(hash), followingLinks: false) else {
      return try FileSystem.statusIfPresent(layout.link(hash)) == nil ? nil : listedLink(hash, pins)
    }
    return status.kind == .regular ? listedFile(hash, status, pins) : nil
  }
}

extension StoreIndex {
  /// The hashes of the files that match, and how many do; nil if the index fails.
  func search(_ text: String, skipping: UInt64, atMost limit: UInt64) -> (hashes: [ContentHash], total: UInt64)? {
    let matches = """
      FROM files WHERE ?1 = '' OR hash BETWEEN ?3 AND ?4
      OR hash IN (SELECT hash FROM names WHERE name LIKE ?2 ESCAPE '\\')
      """
    let (first, last) = Self.hashes(beginningWith: text)
    let values: [SQLValue] = [.text(text), .text("%\(Self.escape(text))%"), .blob(first), .blob(last)]
    return use { (connection) throws(KacheryError) in
      let total = try connection.firstRow("SELECT count(*) \(matches)", values)?.first?.integer
      let rows = try connection.rows(
        "SELECT hash \(matches) ORDER BY used DESC, hash LIMIT ?5 OFFSET ?6",
        values + [.integer(Int64(clamping: limit)), .integer(Int64(clamping: skipping))])
      return (
        rows.compactMap { $0.first?.blob.flatMap { ContentHash(bytes: $0) } }, UInt64(clamping: total ?? 0)
      )
    }
  }

  /// The first and the last hash that begin with these digits; a range without any hash if they are no digits.
  private static func hashes(beginningWith text: String) -> (first: [UInt8], last: [UInt8]) {
    let missing = 40 - text.utf8.count
    guard missing >= 0, Hex.isSpelled(by: text),
      let first = Hex.decode(text + String(repeating: "0", count: missing)),
      let last = Hex.decode(text + String(repeating: "f", count: missing))
    else { return ([], []) }
    return (first, last)
  }

  /// The text as a pattern that matches only itself.
  private static func escape(_ text: String) -> String {
    var escaped = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if scalar == "%" || scalar == "_" || scalar == "\\" { escaped.append("\\") }
      escaped.append(scalar)
    }
    return String(escaped)
  }
}
