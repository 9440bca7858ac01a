/// Stands for a channel in what one node sends on one link, and shows that this node knows the channel.
///
/// Only nodes that know the channel can tell it from random bytes. It is different on each link and for each of the two
/// nodes; see `Discovery.ChannelSecret`.
package struct ChannelProof: FixedBytes {
  /// An HMAC-SHA-256 (RFC 2104).
  package static let byteCount = 32

  package let bytes: [UInt8]

  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }
}
