import Synchronization
import Threads

/// Work on many things, several at a time: each waits for the disk or for the daemon, and the others need not wait with it.
enum ParallelWork {
  /// More than there are cores: the work is waiting.
  private static let width = 8

  /// The results in the order of the items; the last one is there when it returns.
  static func map<Item: Sendable, Output: Sendable>(
    _ items: [Item], _ work: @escaping @Sendable (Item) -> Output
  ) -> [Output] {
    let next = Mutex(0)
    let outputs = Mutex([Output?](repeating: nil, count: items.count))
    SystemThread.together(min(width, items.count)) {
      while true {
        let index = next.withLock { next in
          defer { next += 1 }
          return next
        }
        guard index < items.count else { return }
        let output = work(items[index])
        outputs.withLock { $0[index] = output }
      }
    }
    return outputs.withLock { $0.compactMap { $0 } }
  }
}
