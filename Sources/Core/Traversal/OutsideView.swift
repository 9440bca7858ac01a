package import Primitives
package import Wire

/// Where this node's TCP connections, or its datagrams, seem to come from, according to the nodes at their other ends.
///
/// Each statement is a claim of one observer. Observers that disagree about the host are all believed: the limits of
/// `PunchBudget` bound what a wrong one can cause.
package struct OutsideView: Hashable, Sendable {
  /// Most observers; the oldest is forgotten for a further one.
  package static let maximumObservers = 8
  /// Ports of one NAT that are no further apart were chosen in sequence. Two random ones are that close once in 2,000
  /// cases, which costs a round with the wrong means.
  package static let sequenceGap = 16

  private struct Observation: Hashable, Sendable {
    let observer: NodeID
    let address: IPAddress
    let port: UInt16
  }

  /// Latest last; one for each observer and address family.
  private var observations: [Observation] = []

  package init() {}

  /// Records where an observer sees a connection that left from the port on which this node listens.
  ///
  /// - Returns: whether anything has changed.
  package mutating func record(_ endpoint: Endpoint, by observer: NodeID) -> Bool {
    guard let address = IPAddress(endpoint.host), address.scope == .global || address.scope == .site else {
      return false
    }
    let new = Observation(observer: observer, address: address, port: endpoint.port)
    guard !observations.contains(new) else { return false }
    let family = address.bytes.count
    observations.removeAll { $0.observer == observer && $0.address.bytes.count == family }
    observations = observations.suffix(Self.maximumObservers - 1) + [new]
    return true
  }

  /// The observer sees this node no longer.
  ///
  /// - Returns: whether anything has changed.
  package mutating func forget(_ observer: NodeID) -> Bool {
    let before = observations.count
    observations.removeAll { $0.observer == observer }
    return observations.count != before
  }

  /// How the NAT chooses ports, from what observers see at one IPv4 host.
  ///
  /// - Parameter port: the port on which this node listens.
  package func mapping(of port: UInt16?) -> MappingKind {
    let seen = observations.filter { $0.address.bytes.count == 4 }
    let hosts = seen.map(\.address)
    guard let host = hosts.last(where: { host in hosts.count { $0 == host } > 1 }) else { return .unknown }
    let ports = seen.filter { $0.address == host }.map(\.port)
    guard let low = ports.min(), let high = ports.max() else { return .unknown }
    if low == high { return low == port ? .kept : .same }
    return Int(high) - Int(low) <= Self.sequenceGap ? .sequence : .random
  }

  /// What each observer sees, newest first.
  package var views: [(observer: NodeID, endpoint: Endpoint)] {
    observations.reversed().compactMap { seen in
      Endpoint(host: seen.address.description, port: seen.port).map { (seen.observer, $0) }
    }
  }

  /// The outside endpoints, newest first.
  package var endpoints: [Endpoint] {
    var endpoints: [Endpoint] = []
    for seen in observations.reversed() {
      guard let endpoint = Endpoint(host: seen.address.description, port: seen.port), !endpoints.contains(endpoint)
      else { continue }
      endpoints.append(endpoint)
    }
    return endpoints
  }
}
