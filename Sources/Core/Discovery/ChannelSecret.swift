package import Crypto
package import Primitives

/// What is derived from a channel's name, or from the address of its document. Neither leaves the node.
///
/// A node names the topic to bootstrap nodes. With the key, members prove to each other that they know the channel.
/// Anyone who can guess the name can join, so a name that must keep strangers out has to be hard to guess; the derivation
/// is slow to make guessing expensive.
package struct ChannelSecret: Hashable, Sendable {
  /// 16 MiB and at least 10 ms of a core for each guess, 77 ms on a server of 2019. All nodes must use the same.
  package static let cost = Scrypt.Cost(iterations: 1 << 14, blockSize: 8, parallelism: 1)
  /// The same for all channels, because only the name is known to all members.
  private static let salt = Array("kachery channel 2".utf8)
  /// Bytes of a topic and of a key.
  package static let byteCount = 2 * Topic.byteCount

  /// Names the channel to bootstrap nodes.
  package let topic: Topic
  private let key: [UInt8]

  /// Derives the secret of the channel with this name or address. Takes as long as `cost` demands.
  package init(name: ByteString, cost: Scrypt.Cost) {
    let derived = Scrypt.derive(Self.byteCount, from: Array(name.utf8), salt: Self.salt, cost: cost)
    guard let secret = ChannelSecret(bytes: derived) else { preconditionFailure("scrypt derives what is asked for") }
    self = secret
  }

  /// The secret that was derived earlier; nil unless there are `byteCount` bytes.
  package init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount, let topic = Topic(bytes: bytes.prefix(Topic.byteCount)) else { return nil }
    self.topic = topic
    key = Array(bytes.suffix(Topic.byteCount))
  }

  /// The topic and the key.
  package var bytes: [UInt8] { topic.bytes + key }

  /// The proof of membership that `prover` sends on the link with this binding. It covers the prover's ID, so that
  /// neither side can send the other's proof back.
  package func proof(by prover: NodeID, binding: [UInt8]) -> ChannelProof {
    let code = HMACSHA256.authenticate(Array("kachery channel proof 2".utf8) + binding + prover.bytes, key: key)
    guard let proof = ChannelProof(bytes: code) else { preconditionFailure("a proof is as long as an HMAC") }
    return proof
  }

  /// The tag by which this channel's members recognize an announcement in a local network, or an answer to one. Other
  /// nodes cannot tell it from random bytes.
  ///
  /// - Parameter random: the random bytes of the announcement; for an answer, followed by those of the answer.
  func localTag(over random: [UInt8]) -> UInt64 {
    // Neither input has the length of a proof's, so that none of the three can stand for another.
    let code = HMACSHA256.authenticate(Array("kachery lan 1".utf8) + random, key: key)
    return code.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }
}
