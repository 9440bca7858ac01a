import Synchronization
import Threads

/// Processes items several at a time: most of the work is waiting for the disk or the daemon.
enum ParallelWork {
  /// Threads; more than cores, because the work is mostly waiting.
  private static let width = 8

  /// The results in the order of the items. Returns once all are done.
  ///
  /// - Parameter width: the most items that are processed concurrently.
  static func map<Item: Sendable, Output: Sendable>(
    _ items: [Item], width: Int = width, _ work: @escaping @Sendable (Item) -> Output
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
