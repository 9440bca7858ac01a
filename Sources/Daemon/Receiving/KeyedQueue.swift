import Primitives

/// Lets one piece of work after another have a file: the store lets only one receive it at a time, and letting go of it
/// takes a moment. Bound to the loop.
struct KeyedQueue {
  /// Whose turn it is, and who waits, for each file.
  private var queues: [ContentHash: [() -> Void]] = [:]

  /// Queues work for a file, and returns it if its turn is now. The caller runs the work that this method and `end`
  /// return, and calls `end` once for each.
  mutating func take(_ hash: ContentHash, _ work: @escaping () -> Void) -> (() -> Void)? {
    queues[hash, default: []].append(work)
    return queues[hash]?.count == 1 ? work : nil
  }

  /// Ends the current turn; returns the work whose turn is next.
  mutating func end(_ hash: ContentHash) -> (() -> Void)? {
    queues[hash]?.removeFirst()
    guard let next = queues[hash]?.first else {
      queues[hash] = nil
      return nil
    }
    return next
  }
}
