import Crypto
import Database
import Files
package import Primitives
import Synchronization

/// The values that clients keep in a node under keys of their own: `mutables.db`.
///
/// Keys and values are any JSON; two keys are the same where their canonical JSON is. A value keeps each number as it was
/// spelled; a key with a number that canonical JSON rounds is refused, because two such keys would be one. All methods wait
/// for the disk: call them where waiting is allowed. Any thread may; calls take turns. A change is on the disk when its
/// method returns.
package final class MutableTable: Sendable {
  /// Keys of feeds lie in it.
  private static let permissions: UInt32 = 0o600

  private let path: String
  private let connection: Mutex<Connection>

  /// Opens `mutables.db` in a storage directory; makes it where there is none.
  ///
  /// A file that other software wrote is used as it is: opening it and reading from it changes nothing in it.
  /// - Throws: `permissionDenied`, `diskFull`, or `storageFailed` if it is damaged.
  package init(directory: String) throws(KacheryError) {
    path = "\(directory)/mutables.db"
    let isNew = try FileSystem.statusIfPresent(path).map { $0.size == 0 } ?? true
    // SQLite would give a new file the permissions that the umask leaves.
    if isNew { try File(path, .create(permissions: Self.permissions)).close() }
    let connection = try Connection(path, journal: isNew ? .writeAhead : .asFound)
    try connection.execute(
      "CREATE TABLE IF NOT EXISTS mutables(sha1 TEXT PRIMARY KEY, key TEXT, value TEXT) WITHOUT ROWID")
    self.connection = Mutex(connection)
  }

  deinit { close() }

  /// Keeps a value.
  ///
  /// - Parameter update: whether a value that the key has already is replaced.
  /// - Returns: whether the value was kept; false only if the key has one already and `update` is false.
  /// - Throws: `badRequest` if the key holds a number that canonical JSON rounds.
  @discardableResult
  package func set(_ key: JSONValue, _ value: JSONValue, update: Bool = true) throws(KacheryError) -> Bool {
    let name = try Self.name(of: key)
    let sql =
      update
      ? "INSERT INTO mutables(sha1, key, value) VALUES(?, ?, ?) ON CONFLICT(sha1) DO UPDATE SET value = excluded.value"
      : "INSERT INTO mutables(sha1, key, value) VALUES(?, ?, ?) ON CONFLICT(sha1) DO NOTHING"
    let values = [Self.hash(name), Self.text(name), Self.text(CanonicalJSON.encodeKeepingNumbers(value))]
    return try connection.withLock { (connection) throws(KacheryError) in try connection.execute(sql, values) > 0 }
  }

  /// The value of a key; nil if it has none.
  ///
  /// - Throws: `storageFailed` if the stored value is damaged; `badRequest` as for `set`.
  package func get(_ key: JSONValue) throws(KacheryError) -> JSONValue? {
    let hash = Self.hash(try Self.name(of: key))
    let row = try connection.withLock { (connection) throws(KacheryError) in
      try connection.firstRow("SELECT value FROM mutables WHERE sha1 = ?", [hash])
    }
    guard let row else { return nil }
    guard let text = row.first?.text, let value = try? JSONParser.parse(text) else {
      throw KacheryError(.storageFailed, "The value of \(key.compact) in \(path) is damaged; set or delete it.")
    }
    return value
  }

  /// Forgets a key.
  ///
  /// - Returns: whether it had a value.
  /// - Throws: `badRequest` as for `set`.
  @discardableResult
  package func delete(_ key: JSONValue) throws(KacheryError) -> Bool {
    let hash = Self.hash(try Self.name(of: key))
    return try connection.withLock { (connection) throws(KacheryError) in
      try connection.execute("DELETE FROM mutables WHERE sha1 = ?", [hash]) > 0
    }
  }

  /// The keys and values whose key is an object with this `type`.
  package func all(ofType type: String) throws(KacheryError) -> [(key: JSONValue, value: JSONValue)] {
    let sql = "SELECT key, value FROM mutables WHERE instr(key, ?) > 0 ORDER BY key"
    let rows = try connection.withLock { (connection) throws(KacheryError) in
      try connection.rows(sql, [.text("\"type\":\(JSONValue.string(type).compact)")])
    }
    return rows.compactMap { row in
      guard let key = row[0].text.flatMap({ try? JSONParser.parse($0) }), key["type"]?.string == type,
        let value = row[1].text.flatMap({ try? JSONParser.parse($0) })
      else { return nil }
      return (key, value)
    }
  }

  /// Closes the database; does nothing the second time. Other methods fail afterwards.
  package func close() { connection.withLock { $0.close() } }

  /// The canonical JSON of a key.
  private static func name(of key: JSONValue) throws(KacheryError) -> [UInt8] {
    if let altered = CanonicalJSON.alteredNumber(in: key, precision: .decimal) {
      throw KacheryError(
        .badRequest,
        "The number \(altered.excerpt) at \(altered.place) cannot stand in a key: other numbers would make the same "
          + "key, \(altered.canonical) for one. Write it as a string.")
    }
    return CanonicalJSON.encode(key)
  }

  private static func hash(_ name: [UInt8]) -> SQLValue { .text(ContentHash.of(name).hex) }

  private static func text(_ bytes: [UInt8]) -> SQLValue { .text(String(decoding: bytes, as: UTF8.self)) }
}
