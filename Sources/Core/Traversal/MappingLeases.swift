package import Primitives

/// Keeps the node's TCP port, and its UDP port if it has one, mapped by the router.
///
/// The router is asked for the UDP port once it has mapped the other one, in the same protocol: one that is silent, or
/// that refuses, is not asked twice as often.
package struct MappingLeases: Sendable {
  package private(set) var tcp: MappingLease
  package private(set) var udp: MappingLease

  package init(random: some RandomNumberGenerator & Sendable) {
    tcp = MappingLease(random: random)
    udp = MappingLease(of: .udp, random: random)
  }

  /// What removes the mappings.
  package var removals: [PortMappingQuestion] { [tcp.removal, udp.removal].compactMap { $0 } }

  /// When to call `wake` next.
  package var wakeAt: Instant? { [tcp.wakeAt, udp.wakeAt].compactMap { $0 }.min() }

  /// Sets the protocols that may be used, in the order in which they are tried; none to keep no port.
  package mutating func setMethods(_ methods: [PortMappingProtocol], at now: Instant) -> [MappingLease.Action] {
    let actions = tcp.setMethods(methods, at: now)
    return actions + follow(at: now)
  }

  /// Sets the router and the ports on which this node listens; nil if there is none.
  package mutating func setRouter(
    _ router: MappingLease.Router?, tcpPort: UInt16?, udpPort: UInt16?, at now: Instant
  ) -> [MappingLease.Action] {
    let actions =
      tcp.setRouter(router, port: tcpPort, at: now) + udp.setRouter(router, port: udpPort, at: now)
    return actions + follow(at: now)
  }

  /// Sets the hosts at which other nodes see this one, except those that it has itself.
  package mutating func setSeen(_ hosts: [IPAddress], at now: Instant) -> [MappingLease.Action] {
    let actions = tcp.setSeen(hosts, at: now) + udp.setSeen(hosts, at: now)
    return actions + follow(at: now)
  }

  /// The answer to a question.
  package mutating func answered(
    _ number: UInt64, _ transport: PortMappingQuestion.Transport, _ answer: PortMappingAnswer, at now: Instant
  ) -> [MappingLease.Action] {
    let actions =
      switch transport {
      case .tcp: tcp.answered(number, answer, at: now)
      case .udp: udp.answered(number, answer, at: now)
      }
    return actions + follow(at: now)
  }

  /// Asks if that is due.
  package mutating func wake(at now: Instant) -> [MappingLease.Action] {
    let actions = tcp.wake(at: now) + udp.wake(at: now)
    return actions + follow(at: now)
  }

  private mutating func follow(at now: Instant) -> [MappingLease.Action] {
    // A mapping that leads nowhere from outside needs no second one.
    let place = tcp.endpoint == nil ? nil : tcp.place
    if let place { udp.knownPlace = place }
    return udp.setMethods([place?.method].compactMap { $0 }, at: now)
  }
}
