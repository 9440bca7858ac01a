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
  /// Most candidates for UDP; the rest are for TCP.
  static let maximumUDP = 6
  private static let maximumFurtherUDP = 2

  /// What a node knows about its datagrams.
  package struct Datagrams: Hashable, Sendable {
    let outside: OutsideView
    let port: UInt16
    let isBlocked: Bool
    let mapped: Endpoint?
    let guessesPorts: Bool

    /// - Parameters:
    ///   - outside: where bootstrap nodes see them come from.
    ///   - port: the port from which they are sent.
    ///   - isBlocked: whether no bootstrap node that was asked has answered.
    ///   - mapped: where the router leads to them; nil if it does not.
    ///   - guessesPorts: whether it takes part in guessing ports.
    package init(
      outside: OutsideView, port: UInt16, isBlocked: Bool, mapped: Endpoint? = nil, guessesPorts: Bool = false
    ) {
      self.mapped = mapped
      self.guessesPorts = guessesPorts
      self.outside = outside
      self.port = port
      self.isBlocked = isBlocked
    }
  }

  /// How its NAT chooses ports for TCP, and for UDP.
  package let mapping: MappingKind
  package let udpMapping: MappingKind
  /// The ways by which it is prepared to connect.
  let ways: PunchWays
  /// Where it may be reached over TCP, best first, apart from predicted ports, and over UDP.
  private let tcp: [Candidate]
  private let udp: [Candidate]
  /// The networks of its interfaces.
  package let networks: [IPNetwork]
  /// The hosts at which it was seen.
  package let hosts: Set<IPAddress>

  /// A node that may be reached nowhere.
  package init() { self.init(outside: OutsideView(), port: nil, interfaces: [], networks: []) }

  /// - Parameters:
  ///   - port: the port on which the node listens, and from which it dials; nil if it does not listen.
  ///   - interfaces: the addresses of its interfaces.
  ///   - datagrams: what it knows about UDP; nil if it does not use that.
  package init(
    outside: OutsideView, port: UInt16?, interfaces: [String], networks: [IPNetwork], datagrams: Datagrams? = nil
  ) {
    self.networks = networks
    mapping = outside.mapping(of: port)
    let seen = outside.endpoints
    hosts = Set((seen + (datagrams?.outside.endpoints ?? [])).compactMap { IPAddress($0.host) })
    let own = interfaces.compactMap { IPAddress($0) }
    let local = own.filter { $0.scope == .site }.prefix(Self.maximumLocal)
    let global = own.filter { $0.scope == .global && $0.bytes.count == 16 }.prefix(Self.maximumLocal)
    tcp = port.map { Self.candidates(seen, port: $0, local: local, global: global) } ?? []
    guard let datagrams, !datagrams.isBlocked else {
      (udpMapping, ways, udp) = (datagrams == nil ? .unknown : .none, .tcp, [])
      return
    }
    udpMapping = datagrams.outside.mapping(of: datagrams.port)
    ways = datagrams.guessesPorts ? [.tcp, .udp, .guessing] : [.tcp, .udp]
    // Without an observer, the hosts are those of TCP.
    let seenUDP = datagrams.outside.endpoints.isEmpty ? [] : Array(datagrams.outside.endpoints.prefix(2))
    let guessed = seen.compactMap { Endpoint(host: $0.host, port: datagrams.port) }.filter { !seenUDP.contains($0) }
    let few = (local: local.prefix(Self.maximumFurtherUDP), global: global.prefix(1))
    let mapped = datagrams.mapped.flatMap { Candidate(.mapped, at: $0, over: .udp) }
    udp = Array(
      ([mapped].compactMap { $0 } + seenUDP.compactMap { Candidate(.seen, at: $0, over: .udp) }
        + few.local.compactMap { Candidate(.local, over: .udp, $0, port: datagrams.port) }
        + few.global.compactMap { Candidate(.ipv6, over: .udp, $0, port: datagrams.port) }
        + guessed.prefix(1).compactMap { Candidate(.ownPort, at: $0, over: .udp) }).prefix(Self.maximumUDP))
  }

  private static func candidates(
    _ seen: [Endpoint], port: UInt16, local: ArraySlice<IPAddress>, global: ArraySlice<IPAddress>
  ) -> [Candidate] {
    var candidates = local.compactMap { Candidate(.local, $0, port: port) }
    candidates += global.compactMap { Candidate(.ipv6, $0, port: port) }
    candidates += seen.prefix(maximumSeen).compactMap { Candidate(.seen, at: $0) }
    let ownPorts = seen.compactMap { Endpoint(host: $0.host, port: port) }.filter { !seen.contains($0) }
    for endpoint in ownPorts.prefix(maximumOwnPorts) {
      guard let candidate = Candidate(.ownPort, at: endpoint), !candidates.contains(candidate) else { continue }
      candidates.append(candidate)
    }
    return candidates
  }

  /// Where it may be reached, apart from predicted ports.
  package var candidates: [Candidate] { fitting(tcp) }

  private func fitting(_ tcp: [Candidate]) -> [Candidate] { tcp.prefix(WireLimits.candidates - udp.count) + udp }

  /// All candidates, after the ports that a sequential NAT is expected to choose next.
  ///
  /// - Parameter last: where it was seen just now, from a port that was not used before.
  func candidates(after last: Endpoint?) -> [Candidate] {
    guard let last, let address = IPAddress(last.host) else { return candidates }
    let ports = (1...Self.predictions).compactMap { last.port.addingReportingOverflow($0) }
      .filter { !$0.overflow }.map(\.partialValue)
    // The node may have dialed the other one before: the NAT uses the port of that attempt again.
    let seen = tcp.filter { $0.kind == .seen && $0.address == address }.map(\.port)
    let recent = seen.max().map { ($0..<max($0, last.port)).dropFirst().suffix(Self.recentPorts).reversed() } ?? []
    let predicted = (ports + recent).compactMap { Candidate(.predicted, address, port: $0) }
    return fitting(predicted + tcp)
  }

  /// Whether this is one of the node's own endpoints.
  func owns(_ candidate: Candidate) -> Bool {
    (tcp + udp).contains { $0.address == candidate.address && $0.port == candidate.port }
  }
}
