/// Who is served, where no more than so many requests are served at once: of the peers that wait, the one that has the fewest
/// requests served, and among equal ones the one whose last turn is the longest ago. So while all wait, each has its turn once
/// in as many turns as there are peers, however much some of them ask for.
package struct UploadSlots<Peer: Hashable & Sendable>: Sendable {
  private struct Queue {
    var waiting: [UInt64] = []
    var served = 0
    var lastTurn: UInt64 = 0
  }

  private let capacity: Int
  private var queues: [Peer: Queue] = [:]
  private var peerOfRequest: [UInt64: Peer] = [:]
  private var servedIDs: Set<UInt64> = []
  private var lastID: UInt64 = 0
  private var turn: UInt64 = 0

  package init(capacity: Int) { self.capacity = max(1, capacity) }

  /// A peer wants to be served.
  ///
  /// - Returns: the request, and whether it is served at once; otherwise `release` will name it.
  package mutating func take(for peer: Peer) -> (id: UInt64, isServed: Bool) {
    lastID += 1
    peerOfRequest[lastID] = peer
    queues[peer, default: Queue()].waiting.append(lastID)
    guard servedIDs.count < capacity, serve(peer) == lastID else { return (lastID, false) }
    return (lastID, true)
  }

  /// A request has been served, or is given up.
  ///
  /// - Returns: the one that is served now in its place; nil where none waits.
  package mutating func release(_ id: UInt64) -> UInt64? {
    guard let peer = peerOfRequest.removeValue(forKey: id) else { return nil }
    let wasServed = servedIDs.remove(id) != nil
    if wasServed { queues[peer]?.served -= 1 } else { queues[peer]?.waiting.removeAll { $0 == id } }
    if let queue = queues[peer], queue.waiting.isEmpty, queue.served == 0 { queues[peer] = nil }
    guard wasServed else { return nil }
    let next = queues.lazy.filter { !$0.value.waiting.isEmpty }.min {
      ($0.value.served, $0.value.lastTurn) < ($1.value.served, $1.value.lastTurn)
    }
    return next.flatMap { serve($0.key) }
  }

  private mutating func serve(_ peer: Peer) -> UInt64? {
    guard var queue = queues[peer], !queue.waiting.isEmpty else { return nil }
    let id = queue.waiting.removeFirst()
    turn += 1
    queue.served += 1
    queue.lastTurn = turn
    queues[peer] = queue
    servedIDs.insert(id)
    return id
  }
}
