import Crypto
import Database
import Files
package import Primitives
import Synchronization

/// The values that clients store in a node under keys of their choice: `mutables.db`.
///
/// Keys and values are any JSON; two keys are the same if their canonical JSON is. A value keeps each number as it was
/// spelled; a key with a number that canonical JSON rounds is rejected, because two different keys would become one.
/// All methods block on the disk: call them only where blocking is allowed. Thread-safe. A change is on the disk when its
/// method returns; reads do not wait for changes.
package final class MutableTable: Sendable {
  /// The table contains keys of feeds.
  private static let permissions: UInt32 = 0o600

  private let path: String
  private let connection: Mutex<Connection>
  private let reader: Mutex<Connection>

  /// Opens `mutables.db` in a storage directory; creates it if it does not exist.
  ///
  /// A file written by other software is used as it is: opening and reading it changes nothing.
  /// - Throws: `permissionDenied`, `diskFull`, or `storageFailed` if it is damaged.
  package init(directory: String) throws(KacheryError) {
    path = "\(directory)/mutables.db"
    let isNew = try FileSystem.statusIfPresent(path).map { $0.size == 0 } ?? true
    // Otherwise the umask would decide the permissions of a new file.
    if isNew { try File(path, .create(permissions: Self.permissions)).close() }
    let journal: Connection.Journal = isNew ? .writeAhead : .asFound
    let connection = try Connection(path, journal: journal)
    try connection.execute(
      "CREATE TABLE IF NOT EXISTS mutables(sha1 TEXT PRIMARY KEY, key TEXT, value TEXT) WITHOUT ROWID")
    self.connection = Mutex(connection)
    reader = Mutex(try Connection(path, journal: journal))
  }

  deinit { close() }

  /// Stores a value.
  ///
  /// - Parameter update: whether to replace an existing value of the key.
  /// - Returns: whether the value was stored; false only if the key has a value and `update` is false.
  /// - Throws: `badRequest` if the key contains a number that canonical JSON rounds; `storageFailed` if the file was
  ///   removed.
  @discardableResult
  package func set(_ key: JSONValue, _ value: JSONValue, update: Bool = true) throws(KacheryError) -> Bool {
    let name = try Self.name(of: key)
    let sql =
      update
      ? "INSERT INTO mutables(sha1, key, value) VALUES(?, ?, ?) ON CONFLICT(sha1) DO UPDATE SET value = excluded.value"
      : "INSERT INTO mutables(sha1, key, value) VALUES(?, ?, ?) ON CONFLICT(sha1) DO NOTHING"
    let values = [Self.hash(name), Self.text(name), Self.text(CanonicalJSON.encodeKeepingNumbers(value))]
    return try connection.withLock { (connection) throws(KacheryError) in
      try connection.requireFile()
      return try connection.execute(sql, values) > 0
    }
  }

  /// The value of a key; nil if it has none.
  ///
  /// - Throws: `storageFailed` if the stored value is damaged; `badRequest` as for `set`.
  package func get(_ key: JSONValue) throws(KacheryError) -> JSONValue? {
    let hash = Self.hash(try Self.name(of: key))
    let row = try reader.withLock { (connection) throws(KacheryError) in
      try connection.firstRow("SELECT value FROM mutables WHERE sha1 = ?", [hash])
    }
    guard let row else { return nil }
    guard let text = row.first?.text, let value = try? JSONParser.parse(text) else {
      throw KacheryError(.storageFailed, "The value of \(key.compact) in \(path) is damaged; set or delete it.")
    }
    return value
  }

  /// Removes a key and its value.
  ///
  /// - Returns: whether it had a value.
  /// - Throws: `badRequest` as for `set`.
  @discardableResult
  package func delete(_ key: JSONValue) throws(KacheryError) -> Bool {
    let hash = Self.hash(try Self.name(of: key))
    return try connection.withLock { (connection) throws(KacheryError) in
      try connection.requireFile()
      return try connection.execute("DELETE FROM mutables WHERE sha1 = ?", [hash]) > 0
    }
  }

  /// The keys and values whose key is an object with this `type`.
  package func all(ofType type: String) throws(KacheryError) -> [(key: JSONValue, value: JSONValue)] {
    let sql = "SELECT key, value FROM mutables WHERE instr(key, ?) > 0 ORDER BY key"
    let rows = try reader.withLock { (connection) throws(KacheryError) in
      try connection.rows(sql, [.text("\"type\":\(JSONValue.string(type).compact)")])
    }
    return rows.compactMap { row in
      guard let key = row[0].text.flatMap({ try? JSONParser.parse($0) }), key["type"]?.string == type,
        let value = row[1].text.flatMap({ try? JSONParser.parse($0) })
      else { return nil }
      return (key, value)
    }
  }

  /// Closes the database. Idempotent. Other methods fail afterwards.
  package func close() {
    connection.withLock { $0.close() }
    reader.withLock { $0.close() }
  }

  /// The canonical JSON of a key.
  private static func name(of key: JSONValue) throws(KacheryError) -> [UInt8] {
    if let altered = CanonicalJSON.alteredNumber(in: key, precision: .decimal) {
      throw KacheryError(
        .badRequest,
        "The number \(altered.excerpt) at \(altered.place) cannot be part of a key: other numbers yield the same "
          + "key, for example \(altered.canonical). Write it as a string.")
    }
    return CanonicalJSON.encode(key)
  }

  private static func hash(_ name: [UInt8]) -> SQLValue { .text(ContentHash.of(name).hex) }

  private static func text(_ bytes: [UInt8]) -> SQLValue { .text(String(decoding: bytes, as: UTF8.self)) }
}
