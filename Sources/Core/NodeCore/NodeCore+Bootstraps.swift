import Discovery
import Primitives
import Wire

/// Where bootstrap nodes are dialed: a network may let connections out to few ports only.
extension NodeCore {
  /// Most further ports of a bootstrap node that are dialed.
  static let maximumBootstrapPorts = 4

  /// The places at which to dial a bootstrap node, the given one first. The others get their turn while it does not
  /// answer: port 443 of the same host, then the ports on which the node has said that it listens.
  ///
  /// If only a WebSocket is configured there, nothing else is dialed: a web server listens at the port, and others may be
  /// closed.
  func places(ofBootstrap endpoint: Endpoint) -> [Address] {
    let webSockets = webSocketBootstraps.filter { $0.webSocketEndpoint == endpoint }
    let isForTCP =
      webSockets.isEmpty || configuration.bootstraps.contains(endpoint)
      || membership.inOrder.contains { $0.bootstrapAddresses.contains(endpoint) }
    return (isForTCP ? tcpPlaces(ofBootstrap: endpoint) : []) + webSockets
  }

  /// The bootstrap nodes at WebSockets: those of the configuration, and those that were named with a channel.
  var webSocketBootstraps: [Address] {
    var addresses = configuration.webSocketBootstraps
    for address in membership.inOrder.flatMap(\.namedBootstraps)
    where address.webSocketEndpoint != nil && !addresses.contains(address) {
      addresses.append(address)
    }
    return addresses
  }

  private func tcpPlaces(ofBootstrap endpoint: Endpoint) -> [Address] {
    let ports = [Endpoint.httpsPort] + introductions.bootstrapPorts(at: endpoint)
    var places = [Address.tcp(endpoint)]
    let own = introductions.ownAddresses
    for place in ports.compactMap({ Endpoint(host: endpoint.host, port: $0) }).map({ Address.tcp($0) })
    where !places.contains(place) && !own.contains(place) {
      places.append(place)
    }
    return places
  }

  /// A node at a bootstrap address has said where it listens.
  mutating func recordBootstrapPorts(of node: NodeID, _ hello: Hello, at now: Timestamps) {
    var ports: [UInt16] = []
    for port in hello.addresses.compactMap(\.tcpEndpoint?.port) where !ports.contains(port) { ports.append(port) }
    for endpoint in introductions.bootstrapAddresses(of: node) {
      let others = ports.filter { $0 != endpoint.port && $0 != Endpoint.httpsPort }
      introductions.recordBootstrapPorts(Array(others.prefix(Self.maximumBootstrapPorts)), at: endpoint)
      guard dials.wants(.bootstrap(endpoint)) else { continue }
      dials.want(.bootstrap(endpoint), at: places(ofBootstrap: endpoint), now: now.instant)
    }
  }

  /// Dials the bootstrap addresses that are not linked again immediately: a node there may have refused this one because
  /// of its channels.
  mutating func forgetFailedBootstraps() {
    for target in dials.wanted where dials.failures(of: target) > 0 {
      guard case .bootstrap(let endpoint) = target,
        !(introductions.bootstrapNode(at: endpoint).map { peers.isLinked($0) } ?? false)
      else { continue }
      perform(dials.forget(target))
    }
  }

  /// The way by which this node dials has changed: whatever could not be reached is dialed again immediately.
  package mutating func dialingChanged(at now: Timestamps) {
    for target in dials.wanted where dials.problem(with: target) != nil { perform(dials.forget(target)) }
    updateTargets(at: now)
    runDials(now)
  }
}
