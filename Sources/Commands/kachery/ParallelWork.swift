import Glibc
import Synchronization

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
    withExtendedLifetime(
      WorkShare {
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
    ) { share in
      let threads = (1..<max(1, min(width, items.count))).compactMap { _ in share.start() }
      share.run()
      for thread in threads { pthread_join(thread, nil) }
    }
    return outputs.withLock { $0.compactMap { $0 } }
  }
}

/// What each of the threads does.
private final class WorkShare: Sendable {
  let run: @Sendable () -> Void

  init(_ run: @escaping @Sendable () -> Void) { self.run = run }

  /// Nil where the system has no thread to give: the others do its part.
  func start() -> pthread_t? {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(self)
    let failure = pthread_create(
      &thread, nil,
      { context in
        if let context { Unmanaged<WorkShare>.fromOpaque(context).takeRetainedValue().run() }
        return nil
      }, context.toOpaque())
    guard failure == 0 else {
      context.release()
      return nil
    }
    return thread
  }
}
