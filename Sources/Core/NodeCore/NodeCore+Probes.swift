package import Primitives
import Traversal
import Wire

/// Datagrams on the socket of QUIC that belong to no connection: they show where this node, and others, can be reached.
extension NodeCore {
  /// A datagram that begins like a probe has arrived, sent by anyone.
  ///
  /// - Parameter source: the port of the further socket at which it has arrived; nil for the one that accepts QUIC.
  package mutating func receivedProbe(
    _ bytes: [UInt8], from sender: Endpoint, on source: UInt16? = nil, at now: Timestamps
  ) {
    guard let probe = Probe(bytes) else { return }
    switch probe.kind {
    case .observe:
      let answer = observationAnswers.answer(probe, bytes, from: sender, as: node, at: now.instant)
      if let answer { emit(.link(.probe(answer))) }
    case .observed: perform(udpObservers.received(probe, bytes, at: now.instant), at: now)
    case .probe, .answer, .confirmation: receivedOfRound(probe, bytes, from: sender, at: source, now: now)
    }
  }

  /// Whether this node tells others from where their datagrams come.
  var answersObservations: Bool { configuration.isBootstrap && introductions.quicPort != nil }

  /// A link to the node has come or gone: a bootstrap node is asked from where this node's datagrams come as long as it
  /// is linked directly.
  mutating func reviewObserver(_ other: NodeID, at now: Timestamps) {
    let isUseful = configuration.punches && introductions.quicPort != nil
    let links = isUseful ? peers.activeLinks(to: other).compactMap { peers[$0] } : []
    let usable = links.compactMap { peer in place(ofObserver: peer).map { (peer: peer, place: $0) } }
    let current = udpObservers.link(of: other)
    guard !usable.contains(where: { $0.peer.link == current }) else { return }
    if let (peer, place) = usable.first {
      udpObservers.add(other, by: peer.link, binding: peer.facts.binding, at: place, now: now.instant)
      return wakeObservers(at: now)
    }
    guard current != nil else { return }
    udpObservers.remove(other)
    introductions.forgetDatagrams(by: other)
    updateOwnSide(at: now)
  }

  /// Where the bootstrap node at the other end of a link receives datagrams: at the host that answers there.
  private func place(ofObserver peer: Peer) -> Endpoint? {
    guard peer.isBootstrap, peer.has(Hello.observes), peer.facts.dial != nil, peer.facts.path.showsAddresses,
      let remote = peer.facts.remote
    else { return nil }
    if let endpoint = remote.quicEndpoint { return endpoint }
    let offered = (peer.hello?.addresses ?? []).compactMap(\.quicEndpoint)
    guard let host = remote.tcpEndpoint?.host, IPAddress(host) != nil,
      let port = (offered.first { $0.host == host } ?? offered.first)?.port
    else { return nil }
    return Endpoint(host: host, port: port)
  }

  mutating func wakeObservers(at now: Timestamps) { perform(udpObservers.wake(at: now.instant), at: now) }

  private mutating func perform(_ actions: [UDPObservers.Action], at now: Timestamps) {
    for action in actions {
      switch action {
      case .send(let datagram): emit(.link(.probe(datagram)))
      case .seen(let endpoint, let observer):
        if introductions.recordDatagrams(from: endpoint, by: observer) { updateOwnSide(at: now) }
      case .unseen(let observer):
        introductions.forgetDatagrams(by: observer)
        updateOwnSide(at: now)
      }
    }
  }
}
