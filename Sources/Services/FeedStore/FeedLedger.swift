import Crypto
import Database
import Primitives

/// Writes `feeds.db`. One thread at a time uses it, and keeps a transaction open around each call.
struct FeedLedger {
  /// The last message of a subfeed, which the next one must follow.
  struct Tail: Hashable, Sendable {
    var count: UInt64 = 0
    var signature: Signature?
    /// Whether the writer's statement about the subfeed is stored.
    var isProven = false
  }

  /// Subfeeds whose tails are cached; beyond that number the cache is cleared.
  private static let rememberedTails = 10_000

  let connection: Connection
  let keys: FeedKeys
  private var tails: [SubfeedKey: Tail] = [:]
  private var signingKeys: [FeedID: SigningKey] = [:]

  init(connection: Connection, keys: FeedKeys) {
    self.connection = connection
    self.keys = keys
  }

  /// Clears the caches after a failed transaction.
  mutating func forget() {
    tails = [:]
    signingKeys = [:]
  }

  // MARK: Feeds

  mutating func create(_ key: SigningKey, named name: String?) throws(KacheryError) -> FeedID {
    // The key first: without a key, a feed could never be recognized as this node's.
    let feed = try keys.keep(key, named: name)
    try addFeed(feed)
    return feed
  }

  /// Deletes all messages of a feed. Returns whether the feed existed.
  mutating func deleteMessages(of feed: FeedID) throws(KacheryError) -> Bool {
    forget()
    let isWriteable = try keys.key(of: feed) != nil
    let count = try connection.execute("DELETE FROM feeds WHERE feedId = ?", [.text(feed.hex)])
    try connection.execute("DELETE FROM feedForks WHERE feedId = ?", [.text(feed.hex)])
    try connection.execute("DELETE FROM subfeedStatements WHERE feedId = ?", [.text(feed.hex)])
    return count > 0 || isWriteable
  }

  mutating func removeKey(of feed: FeedID) throws(KacheryError) {
    forget()
    try keys.remove(feed)
  }

  private func addFeed(_ feed: FeedID) throws(KacheryError) {
    try connection.execute("INSERT OR IGNORE INTO feeds(feedId) VALUES(?)", [.text(feed.hex)])
  }

  private func addSubfeed(_ key: SubfeedKey) throws(KacheryError) {
    try addFeed(key.feed)
    try connection.execute(
      "INSERT OR IGNORE INTO subfeeds(feedId, subfeedHash, accessRules) VALUES(?, ?, ?)",
      key.columns + [.text(AccessRules().json.compact)])
  }

  mutating func setRules(_ rules: AccessRules, of key: SubfeedKey) throws(KacheryError) {
    _ = try signingKey(of: key.feed)
    try addSubfeed(key)
    try connection.execute(
      "UPDATE subfeeds SET accessRules = ? WHERE feedId = ? AND subfeedHash = ?",
      [.text(rules.json.compact)] + key.columns)
  }

  // MARK: Messages

  private mutating func signingKey(of feed: FeedID) throws(KacheryError) -> SigningKey {
    if let key = signingKeys[feed] { return key }
    guard let key = try keys.key(of: feed) else {
      throw KacheryError(.forbidden, "The feed \(feed) is written by another node; only that node can change it.")
    }
    if signingKeys.count >= Self.rememberedTails { signingKeys = [:] }
    signingKeys[feed] = key
    return key
  }

  private mutating func tail(of key: SubfeedKey) throws(KacheryError) -> Tail {
    if let tail = tails[key] { return tail }
    let row = try connection.firstRow(
      "SELECT position, message FROM subfeedMessages WHERE feedId = ? AND subfeedHash = ? ORDER BY position DESC LIMIT 1",
      key.columns)
    if tails.count >= Self.rememberedTails { tails = [:] }
    guard let row else {
      try addSubfeed(key)
      tails[key] = Tail()
      return Tail()
    }
    guard let position = row[0].integer, let text = row[1].text, let message = try? SignedMessage(Array(text.utf8)),
      message.number == UInt64(exactly: position)
    else {
      throw KacheryError(
        .storageFailed, "The last message of \(key) in \(connection.path) is damaged, so none can follow it.")
    }
    let statement = try connection.firstRow(
      "SELECT 1 FROM subfeedStatements WHERE feedId = ? AND subfeedHash = ?", key.columns)
    let tail = Tail(count: message.number + 1, signature: message.signature, isProven: statement != nil)
    tails[key] = tail
    return tail
  }

  /// Signs messages and writes them after the last one. Returns the signed messages.
  mutating func append(
    _ messages: [JSONObject], to key: SubfeedKey, metaData: JSONObject?, at time: WallTime
  ) throws(KacheryError) -> [SignedMessage] {
    let begin = try beginAppending(to: key)
    var tail = begin
    let signed = try sign(messages[...], for: key, after: &tail, metaData: metaData, at: time)
    try write(signed, to: key, from: begin, to: tail)
    return signed
  }

  /// The last message of a subfeed that this node writes.
  mutating func beginAppending(to key: SubfeedKey) throws(KacheryError) -> Tail {
    _ = try signingKey(of: key.feed)
    return try tail(of: key)
  }

  /// Signs messages that are to follow `tail`, which then is the last of them. Writes nothing.
  mutating func sign(
    _ messages: ArraySlice<JSONObject>, for key: SubfeedKey, after tail: inout Tail, metaData: JSONObject?,
    at time: WallTime
  ) throws(KacheryError) -> [SignedMessage] {
    let signingKey = try signingKey(of: key.feed)
    var time = time
    if tail.count == 0, let first = messages.first {
      // Two subfeeds that began with the same message at the same time would begin with the same signature, and what
      // follows it in one could be taken for the other's.
      while try isBeginning(
        SignedMessage(first, number: 0, previous: nil, at: time, metaData: metaData, with: signingKey), of: key.feed)
      { time = time + .milliseconds(1) }
    }
    var signed: [SignedMessage] = []
    for message in messages {
      let next = try SignedMessage(
        message, number: tail.count, previous: tail.signature, at: time, metaData: metaData, with: signingKey)
      signed.append(next)
      tail.count += 1
      tail.signature = next.signature
    }
    return signed
  }

  /// Writes messages that were signed to follow `begin`, the last of them being `end`.
  ///
  /// - Throws: `cancelled` if others were stored meanwhile, as after the feed was deleted.
  mutating func write(
    _ signed: [SignedMessage], to key: SubfeedKey, from begin: Tail, to end: Tail
  ) throws(KacheryError) {
    guard try beginAppending(to: key) == begin else {
      throw KacheryError(.cancelled, "The subfeed \(key) changed while messages for it were signed; append them again.")
    }
    for message in signed { try write(message, to: key) }
    tails[key] = end
    guard let first = signed.first, first.number == 0 else { return }
    let statement = try SubfeedStatement(
      of: key, beginningWith: first.signature, by: signingKey(of: key.feed))
    try keep(statement, beginningWith: first.signature, of: key)
  }

  /// Whether a subfeed of the feed begins with a message that has the same signature.
  private func isBeginning(_ message: SignedMessage, of feed: FeedID) throws(KacheryError) -> Bool {
    try connection.firstRow(
      "SELECT 1 FROM subfeedStatements WHERE firstSignature = ? AND feedId = ?",
      [.text(message.signature.hex), .text(feed.hex)]) != nil
  }

  /// Stores the writer's statement about a subfeed.
  mutating func keep(
    _ statement: SubfeedStatement, beginningWith first: Signature, of key: SubfeedKey
  ) throws(KacheryError) {
    try connection.execute(
      "INSERT OR REPLACE INTO subfeedStatements(feedId, subfeedHash, firstSignature, signature) VALUES(?, ?, ?, ?)",
      key.columns + [.text(first.hex), .text(statement.signature.hex)])
    tails[key]?.isProven = true
  }

  /// Stores verified messages of another node's feed, as far as they continue the stored ones, if the subfeed begins as
  /// the statement says.
  mutating func admit(
    _ messages: [SignedMessage], _ statement: SubfeedStatement, to key: SubfeedKey
  ) throws(KacheryError) -> MessageAdmission {
    var tail = try tail(of: key)
    var admission = MessageAdmission(count: tail.count)
    var first: Signature?
    if !tail.isProven {
      first = messages.first { $0.number == 0 }?.signature
      if first == nil { first = try firstSignature(of: key) }
      // Without the first message nothing can be kept.
      guard let first else { return admission }
      guard statement.holds(for: key, beginningWith: first) else {
        admission.isUnproven = true
        return admission
      }
    }
    for message in messages {
      if message.number < tail.count {
        guard try isKept(message, in: key) else {
          admission.fork = message.number
          break
        }
        continue
      }
      guard message.number == tail.count else { break }
      guard message.previous == tail.signature else {
        admission.fork = message.number
        break
      }
      try write(message, to: key)
      admission.kept.append(message)
      tail.count += 1
      tail.signature = message.signature
    }
    // A stored message that contradicts the first one is not what the statement is about.
    if let first, tail.count > 0, admission.fork != 0 {
      try keep(statement, beginningWith: first, of: key)
      tail.isProven = true
    }
    if let fork = admission.fork, let proof = messages.first(where: { $0.number == fork }) {
      try keepApart(proof, of: key)
    }
    tails[key] = tail
    admission.count = tail.count
    return admission
  }

  private func firstSignature(of key: SubfeedKey) throws(KacheryError) -> Signature? {
    let row = try connection.firstRow(
      "SELECT message FROM subfeedMessages WHERE feedId = ? AND subfeedHash = ? AND position = 0", key.columns)
    return row?[0].text.flatMap { try? SignedMessage(Array($0.utf8)) }?.signature
  }

  private func isKept(_ message: SignedMessage, in key: SubfeedKey) throws(KacheryError) -> Bool {
    let row = try connection.firstRow(
      "SELECT message FROM subfeedMessages WHERE feedId = ? AND subfeedHash = ? AND position = ?",
      key.columns + [.integer(Int64(clamping: message.number))])
    guard let text = row?[0].text, let kept = try? SignedMessage(Array(text.utf8)), kept.number == message.number else {
      throw KacheryError(.storageFailed, "The message \(message.number) of \(key) in \(connection.path) is damaged.")
    }
    return kept.signature == message.signature
  }

  private func write(_ message: SignedMessage, to key: SubfeedKey) throws(KacheryError) {
    try connection.execute(
      "INSERT INTO subfeedMessages(feedId, subfeedHash, position, message) VALUES(?, ?, ?, ?)",
      key.columns + [.integer(Int64(clamping: message.number)), .text(String(decoding: message.text, as: UTF8.self))])
  }

  /// Most forks of one feed that are kept as proof, and most bytes of those after the first: a user of the feed's
  /// key can create any number.
  private static let keptForks: Int64 = 100
  private static let keptForkBytes: Int64 = 1 << 20

  private func keepApart(_ message: SignedMessage, of key: SubfeedKey) throws(KacheryError) {
    let row = try connection.firstRow(
      "SELECT count(*), coalesce(sum(length(message)), 0) FROM feedForks WHERE feedId = ?", [.text(key.feed.hex)])
    guard let count = row?[0].integer, let bytes = row?[1].integer, count < Self.keptForks,
      count == 0 || bytes + Int64(message.text.count) <= Self.keptForkBytes
    else { return }
    try connection.execute(
      "INSERT OR IGNORE INTO feedForks(feedId, subfeedHash, position, signature, message) VALUES(?, ?, ?, ?, ?)",
      key.columns + [
        .integer(Int64(clamping: message.number)), .text(message.signature.hex),
        .text(String(decoding: message.text, as: UTF8.self)),
      ])
  }
}

extension SubfeedKey {
  var columns: [SQLValue] { [.text(feed.hex), .text(subfeed.hex)] }
}
