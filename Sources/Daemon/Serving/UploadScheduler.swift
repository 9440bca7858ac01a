import EventLoop
import NodeCore
import Primitives
import Transfer
import Wire

/// Gives the peers that want bytes their turns, a block each, and keeps to the rate at which the owner allows to send. Bound to
/// the loop.
final class UploadScheduler {
  /// Called when a peer waits that has not been notified for a while.
  var onWait: ((LinkID, WaitingNotice) -> Void)?
  /// How fast blocks may be sent.
  let limit: RateLimit

  private let loop: EventLoop
  private let clock: () -> Instant
  private var slots: FairQueue<LinkID>
  private var waiting: [UInt64: () -> Void] = [:]
  private var isDraining = false
  private var wakeUp: Timer?
  private var teller: Timer?

  /// - Parameter clock: the current time, if not the loop's.
  init(capacity: Int, limit: RateLimit, loop: EventLoop, clock: (() -> Instant)? = nil) {
    slots = FairQueue(capacity: capacity)
    self.limit = limit
    self.loop = loop
    self.clock = clock ?? { loop.now }
  }

  /// One block for a peer.
  final class Turn {
    private let scheduler: UploadScheduler
    private let id: UInt64

    fileprivate init(_ scheduler: UploadScheduler, _ id: UInt64) {
      self.scheduler = scheduler
      self.id = id
    }

    /// Ends the turn, in which this many bytes were read.
    func end(spent: Int) { scheduler.end(id, spent: spent) }

    /// Cancels the turn. Returns whether it had not started; otherwise `end` must still be called.
    func withdraw() -> Bool { scheduler.withdraw(id) }
  }

  /// Does something for a peer, which wants about `cost` bytes of this file, once it is its turn.
  func enter(_ peer: LinkID, for hash: ContentHash, cost: Int, _ body: @escaping (Turn) -> Void) -> Turn {
    let id = slots.add(for: peer, hash, cost: cost, at: clock())
    let turn = Turn(self, id)
    waiting[id] = { body(turn) }
    if teller == nil { teller = loop.after(Self.period, repeating: Self.period) { self.tellWaiting() } }
    advance()
    return turn
  }

  private static var period: Duration { FairQueue<LinkID>.noticePeriod }

  private func end(_ id: UInt64, spent: Int) {
    slots.end(id, spent: spent, rate: limit.rate, at: clock())
    advance()
  }

  private func withdraw(_ id: UInt64) -> Bool {
    guard waiting.removeValue(forKey: id) != nil else { return false }
    slots.end(id, spent: 0, rate: limit.rate, at: clock())
    return true
  }

  private func advance() {
    guard !isDraining else { return }
    isDraining = true
    // Use one instant for both checks: if a pause ended between them, nothing would wake the queue.
    var now = clock()
    while let id = slots.next(rate: limit.rate, at: now) {
      waiting.removeValue(forKey: id)?()
      now = clock()
    }
    isDraining = false
    wakeUp?.cancel()
    wakeUp = slots.wakeAt(after: now).map { due in loop.after(due - now) { self.advance() } }
  }

  private func tellWaiting() {
    for notice in slots.notices(at: clock()) {
      onWait?(notice.peer, WaitingNotice(hash: notice.hash, others: UInt32(notice.others)))
    }
    guard slots.isEmpty else { return }
    teller?.cancel()
    teller = nil
  }
}
