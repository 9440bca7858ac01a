package import Primitives
package import Traversal

/// The port that the router leads to this node.
extension NodeCore {
  /// Sets the protocols by which routers are asked; none to ask none.
  package mutating func setMappingMethods(_ methods: [PortMappingProtocol], at now: Timestamps) {
    perform(mapping.setMethods(methods, at: now.instant), at: now)
  }

  /// Sets the router of this machine's network; nil if there is none.
  package mutating func setRouter(_ router: MappingLease.Router?, at now: Timestamps) {
    perform(mapping.setRouter(router, port: introductions.listeningPort, at: now.instant), at: now)
    reviewMapping(at: now)
  }

  /// The router has answered, or does not.
  package mutating func mappingAnswered(_ number: UInt64, _ answer: PortMappingAnswer, at now: Timestamps) {
    perform(mapping.answered(number, answer, at: now.instant), at: now)
  }

  /// What removes the mapping, when the node stops; nil if there is none.
  package var mappingRemoval: PortMappingQuestion? { mapping.removal }

  /// Where other nodes see this one may have changed.
  mutating func reviewMapping(at now: Timestamps) {
    perform(mapping.setSeen(introductions.outsideHosts, at: now.instant), at: now)
  }

  mutating func wakeMapping(at now: Timestamps) { perform(mapping.wake(at: now.instant), at: now) }

  private mutating func perform(_ actions: [MappingLease.Action], at now: Timestamps) {
    for action in actions { emit(.mapPort(action.number, action.question)) }
    if introductions.setMapped(mapping.endpoint) { addressesChanged(at: now) }
  }
}
