/// A feed's global identity: the Ed25519 public key that verifies its messages.
package struct FeedID: FixedBytes {
  /// An Ed25519 public key has 32 bytes (RFC 8032, section 5.1.5).
  package static let byteCount = 32

  package let bytes: [UInt8]

  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }

  /// The feed that this key signs.
  package init(key: NodeID) { bytes = key.bytes }

  /// The first eight digits, enough to distinguish feeds in a log.
  package var short: String { String(hex.prefix(8)) }
}

extension NodeID {
  /// The key that signs this feed.
  package init(_ feed: FeedID) { bytes = feed.bytes }
}

/// A subfeed's identity within its feed: the SHA-1 of its name.
package struct SubfeedHash: FixedBytes {
  /// A SHA-1 has 20 bytes (FIPS 180-4).
  package static let byteCount = 20

  package let bytes: [UInt8]

  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }
}

extension SubfeedHash {
  /// The subfeed whose name has this hash.
  package init(_ hash: ContentHash) { bytes = hash.bytes }
}

/// One log of messages: a subfeed of a feed.
package struct SubfeedKey: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let feed: FeedID
  package let subfeed: SubfeedHash

  package init(_ feed: FeedID, _ subfeed: SubfeedHash) {
    self.feed = feed
    self.subfeed = subfeed
  }

  /// The URI, which every command and client accepts.
  package var description: String { "feed://\(feed)/~\(subfeed)" }

  /// By feed, then by subfeed.
  package static func < (left: Self, right: Self) -> Bool {
    left.feed == right.feed ? left.subfeed < right.subfeed : left.feed < right.feed
  }
}
