import Primitives
import Wire

/// Chooses which candidates of another node to dial and to probe.
///
/// A node may claim to be anywhere. Its hosts are believed only if the relay of the link, or this node itself, has seen
/// it there, so that it cannot make this node dial others.
struct CandidateFilter: Sendable {
  /// Global IPv6 addresses that are believed without that: a node has several, and relays see one of them.
  static let unseenIPv6 = 2
  /// Ports below this one belong to services of the system, except those of web servers.
  static let firstFreePort: UInt16 = 1_024
  static let webPorts: Set<UInt16> = [Endpoint.httpPort, Endpoint.httpsPort]

  let own: OwnSide
  /// Where the relay, or this node, has seen the other node.
  let seen: Set<Endpoint>
  private let seenHosts: Set<IPAddress>

  init(own: OwnSide, seen: [Endpoint]) {
    self.own = own
    self.seen = Set(seen)
    seenHosts = Set(seen.compactMap { IPAddress($0.host) })
  }

  /// Whether the two nodes seem to be behind the same NAT, or in one network.
  private var isNear: Bool { !own.hosts.isDisjoint(with: seenHosts) }

  /// The candidates that may be dialed, in order, without repetition.
  func admitted(_ candidates: [Candidate]) -> [Candidate] {
    var unseen: Set<IPAddress> = []
    var chosen: [Candidate.Transport: Set<Endpoint>] = [:]
    return candidates.prefix(WireLimits.candidates).filter { candidate in
      guard own.ways.contains(candidate.transport == .tcp ? .tcp : .udp), !own.owns(candidate),
        let endpoint = candidate.endpoint, hasUsablePort(candidate, endpoint)
      else { return false }
      switch candidate.address.scope {
      case .loopback, .unusable: return false
      case .site: guard isLocal(candidate.address) else { return false }
      case .global:
        if !seenHosts.contains(candidate.address) {
          guard candidate.address.bytes.count == 16,
            unseen.contains(candidate.address) || unseen.count < Self.unseenIPv6
          else { return false }
          unseen.insert(candidate.address)
        }
      }
      return chosen[candidate.transport, default: []].insert(endpoint).inserted
    }
  }

  private func hasUsablePort(_ candidate: Candidate, _ endpoint: Endpoint) -> Bool {
    candidate.port >= Self.firstFreePort || Self.webPorts.contains(candidate.port) || seen.contains(endpoint)
  }

  /// An address of a local network leads to the node only from within that network. Elsewhere it may lead to another
  /// one.
  private func isLocal(_ address: IPAddress) -> Bool {
    if own.networks.contains(where: { $0.contains(address) }) || isNear { return true }
    return seenHosts.contains(address) && own.hosts.contains { $0.scope == .site }
  }
}
