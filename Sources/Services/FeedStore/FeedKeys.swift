import Crypto
import Primitives

/// The keys and names of the feeds that this node writes, stored among the mutables as earlier software did.
struct FeedKeys: Sendable {
  let mutables: MutableTable

  private static func config(_ feed: FeedID) -> JSONValue { ["type": "feedConfig", "feedId": .string(feed.hex)] }

  private static func name(_ name: String) -> JSONValue { ["type": "feedIdForName", "feedName": .string(name)] }

  /// The key that signs a feed; nil if another node writes it.
  ///
  /// - Throws: `badKey` if the stored key is not that feed's.
  func key(of feed: FeedID) throws(KacheryError) -> SigningKey? {
    guard let config = try mutables.get(Self.config(feed)) else { return nil }
    guard let seed = config["privateKey"]?.string.flatMap({ Hex.decode($0) }),
      let key = try? SigningKey(seed: seed), FeedID(key: key.publicKey) == feed
    else {
      throw KacheryError(
        .badKey, "The private key stored in mutables.db for the feed \(feed) is not that feed's key; restore it.")
    }
    return key
  }

  func keep(_ key: SigningKey, named name: String?) throws(KacheryError) -> FeedID {
    let feed = FeedID(key: key.publicKey)
    let config: JSONValue = ["feedId": .string(feed.hex), "privateKey": .string(Hex.encode(key.seed))]
    try mutables.set(Self.config(feed), config)
    if let name { try mutables.set(Self.name(name), .string(feed.hex)) }
    return feed
  }

  /// - Throws: `storageFailed` if something other than a feed's ID is stored: taken for none, it would be replaced by a
  ///   new feed.
  func feed(named name: String) throws(KacheryError) -> FeedID? {
    guard let value = try mutables.get(Self.name(name)), !value.isNull, value != "" else { return nil }
    guard let feed = value.string.flatMap({ FeedID(hex: $0) }) else {
      throw KacheryError(
        .storageFailed, "What mutables.db stores for the feed named '\(name)' is not a feed's ID; restore it.")
    }
    return feed
  }

  /// The names of each feed. A name given to several feeds belongs to the last.
  func names() throws(KacheryError) -> [FeedID: [String]] {
    var names: [FeedID: [String]] = [:]
    for (key, value) in try mutables.all(ofType: "feedIdForName") {
      guard let name = key["feedName"]?.string, let feed = value.string.flatMap({ FeedID(hex: $0) }) else { continue }
      names[feed, default: []].append(name)
    }
    return names
  }

  /// The feeds that this node writes.
  func writeable() throws(KacheryError) -> Set<FeedID> {
    Set(try mutables.all(ofType: "feedConfig").compactMap { $0.key["feedId"]?.string.flatMap { FeedID(hex: $0) } })
  }

  /// Removes the key and all names of a feed.
  func remove(_ feed: FeedID) throws(KacheryError) {
    for name in try names()[feed] ?? [] { try mutables.delete(Self.name(name)) }
    try mutables.delete(Self.config(feed))
  }
}
