package import Primitives

/// Fair upload queue. Serves the waiting peer with the fewest requests in flight; ties go to the peer that has waited
/// longest, since it arrived or had its last turn. At most `capacity` requests run at a time, within a rate. So a peer
/// with no request in flight gets its turn after at most one turn of each other peer, however much they request, and a
/// peer that does not read what it is sent gets no turns.
///
/// A peer that waits for long must be notified every few seconds, or it would consider this node silent.
package struct FairQueue<Peer: Hashable & Sendable>: Sendable {
  /// A request that has waited for a while.
  package struct Notice: Hashable, Sendable {
    package let peer: Peer
    package let hash: ContentHash
    /// Other peers that are waiting as well.
    package let others: Int
  }

  /// How long a request waits before its peer is notified, and between notices: a quarter of the timeout for a silent
  /// source.
  package static var noticePeriod: Duration { .seconds(5) }
  /// The time without any turn after which this node counts as stuck. It then no longer notifies peers that they are
  /// waiting for their turns.
  package static var stuckTime: Duration { .seconds(30) }

  private struct Request {
    let peer: Peer
    let hash: ContentHash
    let cost: Int
    let since: Instant
    var isServed = false
  }

  private struct Queue {
    var waiting: [UInt64] = []
    var served = 0
    /// Its place in the line: set when it starts to wait, and at each turn.
    var place: UInt64
  }

  private let capacity: Int
  private var queues: [Peer: Queue] = [:]
  private var requests: [UInt64: Request] = [:]
  private var served = 0
  private var lastID: UInt64 = 0
  private var lastPlace: UInt64 = 0
  private var bucket: TokenBucket?
  /// Until when the rate forbids another request; nil if nothing was spent yet.
  private var pausedUntil: Instant?
  /// When a request last had its turn, or the first waiting one was added; nil if there was none.
  private var movedAt: Instant?

  package init(capacity: Int) { self.capacity = max(1, capacity) }

  /// Whether no request is running or waiting.
  package var isEmpty: Bool { requests.isEmpty }

  /// When to ask for the next turn although no request has ended; nil if not needed.
  package func wakeAt(after now: Instant) -> Instant? {
    guard let pausedUntil, pausedUntil > now, requests.count > served else { return nil }
    return pausedUntil
  }

  /// Adds a peer's request for a part of this file, about `cost` bytes. `next` returns its ID.
  package mutating func add(for peer: Peer, _ hash: ContentHash, cost: Int, at now: Instant) -> UInt64 {
    if requests.isEmpty { movedAt = now }
    lastID += 1
    requests[lastID] = Request(peer: peer, hash: hash, cost: cost, since: now)
    var queue = queues[peer] ?? Queue(place: 0)
    // A peer that sends one request after another queues behind the waiting peers each time.
    if queue.waiting.isEmpty { queue.place = newPlace() }
    queue.waiting.append(lastID)
    queues[peer] = queue
    return lastID
  }

  /// The request whose turn it is; nil if there is none now.
  ///
  /// - Parameter rate: in bytes per second; nil for no limit.
  package mutating func next(rate: Double?, at now: Instant) -> UInt64? {
    guard served < capacity, pausedUntil.map({ now >= $0 }) ?? true else { return nil }
    let first = queues.lazy.filter { !$0.value.waiting.isEmpty }.min {
      ($0.value.served, $0.value.place) < ($1.value.served, $1.value.place)
    }
    guard let (peer, line) = first else { return nil }
    var queue = line
    let id = queue.waiting.removeFirst()
    queue.served += 1
    queue.place = newPlace()
    queues[peer] = queue
    requests[id]?.isServed = true
    served += 1
    movedAt = now
    spend(requests[id]?.cost ?? 0, rate, now)
    return id
  }

  /// A request has ended after sending `spent` bytes, or was cancelled.
  package mutating func end(_ id: UInt64, spent: Int, rate: Double?, at now: Instant) {
    guard let request = requests.removeValue(forKey: id) else { return }
    let peer = request.peer
    if request.isServed {
      served -= 1
      queues[peer]?.served -= 1
      spend(spent - request.cost, rate, now)
    } else {
      queues[peer]?.waiting.removeAll { $0 == id }
    }
    if let queue = queues[peer], queue.waiting.isEmpty, queue.served == 0 { queues[peer] = nil }
  }

  /// The peers to notify that they wait; call every `noticePeriod`. Unordered.
  package func notices(at now: Instant) -> Set<Notice> {
    guard let movedAt, now - movedAt < Self.stuckTime else { return [] }
    let peers = queues.values.count { !$0.waiting.isEmpty }
    let late = requests.values.filter { !$0.isServed && now - $0.since >= Self.noticePeriod }
    return Set(late.map { Notice(peer: $0.peer, hash: $0.hash, others: peers - 1) })
  }

  private mutating func spend(_ count: Int, _ rate: Double?, _ now: Instant) {
    guard let rate else {
      pausedUntil = now
      return
    }
    var bucket = bucket ?? TokenBucket(rate: rate, at: now)
    pausedUntil = now + bucket.delay(for: count, rate: rate, at: now)
    self.bucket = bucket
  }

  private mutating func newPlace() -> UInt64 {
    lastPlace += 1
    return lastPlace
  }
}
