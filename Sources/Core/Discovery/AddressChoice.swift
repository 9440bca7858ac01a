package import Primitives

/// Chooses which addresses of a node to dial, and in which order.
///
/// A record may name any address, but must not make this node dial services of its own machine or of the networks around
/// it. A local address is dialed only if the node is probably near: it was seen at the same outside host, or the address
/// is in a network of this node, or this node itself was seen, or is announced, at an address of that kind.
package struct AddressChoice: Sendable {
  private let outside: Set<ByteString>
  private let scopes: Set<IPAddress.Scope>
  private let networks: [IPNetwork]
  private let own: Set<Address>
  private let usesQUIC: Bool

  /// - Parameters:
  ///   - outside: the hosts at which this node was seen, or that its owner announces.
  ///   - networks: the networks of this node's interfaces.
  ///   - own: this node's own addresses, which are not dialed.
  ///   - usesQUIC: whether it dials addresses of QUIC.
  package init(outside: [String], networks: [IPNetwork], own: Set<Address>, usesQUIC: Bool = false) {
    self.usesQUIC = usesQUIC
    self.outside = Set(outside.map { ByteString($0) })
    self.networks = networks
    self.own = own
    scopes = Set(outside.map(Self.scope))
  }

  /// The addresses to dial, most likely first. Relays come second: a node that answers at its most likely address does so
  /// before they are tried, and others are reached through them without waiting for all that fails.
  package func addresses(_ all: [Address], relays: [NodeID]) -> [Address] {
    let own = addresses(all)
    return own.prefix(1) + relays.map { .relay($0) } + own.dropFirst()
  }

  /// The addresses of the node itself to dial, most likely first; those of QUIC after those of TCP, if this node uses
  /// them.
  package func addresses(_ all: [Address]) -> [Address] {
    ranked(all, \.tcpEndpoint) + (usesQUIC ? quicAddresses(all) : [])
  }

  /// The addresses of QUIC among them, most likely first.
  package func quicAddresses(_ all: [Address]) -> [Address] {
    ranked(all.filter { $0.quicEndpoint.map { IPAddress($0.host) != nil } ?? false }, \.quicEndpoint)
  }

  private func ranked(_ all: [Address], _ endpoint: (Address) -> Endpoint?) -> [Address] {
    let hosts = all.compactMap { endpoint($0)?.host }
    let isNear = hosts.contains { outside.contains(ByteString($0)) && Self.scope($0) == .global }
    let ranked = all.compactMap { address -> (rank: Int, address: Address)? in
      guard !own.contains(address), let host = endpoint(address)?.host else { return nil }
      return rank(of: host, isNear: isNear).map { ($0, address) }
    }
    return (0...4).flatMap { rank in ranked.filter { $0.rank == rank }.map(\.address) }
  }

  /// The smallest is dialed first; nil if the host must not be dialed.
  private func rank(of host: String, isNear: Bool) -> Int? {
    let isOurs = IPAddress(host).map { address in networks.contains { $0.contains(address) } } ?? false
    switch Self.scope(host) {
    case .loopback: return scopes.contains(.loopback) ? 0 : nil
    case .site where isNear: return isOurs ? 1 : 2
    // Elsewhere there may be a network with the same addresses as one of ours.
    case .site: return isOurs || scopes.contains(.site) ? 4 : nil
    case .global: return isNear && isOurs ? 1 : 3
    case .unusable: return nil
    }
  }

  /// A name counts as global: only a resolver knows where it leads.
  private static func scope(_ host: String) -> IPAddress.Scope {
    if let address = IPAddress(host) { return address.scope }
    // Resolvers take `127.1` and `0x7f000001` for addresses as well.
    let name = (host.removing(suffix: ".") ?? host[...]).lowercased()
    let last = name.parts(separatedBy: ".").last ?? ""
    let isNumber = last.utf8.allSatisfy { (0x30...0x39).contains($0) } || last.begins(with: "0x")
    guard !isNumber, !name.contains(bytesOf: ":") else { return .unusable }
    return ".\(name)".ends(with: ".localhost") ? .loopback : .global
  }
}
