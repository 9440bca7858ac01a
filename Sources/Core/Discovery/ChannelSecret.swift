import Crypto
package import Primitives
package import Wire

/// The secret shared by a channel's members: its name, or the address of its document. It never leaves the node.
///
/// Two values are derived from it: the topic, which is announced, and the key with which members prove to each other
/// that they know it. Anyone who can guess the name can join, so a name that must keep strangers out has to be hard to
/// guess.
package struct ChannelSecret: Hashable, Sendable {
  /// Announced in place of the channel.
  package let topic: Topic
  private let key: [UInt8]

  /// The secret of the channel with this name or address.
  package init(name: ByteString) {
    topic = Self.topic(of: name)
    key = SHA256Digest.of(Array("kachery channel key 1\0".utf8) + Array(name.utf8))
  }

  private static func topic(of name: ByteString) -> Topic {
    let digest = SHA256Digest.of(Array("kachery channel topic 1\0".utf8) + Array(name.utf8))
    guard let topic = Topic(bytes: digest) else { preconditionFailure("a SHA-256 has as many bytes as a topic") }
    return topic
  }

  /// The proof of membership that `prover` sends on the link with this binding. It covers the prover's ID, so that
  /// neither side can send the other's proof back.
  package func proof(by prover: NodeID, binding: [UInt8]) -> ChannelProof {
    ChannelProof(topic: topic, proof: HMACSHA256.authenticate(binding + prover.bytes + topic.bytes, key: key))
  }

  /// Whether `proof` shows that `prover`, at the other end of the link with this binding, knows this channel.
  package func accepts(_ proof: ChannelProof, from prover: NodeID, binding: [UInt8]) -> Bool {
    let expected = self.proof(by: prover, binding: binding)
    guard proof.topic == topic, proof.proof.count == expected.proof.count else { return false }
    // Compares every byte, so that the time taken does not reveal the position of the first difference.
    return zip(proof.proof, expected.proof).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
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
