import Discovery
import NodeCore
import Primitives

/// Links through a relay: a request that the relay passes on, and a link that lasts as long as the two that carry it.
extension SimNetwork {
  /// A dial that fails after a while unless something else comes of it.
  private final class Opening {
    let dialer: SimNode
    let dial: DialID
    let address: Address
    private let life: Int
    private var isOver = false

    init(_ dialer: SimNode, _ dial: DialID, _ address: Address) {
      self.dialer = dialer
      self.dial = dial
      self.address = address
      life = dialer.life
    }

    /// Whether the outcome matters; afterwards it does not.
    func end() -> Bool {
      guard !isOver else { return false }
      isOver = true
      return dialer.isRunning && dialer.life == life && !dialer.hasCancelled(dial)
    }

    func fail() { if end() { dialer.dialFailed(dial, address) } }
  }

  func dial(_ dialer: SimNode, _ dial: DialID, by relayID: NodeID, _ expected: NodeID?) {
    let opening = Opening(dialer, dial, .relay(relayID))
    guard let relay = node(relayID), let target = expected.flatMap({ node($0) }),
      let route = dialer.core.relayRoute(to: target.id, by: relayID), let near = dialer.link(route.link)
    else { return clock.after(.zero) { opening.fail() } }
    clock.after(.seconds(10)) { opening.fail() }
    near.travel { [unowned self] in
      guard relay.core.relayStatus(from: near.end(of: relay).id, to: target.id, over: route.topic) == .granted,
        let far = relay.core.relayLink(to: target.id).flatMap({ relay.link($0) })
      else { return near.travel { opening.fail() } }
      far.travel { [unowned self] in
        let isWanted = target.core.accepts(relayedFrom: dialer.id, over: route.topic, by: far.end(of: target).id)
        // The answer, and the rest of the handshake.
        clock.after((near.latency + far.latency) * 3) { [unowned self] in
          guard isWanted, near.isUp, far.isUp, target.isRunning else { return opening.fail() }
          guard opening.end() else { return }
          let link = connect(dialer, dial, target, near.latency + far.latency, .relayed, by: relay)
          near.carry(link)
          far.carry(link)
        }
      }
    }
  }
}
