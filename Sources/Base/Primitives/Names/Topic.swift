/// Identifies a channel without its name: derived from the name so slowly that guessing names takes long.
///
/// Only bootstrap nodes, which belong to no channel and have to know which nodes belong together, are told a topic, and
/// members read it in the records that bootstrap nodes pass on. On each link to another node, a `ChannelProof` stands
/// for the channel instead.
package struct Topic: FixedBytes {
  /// Half of what is derived from a channel's name; see `Discovery.ChannelSecret`.
  package static let byteCount = 32

  package let bytes: [UInt8]

  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }
}
