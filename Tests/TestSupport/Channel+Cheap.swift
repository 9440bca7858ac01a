import Crypto
package import Discovery
package import Primitives

extension ChannelSecret {
  /// A secret of which many are derived in a moment. Nodes of the product use another cost, so they do not share it.
  package init(name: ByteString) {
    self.init(name: name, cost: Scrypt.Cost(iterations: 2, blockSize: 1, parallelism: 1))
  }
}

extension Channel {
  /// A channel with such a secret.
  package init(
    address: ByteString, membership: Membership, isPublic: Bool = false, offered: RelayedTraffic? = nil
  ) {
    self.init(
      address: address, secret: ChannelSecret(name: address), membership: membership, isPublic: isPublic,
      offered: offered)
  }
}
