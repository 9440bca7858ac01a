package import Crypto
package import Primitives

/// What both ends of a transfer derive from its code.
package struct TransferSecret: Sendable {
  /// The same for all transfers, because the words are all that both ends know.
  private static let salt = Array("kachery transfer 1".utf8)
  /// 32 MiB for each guess, before the derivation of the channel's secret, which costs a guess 16 MiB more.
  private static let cost = Scrypt.Cost(iterations: 1 << 15, blockSize: 8, parallelism: 1)

  /// The name of the channel in which the two nodes meet.
  package let channel: ByteString
  /// The key of the feed in which the sender offers files and receivers answer.
  package let key: SigningKey
  /// Names the transfer in the receiver's folder. Says nothing about the words.
  package let tag: String

  /// Takes about as long as a login: a tenth of a second.
  package init(_ code: TransferCode) throws(KacheryError) {
    let bytes = Scrypt.derive(56, from: Array(code.phrase.utf8), salt: Self.salt, cost: Self.cost)
    channel = ByteString("transfer-\(Hex.encode(bytes[0..<16]))")
    tag = Hex.encode(bytes[16..<24])
    key = try SigningKey(seed: Array(bytes[24..<56]))
  }

  package var feed: FeedID { FeedID(key: key.publicKey) }

  /// Where the sender says what it offers.
  package var offers: SubfeedKey { SubfeedKey(feed, SubfeedHash(ContentHash.of(Array("offers".utf8)))) }

  /// Where receivers say what they have.
  package var answers: SubfeedKey { SubfeedKey(feed, SubfeedHash(ContentHash.of(Array("answers".utf8)))) }
}
