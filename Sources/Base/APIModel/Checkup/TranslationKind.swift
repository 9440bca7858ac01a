import Primitives

/// How the routers between a node and others translate its connections or datagrams, according to bootstrap nodes.
package enum TranslationKind: String, Sendable, CaseIterable {
  /// No bootstrap node outside the node's own networks has seen it.
  case unknown
  /// Bootstrap nodes see an address of the machine itself.
  case none
  /// One bootstrap node sees another address but the same port. A second one must tell whether that holds for all.
  case portKeptForOne
  /// One bootstrap node sees another address and another port.
  case portChangedForOne
  /// Every bootstrap node sees the port at which the node listens.
  case portKept
  /// Every bootstrap node sees the same other port.
  case independent
  /// Bootstrap nodes see different ports: the router chooses one for each destination.
  case perDestination

  /// What it means, for people.
  package var text: String {
    switch self {
    case .unknown: "No bootstrap node outside this node's own networks has seen it yet."
    case .none: "No router translates its addresses."
    case .portKeptForOne:
      "A router translates its address and keeps the port for this bootstrap node. A second bootstrap node is needed to "
        + "know whether it does so for every destination."
    case .portChangedForOne:
      "A router translates its address and its port. A second bootstrap node is needed to know whether every destination "
        + "sees the same port."
    case .portKept: "A router translates its address and keeps the port for every destination."
    case .independent: "A router translates its address and port, in the same way for every destination."
    case .perDestination: "A router chooses another port for each destination."
    }
  }
}

extension Checkup.Outside {
  /// What the views of TCP together show.
  package var nat: TranslationKind { nat(of: views, from: port) }

  /// What those of UDP show; nil if there are none.
  package var udpNAT: TranslationKind? {
    datagrams.flatMap { $0.views.isEmpty ? nil : nat(of: $0.views, from: $0.port) }
  }

  /// IPv4 counts if there is any, because IPv6 is rarely translated.
  private func nat(of views: [View], from port: UInt16) -> TranslationKind {
    let global = views.map(\.endpoint).filter { IPAddress($0.host)?.scope == .global }
    let old = global.filter { IPAddress($0.host)?.bytes.count == 4 }
    let seen = old.isEmpty ? global : old
    guard let first = seen.first else { return .unknown }
    let own = Set(hosts.compactMap { IPAddress($0) })
    if seen.contains(where: { endpoint in IPAddress(endpoint.host).map { own.contains($0) } ?? false }) { return .none }
    guard seen.count > 1 else { return first.port == port ? .portKeptForOne : .portChangedForOne }
    guard seen.allSatisfy({ $0.port == first.port }) else { return .perDestination }
    return first.port == port ? .portKept : .independent
  }
}
