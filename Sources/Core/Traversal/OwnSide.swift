package import Primitives
package import Wire

/// What a node says about itself when it asks for a direct connection, and what it knows about the networks around it.
package struct OwnSide: Hashable, Sendable {
  /// Ports that a sequential NAT is expected to choose next.
  package static let predictions: UInt16 = 8
  /// Ports that it has chosen since the node was last seen.
  private static let recentPorts = 6
  private static let maximumLocal = 4
  private static let maximumSeen = 4
  private static let maximumOwnPorts = 2

  /// How its NAT chooses ports.
  package let mapping: MappingKind
  /// Where it may be reached, best first, apart from predicted ports.
  package let candidates: [Candidate]
  /// The networks of its interfaces.
  package let networks: [IPNetwork]
  /// The hosts at which it was seen.
  package let hosts: Set<IPAddress>

  /// A node that may be reached nowhere.
  package init() { self.init(outside: OutsideView(), port: nil, interfaces: [], networks: []) }

  /// - Parameters:
  ///   - port: the port on which the node listens, and from which it dials; nil if it does not listen.
  ///   - interfaces: the addresses of its interfaces.
  package init(outside: OutsideView, port: UInt16?, interfaces: [String], networks: [IPNetwork]) {
    mapping = outside.mapping(of: port)
    self.networks = networks
    let seen = outside.endpoints
    hosts = Set(seen.compactMap { IPAddress($0.host) })
    guard let port else {
      candidates = []
      return
    }
    let own = interfaces.compactMap { IPAddress($0) }
    let local = own.filter { $0.scope == .site }.prefix(Self.maximumLocal)
    let global = own.filter { $0.scope == .global && $0.bytes.count == 16 }.prefix(Self.maximumLocal)
    var candidates = local.compactMap { Candidate(.local, $0, port: port) }
    candidates += global.compactMap { Candidate(.ipv6, $0, port: port) }
    candidates += seen.prefix(Self.maximumSeen).compactMap { Candidate(.seen, at: $0) }
    let ownPorts = seen.compactMap { Endpoint(host: $0.host, port: port) }.filter { !seen.contains($0) }
    for endpoint in ownPorts.prefix(Self.maximumOwnPorts) {
      guard let candidate = Candidate(.ownPort, at: endpoint), !candidates.contains(candidate) else { continue }
      candidates.append(candidate)
    }
    self.candidates = candidates
  }

  /// All candidates, after the ports that a sequential NAT is expected to choose next.
  ///
  /// - Parameter last: where it was seen just now, from a port that was not used before.
  func candidates(after last: Endpoint?) -> [Candidate] {
    guard let last, let address = IPAddress(last.host) else { return candidates }
    let ports = (1...Self.predictions).compactMap { last.port.addingReportingOverflow($0) }
      .filter { !$0.overflow }.map(\.partialValue)
    // The node may have dialed the other one before: the NAT uses the port of that attempt again.
    let seen = candidates.filter { $0.kind == .seen && $0.address == address }.map(\.port)
    let recent = seen.max().map { ($0..<max($0, last.port)).dropFirst().suffix(Self.recentPorts).reversed() } ?? []
    let predicted = (ports + recent).compactMap { Candidate(.predicted, address, port: $0) }
    return Array((predicted + candidates).prefix(WireLimits.candidates))
  }

  /// Whether this is one of the node's own endpoints.
  func owns(_ candidate: Candidate) -> Bool {
    candidates.contains { $0.address == candidate.address && $0.port == candidate.port }
  }
}
