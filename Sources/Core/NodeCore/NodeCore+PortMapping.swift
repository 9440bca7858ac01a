package import Primitives
package import Traversal

/// The ports that the router leads to this node.
extension NodeCore {
  /// Sets the protocols by which routers are asked; none to ask none.
  package mutating func setMappingMethods(_ methods: [PortMappingProtocol], at now: Timestamps) {
    perform(mapping.setMethods(methods, at: now.instant), at: now)
  }

  /// Sets the router of this machine's network; nil if there is none.
  package mutating func setRouter(_ router: MappingLease.Router?, at now: Timestamps) {
    let (tcp, udp) = (introductions.listeningPort, introductions.quicPort)
    perform(mapping.setRouter(router, tcpPort: tcp, udpPort: udp, at: now.instant), at: now)
    reviewMapping(at: now)
  }

  /// The router has answered, or does not.
  package mutating func mappingAnswered(
    _ number: UInt64, _ transport: PortMappingQuestion.Transport, _ answer: PortMappingAnswer, at now: Timestamps
  ) {
    perform(mapping.answered(number, transport, answer, at: now.instant), at: now)
  }

  /// What removes the mappings, when the node stops.
  package var mappingRemovals: [PortMappingQuestion] { mapping.removals }

  /// Where other nodes see this one may have changed.
  mutating func reviewMapping(at now: Timestamps) {
    perform(mapping.setSeen(introductions.outsideHosts, at: now.instant), at: now)
  }

  mutating func wakeMapping(at now: Timestamps) { perform(mapping.wake(at: now.instant), at: now) }

  private mutating func perform(_ actions: [MappingLease.Action], at now: Timestamps) {
    for action in actions { emit(.mapPort(action.number, action.question)) }
    if introductions.setMapped(tcp: mapping.tcp.endpoint, udp: mapping.udp.endpoint) {
      addressesChanged(at: now)
      updateOwnSide(at: now)
    }
  }
}
