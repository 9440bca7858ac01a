import Synchronization

/// Cancels long work on other threads, which poll it.
final class CancellationToken: Sendable {
  private let value = Atomic<Bool>(false)

  func cancel() { value.store(true, ordering: .relaxed) }

  var isCancelled: Bool { value.load(ordering: .relaxed) }
}
