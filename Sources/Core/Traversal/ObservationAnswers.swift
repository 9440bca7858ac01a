package import Primitives
package import Wire

/// Tells linked nodes from where their datagrams come.
///
/// Each question gets one answer of the same length. One that names no link costs nothing but a look into a table, and
/// neither a forged nor a repeated one is answered.
package struct ObservationAnswers: Sendable {
  /// Questions of one link that are looked at in a second.
  package static let perSecond = 10

  private struct Asker: Sendable {
    let link: LinkID
    let node: NodeID
    let key: [UInt8]
    var lastClock: UInt64 = 0
    var allowance = SecondlyAllowance(limit: perSecond)
  }

  private var askers: [UInt32: Asker] = [:]
  private var tags: [LinkID: UInt32] = [:]
  private var clock = ProbeClock()

  package init() {}

  /// The node at the other end of this link may ask.
  package mutating func add(_ link: LinkID, to node: NodeID, binding: [UInt8]) {
    let key = ObservationKey(binding: binding)
    askers[key.tag] = Asker(link: link, node: node, key: key.key)
    tags[link] = key.tag
  }

  /// The link has ended.
  package mutating func remove(_ link: LinkID) {
    // Another link may have the same tag.
    if let tag = tags.removeValue(forKey: link), askers[tag]?.link == link { askers[tag] = nil }
  }

  /// The answer to this question, which has come from `sender`; nil if there is none.
  ///
  /// - Parameters:
  ///   - bytes: those of `probe`.
  ///   - node: this node.
  package mutating func answer(
    _ probe: Probe, _ bytes: [UInt8], from sender: Endpoint, as node: NodeID, at now: Instant
  ) -> ProbeDatagram? {
    guard probe.kind == .observe, var asker = askers[probe.session], probe.clock > asker.lastClock,
      asker.allowance.take(at: now)
    else { return nil }
    let isAuthentic = Probe.isAuthentic(bytes, key: asker.key, from: asker.node)
    if isAuthentic { asker.lastClock = probe.clock }
    askers[probe.session] = asker
    guard isAuthentic else { return nil }
    let answer = Probe(
      .observed, session: probe.session, clock: clock.next(at: now), echo: probe.clock, place: sender)
    return ProbeDatagram(answer.encoded(with: asker.key, from: node), to: sender)
  }
}
