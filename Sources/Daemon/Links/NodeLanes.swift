import Links
import Primitives

/// The lanes to a node that may have several links: those of the link that is preferred. Bound to the loop.
final class NodeLanes: Lanes {
  /// The first link of the node since it was linked: its requests over all links are counted under this one.
  let account: LinkID
  private var links: [LinkID: LinkLanes] = [:]
  private var preferred: LinkID?
  private var abandoned: Set<LinkID> = []
  private var users: [ObjectIdentifier: any LaneUser] = [:]

  init(account: LinkID) { self.account = account }

  /// The link that carries messages to the node.
  var messageLink: LinkID? { preferred ?? ids.first }

  /// The links, in order.
  var ids: [LinkID] { links.keys.sorted() }

  func add(_ id: LinkID, _ lanes: LinkLanes) { links[id] = lanes }

  func remove(_ id: LinkID) {
    links[id] = nil
    abandoned.remove(id)
    guard preferred == id else { return }
    preferred = nil
    for user in users.values { user.lanesChanged() }
  }

  /// From now on, new requests use this link.
  func prefer(_ id: LinkID) {
    guard preferred != id, links[id] != nil else { return }
    let old = current
    preferred = id
    abandoned.remove(id)
    for user in users.values {
      old?.leave(user)
      current?.join(user)
      user.lanesChanged()
    }
  }

  /// What was requested over this link, which is not the preferred one, is requested again.
  func abandon(_ id: LinkID) {
    guard links[id] != nil, preferred != id else { return }
    abandoned.insert(id)
    for user in users.values { user.linkAbandoned(id) }
  }

  /// Whether what is requested over this link may still come.
  func isCarrying(_ id: LinkID) -> Bool { links[id] != nil && !abandoned.contains(id) }

  private var current: LinkLanes? { preferred.flatMap { links[$0] } }

  // MARK: Lanes

  var usable: [Lane] {
    guard let preferred, let current else { return [] }
    return current.usable.map {
      Lane(id: LaneID(number: $0.id.number, of: preferred), open: $0.open)
    }
  }

  var roundTripTime: Duration? { current?.roundTripTime }

  func join(_ user: any LaneUser) {
    users[ObjectIdentifier(user)] = user
    current?.join(user)
  }

  func leave(_ user: any LaneUser) {
    users[ObjectIdentifier(user)] = nil
    current?.leave(user)
  }

  func arrived(_ count: Int) { current?.arrived(count) }
}
