import Crypto
package import Primitives
package import Wire

/// What members of a channel share: its name, or the address of its document. It never leaves the node.
///
/// From it follow the topic, which is announced, and the key with which members prove to each other that they know it.
/// Whoever can guess a name can join it, so a name that must keep strangers out has to be hard to guess.
package struct ChannelSecret: Hashable, Sendable {
  /// What the node announces in the channel's place.
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

  /// The proof of membership that `prover` sends on the link with this binding. The prover's ID stands in it, so that
  /// neither side can send the other's proof back.
  package func proof(by prover: NodeID, binding: [UInt8]) -> ChannelProof {
    ChannelProof(topic: topic, proof: HMACSHA256.authenticate(binding + prover.bytes + topic.bytes, key: key))
  }

  /// Whether `proof` shows that `prover`, the other end of the link with this binding, knows this channel.
  package func accepts(_ proof: ChannelProof, from prover: NodeID, binding: [UInt8]) -> Bool {
    let expected = self.proof(by: prover, binding: binding)
    guard proof.topic == topic, proof.proof.count == expected.proof.count else { return false }
    // Every byte is compared, so that the time taken does not tell where the first difference is.
    return zip(proof.proof, expected.proof).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
