import EventLoop
import Primitives

/// Work that the pool does one piece after the other, in the order in which it was given. What waits goes to the pool
/// together: a trip there and back costs more than hashing a small block. Bound to the loop.
final class SerialPoolQueue {
  /// What ended the lane's work.
  typealias Outcome = Result<Void, KacheryError>

  private struct Item {
    let work: @Sendable () -> Outcome
    let then: (Outcome) -> Void
  }

  private let loop: EventLoop
  private var waiting: [Item] = []
  private var isBusy = false
  private var isClosed = false

  init(loop: EventLoop) { self.loop = loop }

  /// Has the pool do the work, and `then` the loop, unless the lane is closed before.
  func add(_ work: @escaping @Sendable () throws(KacheryError) -> Void, then: @escaping (Outcome) -> Void) {
    guard !isClosed else { return }
    waiting.append(Item(work: { Outcome { () throws(KacheryError) in try work() } }, then: then))
    start()
  }

  /// Drops what the pool has not begun; nothing more is reported.
  func close() {
    isClosed = true
    waiting = []
  }

  private func start() {
    guard !isBusy, !waiting.isEmpty else { return }
    isBusy = true
    let items = waiting
    waiting = []
    let works = items.map(\.work)
    loop.work {
      works.map { $0() }
    } then: { outcomes in
      self.isBusy = false
      for (item, outcome) in zip(items, outcomes) where !self.isClosed { item.then(outcome) }
      if !self.isClosed { self.start() }
    }
  }
}
