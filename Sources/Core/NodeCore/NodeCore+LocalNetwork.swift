package import Discovery
import Primitives

/// Nodes in the local networks, which announce themselves: no other node has to introduce them.
extension NodeCore {
  /// Most concurrent attempts to reach nodes that have announced themselves. They leave most of the schedule's attempts to
  /// nodes that are known, even if every announcement is forged.
  static let maximumNearbyDials = 16

  /// Sets the places from which this node announces itself in the networks around it; none if its owner does not want
  /// that.
  package mutating func setAnnouncementPlaces(_ places: Set<LocalPlace>, at now: Timestamps) {
    announcer.setPlaces(places, at: now.instant)
    runAnnouncer(at: now)
  }

  /// A datagram has arrived in a local network, sent by any program there.
  package mutating func received(_ datagram: [UInt8], from source: LocalSource, at now: Timestamps) {
    perform(announcer.received(datagram, from: source, at: now.instant), at: now)
  }

  mutating func runAnnouncer(at now: Timestamps) { perform(announcer.wake(at: now.instant), at: now) }

  private mutating func perform(_ actions: [LocalAnnouncer.Action], at now: Timestamps) {
    for action in actions {
      switch action {
      case .announce(let datagram): emit(.local(.announce(datagram)))
      case .answer(let datagram, let source): emit(.local(.answer(datagram, to: source)))
      case .dial(let endpoint): dialNearby(endpoint, at: now)
      }
    }
  }

  private mutating func dialNearby(_ endpoint: Endpoint, at now: Timestamps) {
    guard peers.count < Self.maximumDialedMembers, dials.countDialedOnce < Self.maximumNearbyDials,
      !isLinked(at: endpoint)
    else { return }
    dials.want(.nearby(endpoint), at: [.tcp(endpoint)], now: now.instant)
    runDials(now)
  }

  /// Whether there is a link to the node that listens at this address, as far as is known.
  private func isLinked(at endpoint: Endpoint) -> Bool {
    if let node = introductions.nearbyNode(at: endpoint),
      peers.links(to: node).contains(where: { peers[$0]?.isHeard ?? false })
    {
      return true
    }
    // The address of a link has no zone.
    let host = ByteString(endpoint.host.cut(at: "%").head)
    return peers.contains { peer in
      guard peer.isHeard, let remote = peer.facts.remote?.tcpEndpoint, ByteString(remote.host) == host else {
        return false
      }
      // The port of an accepted link is not the one on which its dialer listens.
      let ports = peer.facts.dial == nil ? peer.hello?.addresses.compactMap(\.tcpEndpoint?.port) ?? [] : [remote.port]
      return ports.contains(endpoint.port)
    }
  }
}

extension Peer {
  /// Whether its link leads to it directly and is up, as far as is known.
  fileprivate var isHeard: Bool { !isClosing && !isSilent && facts.path != .relayed }
}
