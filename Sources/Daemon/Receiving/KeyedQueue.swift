import Primitives

/// Lets one piece of work after another have a file: the store lets only one receive it at a time, and letting go of it
/// takes a moment. Bound to the loop.
struct KeyedQueue {
  /// Whose turn it is, and who waits, for each file.
  private var queues: [ContentHash: [() -> Void]] = [:]

  /// Puts work in the queue for a file and gives it back if it is its turn at once; the caller runs what it is given,
  /// here and by `end`, and calls `end` once for each.
  mutating func take(_ hash: ContentHash, _ work: @escaping () -> Void) -> (() -> Void)? {
    queues[hash, default: []].append(work)
    return queues[hash]?.count == 1 ? work : nil
  }

  /// The work whose turn it was has ended; gives back whose turn it is now.
  mutating func end(_ hash: ContentHash) -> (() -> Void)? {
    queues[hash]?.removeFirst()
    guard let next = queues[hash]?.first else {
      queues[hash] = nil
      return nil
    }
    return next
  }
}
