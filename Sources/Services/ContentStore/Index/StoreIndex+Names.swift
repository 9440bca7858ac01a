import Database
package import Primitives

/// The names under which files were stored or loaded. They are lost with the index, and nothing depends on them.
extension StoreIndex {
  /// Names that are kept for one file; the oldest one gives way.
  package static let maximumNames = 4
  /// Bytes of a name that are kept.
  private static let maximumLength = 255

  /// Records that these files were stored or loaded under these names. Ignores empty names.
  package func note(names: [(hash: ContentHash, name: String)]) {
    let names = names.map { ($0.hash, String($0.name.prefix(bytes: Self.maximumLength))) }.filter { !$0.1.isEmpty }
    guard !names.isEmpty else { return }
    use { (connection) throws(KacheryError) in
      try connection.transaction { () throws(KacheryError) in
        for (hash, name) in names { try Self.insert(name, of: hash, into: connection) }
      }
    }
  }

  /// The names of a file, the latest one first.
  func names(of hash: ContentHash) -> [String] {
    let rows = use { (connection) throws(KacheryError) in
      try connection.rows("SELECT name FROM names WHERE hash = ? ORDER BY number DESC", [.blob(hash.bytes)])
    }
    return (rows ?? []).compactMap { $0.first?.text }
  }

  private static func insert(
    _ name: String, of hash: ContentHash, into connection: Connection
  ) throws(KacheryError) {
    let key = SQLValue.blob(hash.bytes)
    try connection.execute(
      """
      INSERT OR REPLACE INTO names(hash, name, number)
      VALUES(?, ?, 1 + (SELECT coalesce(max(number), 0) FROM names WHERE hash = ?))
      """, [key, .text(name), key])
    try connection.execute(
      """
      DELETE FROM names WHERE hash = ?
      AND name NOT IN (SELECT name FROM names WHERE hash = ? ORDER BY number DESC LIMIT ?)
      """, [key, key, .integer(Int64(maximumNames))])
  }
}
