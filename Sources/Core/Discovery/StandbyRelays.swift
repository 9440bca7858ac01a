package import Primitives

/// Keeps a second relayed link to each node that is reached only through relays, so that the loss of one relay costs no
/// new handshake.
///
///     idle ──one relay in use, another known──▶ waiting ──1 s──▶ dialing ──the link is up──▶ idle
///                                                  ▲                │
///                                                  └────failed──────┘ the next relay, or after a rest
package struct StandbyRelays: Sendable {
  /// How long after its first relayed link a node gets a second one: it may soon be linked directly.
  package static let delay: Duration = .seconds(1)
  /// The rests after all relays have failed; the last one is repeated.
  package static let rests: [Duration] = [.seconds(10), .seconds(60), .seconds(600)]

  /// A second link that is to be dialed.
  package struct Attempt: Hashable, Sendable {
    package let peer: NodeID
    package let relay: NodeID
  }

  private struct Search {
    let used: NodeID
    /// The relays that may be dialed, best first.
    var relays: [NodeID]
    var tried: Set<NodeID> = []
    var attempt: DialID?
    var rests = 0
    var nextAt: Instant
  }

  private var searches: [NodeID: Search] = [:]
  private var deadlines = Deadlines<NodeID>()
  private var peers: [DialID: NodeID] = [:]

  package init() {}

  /// The links to a node, or the relays, have changed.
  ///
  /// - Parameters:
  ///   - used: the relays through which links to it lead and answer; empty if none has to be added.
  ///   - relays: those through which it can be reached, best first.
  /// - Returns: an attempt that is not needed anymore.
  package mutating func review(_ peer: NodeID, used: Set<NodeID>, relays: [NodeID], at now: Instant) -> DialID? {
    let others = relays.filter { !used.contains($0) }
    guard used.count == 1, let current = used.first, !others.isEmpty else { return end(peer) }
    guard var search = searches[peer], search.used == current else {
      let attempt = end(peer)
      set(peer, Search(used: current, relays: others, nextAt: now + Self.delay))
      return attempt
    }
    // A relay that was not there before is a reason to try it soon.
    if others.contains(where: { !search.relays.contains($0) && !search.tried.contains($0) }) {
      search.nextAt = min(search.nextAt, now + Self.delay)
    }
    search.relays = others
    set(peer, search)
    return nil
  }

  /// The node cannot be reached through relays, or need not be.
  ///
  /// - Returns: an attempt that is not needed anymore.
  package mutating func end(_ peer: NodeID) -> DialID? {
    guard let search = searches.removeValue(forKey: peer) else { return nil }
    deadlines.clear(peer)
    guard let attempt = search.attempt else { return nil }
    peers[attempt] = nil
    return attempt
  }

  /// When to call `wake` next.
  package var wakeAt: Instant? { deadlines.next }

  /// The links that are to be dialed now; the caller reports each with `begun`.
  package mutating func wake(at now: Instant) -> [Attempt] {
    deadlines.due(at: now).compactMap { peer in
      guard var search = searches[peer] else { return nil }
      if search.relays.allSatisfy({ search.tried.contains($0) }) { search.tried = [] }
      guard let relay = search.relays.first(where: { !search.tried.contains($0) }) else { return nil }
      search.tried.insert(relay)
      set(peer, search)
      return Attempt(peer: peer, relay: relay)
    }
  }

  /// The attempt to reach the node has this ID. It must be reported before the next input.
  package mutating func begun(_ dial: DialID, for peer: NodeID) {
    guard var search = searches[peer] else { return }
    search.attempt = dial
    peers[dial] = peer
    set(peer, search)
  }

  /// An attempt has led to a link. Should that end before it can be used, a further one is dialed after a rest.
  package mutating func opened(_ dial: DialID, at now: Instant) {
    guard let peer = peers.removeValue(forKey: dial), var search = searches[peer] else { return }
    search.attempt = nil
    rest(&search, at: now)
    set(peer, search)
  }

  /// An attempt has failed; does nothing if it was made on another occasion.
  package mutating func failed(_ dial: DialID, at now: Instant) {
    guard let peer = peers.removeValue(forKey: dial), var search = searches[peer] else { return }
    search.attempt = nil
    if search.relays.allSatisfy({ search.tried.contains($0) }) { rest(&search, at: now) } else { search.nextAt = now }
    set(peer, search)
  }

  /// Whether the stored deadlines match a scan. Tests check this after each input.
  package var keepsItsDeadlines: Bool {
    searches.allSatisfy { deadlines[$0.key] == ($0.value.attempt == nil ? $0.value.nextAt : nil) }
      && deadlines.next == searches.values.filter { $0.attempt == nil }.map(\.nextAt).min()
      && Set(peers.keys) == Set(searches.values.compactMap(\.attempt))
  }

  private func rest(_ search: inout Search, at now: Instant) {
    search.nextAt = now + Self.rests[min(search.rests, Self.rests.count - 1)]
    search.rests += 1
  }

  private mutating func set(_ peer: NodeID, _ search: Search) {
    searches[peer] = search
    deadlines.set(peer, search.attempt == nil ? search.nextAt : nil)
  }
}
