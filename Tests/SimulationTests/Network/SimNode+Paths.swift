import NodeCore
import Primitives
import Wire

/// Several links between two nodes.
extension SimNode {
  /// The link over which the core asks the other node, if it is up.
  func preferredLink(to other: SimNode) -> SimLink? {
    guard let link = preferred[other.id].flatMap({ links[$0] }), link.isUp else { return nil }
    return link
  }

  /// The core asks the node at the other end over this link.
  func prefer(_ id: LinkID) {
    guard let link = links[id] else {
      return network.complain("\(name) prefers a link that is gone")
    }
    let peer = link.other(self).node.id
    if preferred[peer] != nil { changes[peer, default: []].append(network.clock.now) }
    preferred[peer] = id
    for batch in batches { batch.moved(to: id, of: peer) }
  }

  /// Requests over the preferred link what was requested over this one.
  func abandon(_ id: LinkID) {
    guard let link = links[id] else { return }
    for key in streams.keys.sorted(by: {
      ($0.download.number, $0.node) < ($1.download.number, $1.node)
    }) {
      streams[key]?.linkEnded(link)
    }
    for batch in batches { batch.linkClosed(id) }
  }

  func hasBatch(over link: LinkID) -> Bool { batches.contains { $0.uses(link) } }

  func linkSilent(_ link: LinkID) { input { $0.linkSilent(link, at: $1) } }

  func linkHeard(_ link: LinkID) { input { $0.linkHeard(link, at: $1) } }

  /// Reports what is measured on the links of nodes that have several, every second from now on.
  func measure() {
    let severals = Dictionary(grouping: links.keys.sorted()) { links[$0]?.other(self).node.id }
      .values
      .filter { $0.count > 1 }
    guard !severals.isEmpty, !isMeasuring else { return }
    isMeasuring = true
    after(.seconds(1)) { node in
      node.isMeasuring = false
      node.measureNow(node.links.keys.sorted())
      node.measure()
    }
  }

  /// Reports what is measured on these links.
  func measureNow(_ ids: [LinkID]) {
    for id in ids {
      guard let link = links[id] else { continue }
      // Round trips vary by a tenth.
      let varied = link.latency * Double.random(in: 1.9..<2.1, using: &network.random)
      let roundTrip = link.isSilent ? nil : varied
      input {
        $0.linkMeasured(id, LinkMeasurement(roundTrip: roundTrip, isIdle: link.isIdle), at: $1)
      }
    }
  }
}
