package import Discovery
package import Primitives

/// The kind of path by which a link came up, better kinds first. The API shows the names.
package enum PathKind: String, Sendable, CaseIterable {
  /// Within one network.
  case lan
  /// To an address of the other end, over the internet.
  case direct
  /// Directly, between two nodes that dialed each other at the same moment: as good as `direct`.
  case punched
  /// To an address of the other end, by a connection that an HTTP proxy has opened.
  case proxied
  /// Within a WebSocket, which may lead through a server in front of the other end.
  case webSocket
  /// Through another node.
  case relayed

  /// Whether the two ends see each other's own addresses.
  var showsAddresses: Bool { self == .lan || self == .direct || self == .punched }

  /// The kind of a path to this address.
  init(to remote: Address?) {
    switch remote {
    case nil: self = .direct
    case .relay: self = .relayed
    case .tcp(let endpoint), .quic(let endpoint), .webSocket(let endpoint), .secureWebSocket(let endpoint):
      let scope = IPAddress(endpoint.host)?.scope ?? .global
      self = scope == .global ? .direct : .lan
    }
  }

  /// Smaller for better kinds, and the same for kinds that are equally good.
  package var rank: Int {
    switch self {
    case .lan: 1
    case .direct, .punched: 2
    case .proxied: 3
    case .webSocket: 4
    case .relayed: 5
    }
  }
}

/// The facts about a link when it opens.
package struct LinkFacts: Hashable, Sendable {
  /// The node at the other end, proved by the handshake.
  package let peer: NodeID
  /// The attempt that led to it; nil if the other side dialed.
  package let dial: DialID?
  /// Bytes that only the two ends of this link can derive.
  package let binding: [UInt8]
  /// The address of the other end, as seen from here.
  package let remote: Address?
  /// How it came up.
  package let path: PathKind
  /// With whom the other end shares what strangers may take.
  package var origin: PeerOrigin { PeerOrigin(remote) }
  /// Whether it is one of QUIC.
  package var isQUIC: Bool { if case .quic = remote { true } else { false } }
  /// Where the relay sees the other end; empty if the link is not relayed, or the relay does not say.
  package let seenAt: [Endpoint]

  package init(
    peer: NodeID, dial: DialID?, binding: [UInt8], remote: Address?, path: PathKind? = nil, seenAt: [Endpoint] = []
  ) {
    self.peer = peer
    self.dial = dial
    self.binding = binding
    self.remote = remote
    self.path = path ?? PathKind(to: remote)
    self.seenAt = seenAt
  }
}

/// What is measured on a link.
package struct LinkMeasurement: Hashable, Sendable {
  /// The shortest of the last round trips; nil if no ping has been answered.
  package let roundTrip: Duration?
  /// Whether it carries neither files nor parts of them.
  package let isIdle: Bool
  /// The bytes that it has carried, in both directions.
  package let carried: UInt64

  package init(roundTrip: Duration?, isIdle: Bool, carried: UInt64 = 0) {
    self.roundTrip = roundTrip
    self.isIdle = isIdle
    self.carried = carried
  }

  /// From here on, a link has carried enough to look for a better one with all means.
  private static let muchCarried: UInt64 = 16 << 20

  /// Whether a file waits, or much was carried.
  var showsWork: Bool { !isIdle || carried >= Self.muchCarried }
}
