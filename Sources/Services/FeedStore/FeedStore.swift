package import Crypto
import Database
import Files
package import Primitives
import Synchronization
import Threads

/// The feeds that this node writes, and the messages of other nodes' feeds that have come: `feeds.db`.
///
/// Any thread may call. Reading waits for the disk. Writing is handed to a thread of the store's own, which brings all
/// that has come meanwhile to the disk in one go; what is told afterwards is on the disk.
package final class FeedStore: Sendable {
  /// Keys of other users' feeds need not be known to everybody on the machine.
  private static let permissions: UInt32 = 0o600

  let path: String
  let reader: Mutex<Connection>
  let keys: FeedKeys
  private let writer: FeedWriter

  /// Opens `feeds.db` in a storage directory; makes it where there is none.
  ///
  /// A database that other software wrote is used as it is, beside which a table for forks is made.
  /// - Parameter mutables: where the keys and the names of feeds lie.
  /// - Throws: `permissionDenied`, `diskFull`, or `storageFailed` if it is damaged.
  package init(directory: String, mutables: MutableTable) throws(KacheryError) {
    path = "\(directory)/feeds.db"
    let isNew = try FileSystem.statusIfPresent(path).map { $0.size == 0 } ?? true
    // SQLite would give a new file the permissions that the umask leaves.
    if isNew { try File(path, .create(permissions: Self.permissions)).close() }
    let journal: Connection.Journal = isNew ? .writeAhead : .asFound
    let connection = try Connection(path, journal: journal)
    // Each change by itself would wait for the disk, which a first start cannot spare.
    try connection.transaction { () throws(KacheryError) in
      for statement in Self.layout { try connection.execute(statement) }
    }
    keys = FeedKeys(mutables: mutables)
    writer = try FeedWriter(FeedLedger(connection: connection, keys: keys))
    reader = Mutex(try Connection(path, journal: journal))
  }

  /// As earlier software made it; `feedForks` is ours.
  private static let layout = [
    "CREATE TABLE IF NOT EXISTS feeds(feedId TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS subfeeds(feedId TEXT, subfeedHash TEXT, accessRules TEXT, "
      + "PRIMARY KEY(feedId, subfeedHash), FOREIGN KEY(feedId) REFERENCES feeds(feedId) ON DELETE CASCADE) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS subfeedMessages(feedId TEXT, subfeedHash TEXT, position INTEGER, message TEXT, "
      + "PRIMARY KEY(feedId, subfeedHash, position), FOREIGN KEY(feedId, subfeedHash) "
      + "REFERENCES subfeeds(feedId, subfeedHash) ON DELETE CASCADE) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS feedForks(feedId TEXT, subfeedHash TEXT, position INTEGER, signature TEXT, "
      + "message TEXT, PRIMARY KEY(feedId, subfeedHash, position, signature)) WITHOUT ROWID",
  ]

  deinit { close() }

  /// Closes the database once what was handed over is written; does nothing the second time.
  package func close() {
    writer.close()
    reader.withLock { $0.close() }
  }

  // MARK: Writing

  /// Makes a feed that this node writes. A name that another feed has names this one from now on.
  package func create(
    named name: String?, then: @escaping @Sendable (Result<FeedID, KacheryError>) -> Void
  ) {
    writer.write(
      { (ledger) throws(KacheryError) in try ledger.create(try SigningKey.generate(), named: name) }, then: then)
  }

  /// Deletes a feed with its messages and its key. Says whether there was one.
  package func delete(_ feed: FeedID, then: @escaping @Sendable (Result<Bool, KacheryError>) -> Void) {
    // The key goes once the messages are gone for good: until then the feed is this node's.
    writer.write { (ledger) throws(KacheryError) in
      try ledger.deleteMessages(of: feed)
    } then: { [writer] outcome in
      guard case .success(true) = outcome else { return then(outcome) }
      writer.write { (ledger) throws(KacheryError) in
        try ledger.removeKey(of: feed)
      } then: {
        then($0.map { true })
      }
    }
  }

  /// Sets who may have messages appended to a subfeed of this node's.
  ///
  /// - Throws: `forbidden` if another node writes the feed.
  package func setRules(
    _ rules: AccessRules, of key: SubfeedKey, then: @escaping @Sendable (Result<Void, KacheryError>) -> Void
  ) {
    writer.write({ (ledger) throws(KacheryError) in try ledger.setRules(rules, of: key) }, then: then)
  }

  /// Signs messages and appends them to a subfeed of this node's, all or none; calls of one subfeed in their order.
  ///
  /// - Throws: `forbidden` if another node writes the feed, `tooLarge`, and whatever keeps the disk from taking them.
  package func append(
    _ messages: [JSONObject], to key: SubfeedKey, metaData: JSONObject? = nil, at time: WallTime,
    then: @escaping @Sendable (Result<[SignedMessage], KacheryError>) -> Void
  ) {
    writer.write(
      { (ledger) throws(KacheryError) in try ledger.append(messages, to: key, metaData: metaData, at: time) },
      then: then)
  }

  /// Keeps messages that another node gave, as far as they follow what is here. Their signatures must have been checked.
  package func admit(
    _ messages: [SignedMessage], to key: SubfeedKey,
    then: @escaping @Sendable (Result<MessageAdmission, KacheryError>) -> Void
  ) {
    writer.write({ (ledger) throws(KacheryError) in try ledger.admit(messages, to: key) }, then: then)
  }
}
