package import Crypto
import Database
import Files
package import Primitives
import Synchronization
import Threads

/// The feeds that this node writes, and messages received of other nodes' feeds: `feeds.db`.
///
/// Thread-safe. Reads block on the disk. Writes run on the store's own thread, which commits everything queued in one
/// transaction; a completion handler is called when its write is on the disk.
package final class FeedStore: Sendable {
  /// Other users of the machine need not know the keys of these feeds.
  private static let permissions: UInt32 = 0o600

  let path: String
  let reader: Mutex<Connection>
  let keys: FeedKeys
  private let writer: FeedWriter
  private let appends: AppendLine

  /// Opens `feeds.db` in a storage directory; creates it if it does not exist.
  ///
  /// A database written by other software is used unchanged, except that tables for forks and for statements are added.
  /// - Parameter mutables: the table with the keys and names of feeds.
  /// - Throws: `permissionDenied`, `diskFull`, or `storageFailed` if it is damaged.
  package init(directory: String, mutables: MutableTable) throws(KacheryError) {
    path = "\(directory)/feeds.db"
    let isNew = try FileSystem.statusIfPresent(path).map { $0.size == 0 } ?? true
    // Otherwise the umask would decide the permissions of a new file.
    if isNew { try File(path, .create(permissions: Self.permissions)).close() }
    let journal: Connection.Journal = isNew ? .writeAhead : .asFound
    let connection = try Connection(path, journal: journal)
    // One transaction: separate changes would each wait for the disk, which would slow down a first start.
    try connection.transaction { () throws(KacheryError) in
      for statement in Self.layout { try connection.execute(statement) }
    }
    keys = FeedKeys(mutables: mutables)
    writer = try FeedWriter(FeedLedger(connection: connection, keys: keys))
    appends = AppendLine(writer)
    reader = Mutex(try Connection(path, journal: journal))
  }

  /// The layout of earlier software, plus `feedForks` and `subfeedStatements`.
  private static let layout = [
    "CREATE TABLE IF NOT EXISTS feeds(feedId TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS subfeeds(feedId TEXT, subfeedHash TEXT, accessRules TEXT, "
      + "PRIMARY KEY(feedId, subfeedHash), FOREIGN KEY(feedId) REFERENCES feeds(feedId) ON DELETE CASCADE) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS subfeedMessages(feedId TEXT, subfeedHash TEXT, position INTEGER, message TEXT, "
      + "PRIMARY KEY(feedId, subfeedHash, position), FOREIGN KEY(feedId, subfeedHash) "
      + "REFERENCES subfeeds(feedId, subfeedHash) ON DELETE CASCADE) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS feedForks(feedId TEXT, subfeedHash TEXT, position INTEGER, signature TEXT, "
      + "message TEXT, PRIMARY KEY(feedId, subfeedHash, position, signature)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS subfeedStatements(feedId TEXT, subfeedHash TEXT, firstSignature TEXT, signature TEXT, "
      + "PRIMARY KEY(feedId, subfeedHash)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS subfeedBeginnings ON subfeedStatements(firstSignature)",
  ]

  deinit { close() }

  /// Closes the database once all queued writes are done. Idempotent.
  package func close() {
    writer.close()
    reader.withLock { $0.close() }
  }

  // MARK: Writing

  /// Creates a feed that this node writes. If another feed has the name, the name moves to the new feed.
  package func create(
    named name: String?, then: @escaping @Sendable (Result<FeedID, KacheryError>) -> Void
  ) {
    writer.write(
      { (ledger) throws(KacheryError) in try ledger.create(try SigningKey.generate(), named: name) }, then: then)
  }

  /// Deletes a feed with its messages and its key. Reports whether the feed existed.
  package func delete(_ feed: FeedID, then: @escaping @Sendable (Result<Bool, KacheryError>) -> Void) {
    // The key is removed once the messages are gone for good: until then the feed is still this node's.
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

  /// Sets who may append messages to a subfeed that this node writes.
  ///
  /// - Throws: `forbidden` if another node writes the feed.
  package func setRules(
    _ rules: AccessRules, of key: SubfeedKey, then: @escaping @Sendable (Result<Void, KacheryError>) -> Void
  ) {
    writer.write({ (ledger) throws(KacheryError) in try ledger.setRules(rules, of: key) }, then: then)
  }

  /// Signs messages and appends them, all or none, to a subfeed that this node writes; calls for one subfeed keep their
  /// order.
  ///
  /// - Throws: `forbidden` if another node writes the feed, `tooLarge`, and disk errors.
  package func append(
    _ messages: [JSONObject], to key: SubfeedKey, metaData: JSONObject? = nil, at time: WallTime,
    then: @escaping @Sendable (Result<[SignedMessage], KacheryError>) -> Void
  ) {
    appends.add(AppendLine.Request(messages: messages, key: key, metaData: metaData, time: time, then: then))
  }

  /// Stores messages from another node as far as they continue the stored ones, provided that the subfeed begins as the
  /// statement says. The signatures of the messages must have been verified.
  package func admit(
    _ messages: [SignedMessage], _ statement: SubfeedStatement, to key: SubfeedKey,
    then: @escaping @Sendable (Result<MessageAdmission, KacheryError>) -> Void
  ) {
    writer.write({ (ledger) throws(KacheryError) in try ledger.admit(messages, statement, to: key) }, then: then)
  }

  /// Stores this node's statement about a subfeed that it writes. If that fails, it is made again.
  func keep(_ statement: SubfeedStatement, beginningWith first: Signature, of key: SubfeedKey) {
    writer.write(
      { (ledger) throws(KacheryError) in try ledger.keep(statement, beginningWith: first, of: key) }, then: { _ in })
  }
}
