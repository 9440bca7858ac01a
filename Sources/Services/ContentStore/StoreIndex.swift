import Database
import Diagnostics
import Files
package import Primitives
import Synchronization

/// What a node remembers of the files in its storage directory to be quick: the manifest that names each, its size, when it
/// was last used, and how it looked when its bytes were last known to have its hash.
///
/// It is never the truth. It may be lost, incomplete or wrong at any moment; the files say what is there, and whoever
/// relies on an answer checks it against them. No method fails: where the database does, it is made anew.
///
/// Each node has an index of its own, named by its node ID, and only the node's one process opens it. So SQLite needs no
/// locks, and nodes that share a directory on a network file system cannot spoil each other's.
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

  /// Uses that are gathered before they are written.
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
      // The files are gone through once more, for their times.
      "DELETE FROM facts WHERE name = 'complete'",
    ],
  ]

  private let path: String
  private let log: Log
  private let state: Mutex<State>

  /// Opens the index at `path`, or makes an empty one. Where that fails there is none, and every answer is nil.
  init(path: String, log: Log) {
    self.path = path
    self.log = log
    state = Mutex(State())
    state.withLock { open(&$0) }
  }

  // MARK: Asking

  /// The manifest that was last known for a file; nil if none is known.
  package func manifest(of hash: ContentHash) -> ContentHash? {
    use { (connection) throws(KacheryError) in
      try connection.firstRow("SELECT manifest FROM files WHERE hash = ?", [.blob(hash.bytes)])?.first?.blob
    }?.flatMap { ContentHash(bytes: $0) }
  }

  /// When a file was last used, in seconds since 1970; nil if that is not known.
  func lastUse(of hash: ContentHash) -> Int64? {
    if let use = state.withLock({ $0.uses[hash] }) { return use.time }
    return use { (connection) throws(KacheryError) in
      try connection.firstRow("SELECT used FROM files WHERE hash = ?", [.blob(hash.bytes)])?.first?.integer
    } ?? nil
  }

  /// Some of the files of this size that may be there.
  func files(ofSize size: UInt64, atMost limit: Int) -> [ContentHash] {
    let rows = use { (connection) throws(KacheryError) in
      try connection.rows(
        "SELECT hash FROM files WHERE size = ? LIMIT ?", [.integer(Int64(clamping: size)), .integer(Int64(limit))])
    }
    return (rows ?? []).compactMap { $0.first?.blob.flatMap { ContentHash(bytes: $0) } }
  }

  /// How the file looked when its bytes were last known to have its hash; nil if that is not known.
  func stamp(of hash: ContentHash) -> FileStamp? {
    let row = use { (connection) throws(KacheryError) in
      try connection.firstRow("SELECT size, modified, changed FROM files WHERE hash = ?", [.blob(hash.bytes)])
    }
    guard let row = row ?? nil, let size = row[0].integer, let modified = row[1].integer, let changed = row[2].integer
    else { return nil }
    return FileStamp(
      size: UInt64(clamping: size), modifiedNanoseconds: modified, changedNanoseconds: changed)
  }

  /// Whether the index knows everything that was there when it was made.
  package var isComplete: Bool { state.withLock { $0.isComplete } }

  // MARK: Telling

  /// A file has come, or its manifest has become known.
  package func note(_ hash: ContentHash, size: UInt64, manifest: ContentHash?) {
    use { (connection) throws(KacheryError) in
      try Self.insert(hash, size, manifest, used: FileSystem.now, into: connection)
    }
  }

  /// The bytes of a file that looks so have its hash, as far as is known. That is no use of it.
  ///
  /// - Parameter used: when it was last used, for a file that the index does not know yet.
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

  /// Files have come.
  func note(_ files: [(hash: ContentHash, stamp: FileStamp)]) {
    use { (connection) throws(KacheryError) in
      try connection.transaction { () throws(KacheryError) in
        for (hash, stamp) in files {
          try Self.insert(hash, stamp.size, nil, stamp, used: FileSystem.now, into: connection)
        }
      }
    }
  }

  /// A file was used. Written in batches: what a crash loses of it costs little.
  package func noteUse(of hash: ContentHash, size: UInt64) {
    let isFull = state.withLock { state in
      state.uses[hash] = Use(size: size, time: FileSystem.now)
      return state.uses.count >= Self.maximumUses
    }
    if isFull { flush() }
  }

  /// A file has gone.
  func forget(_ hash: ContentHash) {
    state.withLock { $0.uses[hash] = nil }
    use { (connection) throws(KacheryError) in
      _ = try connection.execute("DELETE FROM files WHERE hash = ?", [.blob(hash.bytes)])
    }
  }

  /// Writes what was gathered.
  package func flush() {
    let uses = state.withLock { state in
      defer { state.uses = [:] }
      return state.uses
    }
    guard !uses.isEmpty else { return }
    use { (connection) throws(KacheryError) in
      try connection.transaction { () throws(KacheryError) in
        // Other processes store files as well, so one that was used need not be known.
        for (hash, use) in uses { try Self.insert(hash, use.size, nil, used: use.time, into: connection) }
      }
    }
  }

  /// Takes over files that were found on the disk; what is known of them already counts more.
  func take(_ found: [FoundOnDisk]) {
    use { (connection) throws(KacheryError) in
      try connection.transaction { () throws(KacheryError) in
        for file in found {
          // The times that are known belong to the size that is known.
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

  /// Every file has been taken over.
  func markComplete() {
    use { (connection) throws(KacheryError) in
      _ = try connection.execute("INSERT OR REPLACE INTO facts(name, value) VALUES('complete', 1)")
    }
    state.withLock { $0.isComplete = $0.connection != nil }
  }

  /// Writes what was gathered and closes the database; every answer is nil afterwards.
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
  private func use<Answer: Sendable>(_ body: @Sendable (Connection) throws(KacheryError) -> Answer) -> Answer? {
    state.withLock { state in
      guard let connection = state.connection else { return nil }
      do throws(KacheryError) { return try body(connection) } catch {
        failed(error, &state)
        return nil
      }
    }
  }

  /// A full disk may have room again; anything else that is wrong with the database will not mend itself.
  private func failed(_ error: KacheryError, _ state: inout State) {
    guard error.code != .diskFull else { return log.debug("\(error.message)") }
    log.warning("The index of stored files failed and is being rebuilt from the files: \(error.message)")
    state.connection?.close()
    state.connection = nil
    guard state.mayBeMadeAnew else { return }
    state.mayBeMadeAnew = false
    removeFiles()
    open(&state)
  }

  private func open(_ state: inout State) {
    do throws(KacheryError) {
      // A node that starts on a damaged index begins anew; the second failure is the disk's.
      do throws(KacheryError) { state.connection = try connect() } catch {
        log.warning("The index \(path) cannot be used and is being rebuilt from the files: \(error.message)")
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

/// A file as a look at the storage directory finds it.
struct FoundOnDisk {
  let hash: ContentHash
  let size: UInt64
  let manifest: ContentHash?
  /// How it looks, if that is to be taken for how it was stored.
  var stamp: FileStamp?
  /// In seconds since 1970.
  let used: Int64
}
