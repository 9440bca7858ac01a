package import Primitives

/// States that the sender relays for the members of a channel: between those that are linked to it.
package struct RelayOffer: Hashable, Sendable {
  /// The sender's proof for the channel.
  package let channel: ChannelProof
  /// Whether it passes on files as well; otherwise messages only, which it does at a low rate.
  package let includesData: Bool

  package init(channel: ChannelProof, includesData: Bool) {
    self.channel = channel
    self.includesData = includesData
  }
}

extension ByteWriter {
  mutating func write(_ offer: RelayOffer) {
    fixed(offer.channel)
    flag(offer.includesData)
  }
}

extension ByteReader {
  mutating func relayOffers() throws(ByteReaderError) -> [RelayOffer] {
    try list(limit: WireLimits.channels) { (reader) throws(ByteReaderError) in
      RelayOffer(channel: try reader.fixed(), includesData: try reader.flag())
    }
  }
}
