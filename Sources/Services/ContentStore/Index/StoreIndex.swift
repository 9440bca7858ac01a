import Database
import Diagnostics
import Files
package import Primitives
import Synchronization

/// A node's cache of facts about the files in its storage directory: manifest, size, last use, names, and how each file
/// looked when its bytes were last known to have its hash.
///
/// It is never the truth. It may be lost, incomplete or wrong at any time; the files are authoritative, and callers
/// check an answer against them. No method fails: if the database does, the index is rebuilt.
///
/// Each node has its own index, named by its node ID, and only the node's single process opens it. So SQLite needs no
/// locks, and nodes that share a directory on a network file system cannot damage each other's index.
package final class StoreIndex: Sendable {
  private struct State {
    var connection: Connection?
    /// Uses that are not written yet.
    var uses: [ContentHash: Use] = [:]
    var isComplete = false
    var mayBeMadeAnew = true
  }

  private struct Use {
    let size: UInt64
    /// In seconds since 1970.
    let time: Int64
  }

  /// Uses collected before they are written.
  private static let maximumUses = 1_000
  private static let layout = [
    [
      """
      CREATE TABLE files(
        hash BLOB PRIMARY KEY, size INTEGER NOT NULL, manifest BLOB, used INTEGER NOT NULL) WITHOUT ROWID
      """,
      "CREATE INDEX filesBySize ON files(size)",
      "CREATE TABLE facts(name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID",
    ],
    [
      "ALTER TABLE files ADD COLUMN modified INTEGER",
      "ALTER TABLE files ADD COLUMN changed INTEGER",
      // Visit all files once more, for their times.
      "DELETE FROM facts WHERE name = 'complete'",
    ],
    [
      // A higher number is a later name.
      """
      CREATE TABLE names(
        hash BLOB NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY(hash, name)) WITHOUT ROWID
      """
    ],
  ]

  private let path: String
  private let log: Log
  private let state: Mutex<State>

  /// Opens the index at `path`, or creates an empty one. If that fails, every answer is nil.
  init(path: String, log: Log) {
    self.path = path
    self.log = log
    state = Mutex(State())
    state.withLock { open(&$0) }
  }

  // MARK: Lookup

  /// The last known manifest of a file; nil if none is known.
  package func manifest(of hash: ContentHash) -> ContentHash? {
    use { (connection) throws(KacheryError) in
      try connection.firstRow("SELECT manifest FROM files WHERE hash = ?", [.blob(hash.bytes)])?.first?.blob
    }?.flatMap { ContentHash(bytes: $0) }
  }

  /// When a file was last used, in seconds since 1970; nil if unknown.
  func lastUse(of hash: ContentHash) -> Int64? {
    if let use = state.withLock({ $0.uses[hash] }) { return use.time }
    return use { (connection) throws(KacheryError) in
      try connection.firstRow("SELECT used FROM files WHERE hash = ?", [.blob(hash.bytes)])?.first?.integer
    } ?? nil
  }

  /// Up to `limit` files of this size that may be stored.
  func files(ofSize size: UInt64, atMost limit: Int) -> [ContentHash] {
    let rows = use { (connection) throws(KacheryError) in
      try connection.rows(
        "SELECT hash FROM files WHERE size = ? LIMIT ?", [.integer(Int64(clamping: size)), .integer(Int64(limit))])
    }
    return (rows ?? []).compactMap { $0.first?.blob.flatMap { ContentHash(bytes: $0) } }
  }

  /// The file's stamp when its bytes were last known to have its hash; nil if unknown.
  func stamp(of hash: ContentHash) -> FileStamp? {
    let row = use { (connection) throws(KacheryError) in
      try connection.firstRow("SELECT size, modified, changed FROM files WHERE hash = ?", [.blob(hash.bytes)])
    }
    guard let row = row ?? nil, let size = row[0].integer, let modified = row[1].integer, let changed = row[2].integer
    else { return nil }
    return FileStamp(
      size: UInt64(clamping: size), modifiedNanoseconds: modified, changedNanoseconds: changed)
  }

  /// Whether the index covers all files that were stored when it was created.
  package var isComplete: Bool { state.withLock { $0.isComplete } }

  // MARK: Recording

  /// Records that a file was stored, or that its manifest became known.
  package func note(_ hash: ContentHash, size: UInt64, manifest: ContentHash?) {
    use { (connection) throws(KacheryError) in
      try Self.insert(hash, size, manifest, used: FileSystem.now, into: connection)
    }
  }

  /// Records that a file with this stamp has its hash, as far as is known. Does not count as a use.
  ///
  /// - Parameter used: when it was last used, for a file that is new to the index.
  func remember(_ stamp: FileStamp, of hash: ContentHash, used: Int64) {
    use { (connection) throws(KacheryError) in
      _ = try connection.execute(
        """
        INSERT INTO files(hash, size, manifest, used, modified, changed) VALUES(?, ?, ?, ?, ?, ?)
        ON CONFLICT(hash) DO UPDATE SET
          size = excluded.size, modified = excluded.modified, changed = excluded.changed
        """, Self.values(hash, stamp.size, nil, stamp, used: used))
    }
  }

  /// Records that files were stored.
  func note(_ files: [(hash: ContentHash, stamp: FileStamp)]) {
    use { (connection) throws(KacheryError) in
      try connection.transaction { () throws(KacheryError) in
        for (hash, stamp) in files {
          try Self.insert(hash, stamp.size, nil, stamp, used: FileSystem.now, into: connection)
        }
      }
    }
  }

  /// Records a use. Uses are written in batches: losing some in a crash costs little.
  package func noteUse(of hash: ContentHash, size: UInt64) {
    let isFull = state.withLock { state in
      state.uses[hash] = Use(size: size, time: FileSystem.now)
      return state.uses.count >= Self.maximumUses
    }
    if isFull { flush() }
  }

  /// Records that a file was removed.
  func forget(_ hash: ContentHash) {
    state.withLock { $0.uses[hash] = nil }
    use { (connection) throws(KacheryError) in
      try connection.transaction { () throws(KacheryError) in
        try connection.execute("DELETE FROM files WHERE hash = ?", [.blob(hash.bytes)])
        try connection.execute("DELETE FROM names WHERE hash = ?", [.blob(hash.bytes)])
      }
    }
  }

  /// Writes the collected uses.
  package func flush() {
    let uses = state.withLock { state in
      defer { state.uses = [:] }
      return state.uses
    }
    guard !uses.isEmpty else { return }
    use { (connection) throws(KacheryError) in
      try connection.transaction { () throws(KacheryError) in
        // Other processes store files as well, so a used file may be unknown to the index.
        for (hash, use) in uses { try Self.insert(hash, use.size, nil, used: use.time, into: connection) }
      }
    }
  }

  /// Adds files that were found on the disk; facts that are known already take precedence.
  func take(_ found: [FoundOnDisk]) {
    use { (connection) throws(KacheryError) in
      try connection.transaction { () throws(KacheryError) in
        for file in found {
          // The known times belong to the known size.
          try connection.execute(
            """
            INSERT INTO files(hash, size, manifest, used, modified, changed) VALUES(?, ?, ?, ?, ?, ?)
            ON CONFLICT(hash) DO UPDATE SET
              manifest = coalesce(manifest, excluded.manifest), size = iif(changed IS NULL, excluded.size, size),
              modified = coalesce(modified, excluded.modified), changed = coalesce(changed, excluded.changed)
            """, Self.values(file.hash, file.size, file.manifest, file.stamp, used: file.used))
        }
      }
    }
  }

  /// Records that every file has been added.
  func markComplete() {
    use { (connection) throws(KacheryError) in
      _ = try connection.execute("INSERT OR REPLACE INTO facts(name, value) VALUES('complete', 1)")
    }
    state.withLock { $0.isComplete = $0.connection != nil }
  }

  /// Writes the collected uses and closes the database; every answer is nil afterwards.
  package func close() {
    flush()
    state.withLock { state in
      state.connection?.close()
      state.connection = nil
      state.mayBeMadeAnew = false
    }
  }

  // MARK: The database

  private static func insert(
    _ hash: ContentHash, _ size: UInt64, _ manifest: ContentHash?, _ stamp: FileStamp? = nil, used: Int64,
    into connection: Connection
  ) throws(KacheryError) {
    try connection.execute(
      """
      INSERT INTO files(hash, size, manifest, used, modified, changed) VALUES(?, ?, ?, ?, ?, ?)
      ON CONFLICT(hash) DO UPDATE SET
        size = excluded.size, manifest = coalesce(excluded.manifest, manifest), used = excluded.used,
        modified = coalesce(excluded.modified, modified), changed = coalesce(excluded.changed, changed)
      """, values(hash, size, manifest, stamp, used: used))
  }

  private static func values(
    _ hash: ContentHash, _ size: UInt64, _ manifest: ContentHash?, _ stamp: FileStamp?, used: Int64
  ) -> [SQLValue] {
    [
      .blob(hash.bytes), .integer(Int64(clamping: size)), manifest.map { .blob($0.bytes) } ?? .null, .integer(used),
      stamp.map { .integer($0.modifiedNanoseconds) } ?? .null, stamp.map { .integer($0.changedNanoseconds) } ?? .null,
    ]
  }

  @discardableResult
  func use<Answer: Sendable>(_ body: @Sendable (Connection) throws(KacheryError) -> Answer) -> Answer? {
    state.withLock { state in
      guard let connection = state.connection else { return nil }
      do throws(KacheryError) { return try body(connection) } catch {
        failed(error, &state)
        return nil
      }
    }
  }

  /// A full disk may have room again later; other database errors do not go away.
  private func failed(_ error: KacheryError, _ state: inout State) {
    guard error.code != .diskFull else { return log.debug("\(error.message)") }
    log.warning(
      "The index of stored files failed and is being rebuilt from the files: \(error.message)", .indexRebuilt)
    state.connection?.close()
    state.connection = nil
    guard state.mayBeMadeAnew else { return }
    state.mayBeMadeAnew = false
    removeFiles()
    open(&state)
  }

  private func open(_ state: inout State) {
    do throws(KacheryError) {
      // An index that is damaged at the start is recreated; a second failure is the disk's.
      do throws(KacheryError) { state.connection = try connect() } catch {
        log.warning(
          "The index \(path) cannot be used and is being rebuilt from the files: \(error.message)", .indexRebuilt)
        removeFiles()
        state.connection = try connect()
      }
      let complete = try state.connection?.firstRow("SELECT value FROM facts WHERE name = 'complete'")
      state.isComplete = complete?.first?.integer == 1
    } catch {
      state.connection = nil
      log.warning("There is no index of stored files: \(error.message)")
    }
  }

  private func connect() throws(KacheryError) -> Connection {
    if try FileSystem.statusIfPresent(path) == nil { try File(path, .create(permissions: 0o600)).close() }
    let connection = try Connection(path, journal: .expendable)
    try connection.migrate(Self.layout)
    return connection
  }

  private func removeFiles() {
    for suffix in ["", "-wal", "-journal", "-shm"] { try? FileSystem.remove(path + suffix) }
  }
}

/// A file found in the storage directory.
struct FoundOnDisk {
  let hash: ContentHash
  let size: UInt64
  let manifest: ContentHash?
  /// Its stamp, if the file may be taken as unaltered since it was stored.
  var stamp: FileStamp?
  /// In seconds since 1970.
  let used: Int64
}
