package import Crypto
import Database
package import Primitives
import Synchronization

extension FeedStore {
  /// Whether this node writes the feed.
  package func isWriteable(_ feed: FeedID) throws(KacheryError) -> Bool { try keys.key(of: feed) != nil }

  /// The key with which this node signs the feed; nil if another node writes it.
  package func key(of feed: FeedID) throws(KacheryError) -> SigningKey? { try keys.key(of: feed) }

  /// The feed with this name; nil if none has it.
  package func feed(named name: String) throws(KacheryError) -> FeedID? { try keys.feed(named: name) }

  /// Whether the feed, or any of its messages, is stored.
  package func isKnown(_ feed: FeedID) throws(KacheryError) -> Bool {
    try row("SELECT 1 FROM feeds WHERE feedId = ?", [.text(feed.hex)]) != nil
  }

  /// How many messages of the subfeed are stored.
  package func count(_ key: SubfeedKey) throws(KacheryError) -> UInt64 {
    let row = try row(
      "SELECT max(position) FROM subfeedMessages WHERE feedId = ? AND subfeedHash = ?", key.columns)
    return row?[0].integer.flatMap { UInt64(exactly: $0) }.map { $0 + 1 } ?? 0
  }

  /// Who may append messages to the subfeed; no rules if none were set.
  package func rules(of key: SubfeedKey) throws(KacheryError) -> AccessRules {
    let row = try row("SELECT accessRules FROM subfeeds WHERE feedId = ? AND subfeedHash = ?", key.columns)
    guard let text = row?[0].text else { return AccessRules() }
    guard let json = try? JSONParser.parse(text) else {
      throw KacheryError(.storageFailed, "The access rules of \(key) in \(path) are damaged; set them again.")
    }
    // Earlier software wrote `{}` or null if nothing was set.
    return json["rules"] == nil ? AccessRules() : try AccessRules(json: json)
  }

  /// Stored messages of a subfeed from `position` on: at most `count`, ending once they have `bytes` bytes in total,
  /// but at least one if there is one. They end before one that is damaged.
  ///
  /// - Throws: `storageFailed` if the first one is damaged, or a message is missing.
  package func messages(
    of key: SubfeedKey, from position: UInt64, count: Int = .max, bytes: Int = .max
  ) throws(KacheryError) -> [[UInt8]] {
    guard count > 0, let start = Int64(exactly: position) else { return [] }
    var messages: [[UInt8]] = []
    var total = 0
    try reader.withLock { (connection) throws(KacheryError) in
      try connection.forEachRow(
        "SELECT position, message FROM subfeedMessages WHERE feedId = ? AND subfeedHash = ? AND position >= ? "
          + "ORDER BY position", key.columns + [.integer(start)]
      ) { (row) throws(KacheryError) in
        // A gap would give messages the wrong numbers.
        guard let text = row[1].text, row[0].integer == start + Int64(messages.count) else {
          throw damage(of: start + Int64(messages.count), key)
        }
        messages.append(Array(text.utf8))
        total += text.utf8.count
        return messages.count < count && total < bytes
      }
    }
    let whole = wholeMessages(messages, from: position, of: key.feed)
    guard whole > 0 || messages.isEmpty else { throw damage(of: start, key) }
    return Array(messages.prefix(whole))
  }

  private func damage(of number: Int64, _ key: SubfeedKey) -> KacheryError {
    KacheryError(.storageFailed, "The message \(number) of \(key) in \(path) is damaged.")
  }

  /// How many of the messages, from the first on, are as they were signed.
  private func wholeMessages(_ texts: [[UInt8]], from position: UInt64, of feed: FeedID) -> Int {
    guard let verifier = try? VerifyingKey(NodeID(feed)) else { return 0 }
    var signed: [SignedBytes] = []
    for text in texts {
      guard let message = try? SignedMessage(text), message.number == position + UInt64(signed.count) else { break }
      signed.append(message.signed)
    }
    return verifier.firstInvalid(in: signed) ?? signed.count
  }

  /// A stored feed.
  package struct Summary: Sendable {
    package let feed: FeedID
    package let names: [String]
    package let isWriteable: Bool
    package let subfeeds: Int
    package let messages: Int
  }

  /// The stored feeds, of this node and of others. The list of a feed's subfeeds does not count as one.
  package func summaries() throws(KacheryError) -> [Summary] {
    let names = try keys.names()
    let writeable = try keys.writeable()
    let listing = SQLValue.text(try SubfeedName.listing.hash().hex)
    let rows = try reader.withLock { (connection) throws(KacheryError) in
      try connection.rows(
        "SELECT feedId, (SELECT count(*) FROM subfeeds AS s WHERE s.feedId = feeds.feedId AND s.subfeedHash <> ?), "
          + "(SELECT count(*) FROM subfeedMessages AS m WHERE m.feedId = feeds.feedId AND m.subfeedHash <> ?) "
          + "FROM feeds ORDER BY feedId", [listing, listing])
    }
    return rows.compactMap { row in
      guard let feed = row[0].text.flatMap({ FeedID(hex: $0) }) else { return nil }
      return Summary(
        feed: feed, names: names[feed] ?? [], isWriteable: writeable.contains(feed),
        subfeeds: Int(row[1].integer ?? 0), messages: Int(row[2].integer ?? 0))
    }
  }

  /// The stored subfeeds of a feed, with the number of messages in each.
  package func subfeeds(of feed: FeedID) throws(KacheryError) -> [(subfeed: SubfeedHash, count: UInt64)] {
    let rows = try reader.withLock { (connection) throws(KacheryError) in
      try connection.rows(
        "SELECT subfeedHash, (SELECT count(*) FROM subfeedMessages AS m WHERE m.feedId = s.feedId "
          + "AND m.subfeedHash = s.subfeedHash) FROM subfeeds AS s WHERE feedId = ? ORDER BY subfeedHash",
        [.text(feed.hex)])
    }
    return rows.compactMap { row in
      row[0].text.flatMap { SubfeedHash(hex: $0) }.map { ($0, UInt64(clamping: row[1].integer ?? 0)) }
    }
  }

  /// Messages that contradict stored ones, lowest position first.
  package func forks(of key: SubfeedKey) throws(KacheryError) -> [SignedMessage] {
    let rows = try reader.withLock { (connection) throws(KacheryError) in
      try connection.rows(
        "SELECT message FROM feedForks WHERE feedId = ? AND subfeedHash = ? ORDER BY position", key.columns)
    }
    return rows.compactMap { row in row[0].text.flatMap { try? SignedMessage(Array($0.utf8)) } }
  }

  private func row(_ sql: String, _ values: [SQLValue]) throws(KacheryError) -> [SQLValue]? {
    try reader.withLock { (connection) throws(KacheryError) in try connection.firstRow(sql, values) }
  }
}
