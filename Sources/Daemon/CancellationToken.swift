import Synchronization

/// Ends long work on other threads early: they look at it now and then.
final class CancellationToken: Sendable {
  private let value = Atomic<Bool>(false)

  func cancel() { value.store(true, ordering: .relaxed) }

  var isCancelled: Bool { value.load(ordering: .relaxed) }
}
