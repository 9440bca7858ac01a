package import Primitives

/// From where a link comes. Identities cost nothing, so what strangers may take is counted by their origins.
package enum PeerOrigin: Hashable, Sendable {
  /// An address, or the network of an end site.
  case endSite([UInt8])
  /// A relay, whose own limits bound each node behind it.
  case relay(NodeID)
  /// The other end has no address.
  case unknown

  /// The origin of a link whose other end has this address.
  package init(_ remote: Address?) {
    switch remote {
    case nil: self = .unknown
    case .relay(let relay): self = .relay(relay)
    case .tcp(let endpoint), .quic(let endpoint), .webSocket(let endpoint), .secureWebSocket(let endpoint):
      self = IPAddress(endpoint.host).map { .endSite($0.endSite) } ?? .unknown
    }
  }
}
