/// Identifies a channel without its name: derived from the name so slowly that guessing names takes long.
///
/// A node names its topics only to bootstrap nodes: they belong to no channel, but have to know which nodes belong
/// together. Members read a topic in the records that bootstrap nodes pass on. On every other link, a `ChannelProof`
/// stands for the channel.
package struct Topic: FixedBytes {
  /// Half of what is derived from a channel's name; see `Discovery.ChannelSecret`.
  package static let byteCount = 32

  package let bytes: [UInt8]

  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }
}
