import Synchronization

/// Simulates a failing disk in tests: while `FileFault.$current` holds one, it counts the file operations of the
/// running task and makes some of them fail without effect.
package final class FileFault: Sendable {
  /// What happens to the operations after the failing one.
  package enum Aftermath: Hashable, Sendable {
    /// They succeed: a transient error.
    case recovers
    /// They fail as well, so that nothing is cleaned up: as if the process had ended at that point.
    case dies
  }

  @TaskLocal package static var current: FileFault?

  private let number: Int
  private let failures: Int
  private let errno: Int32
  private let aftermath: Aftermath
  private let count = Atomic<Int>(0)

  /// Makes operation `number`, counted from 1, fail with this errno. With `recovers`, `failures` consecutive operations
  /// fail.
  package init(at number: Int, errno: Int32, _ aftermath: Aftermath, failures: Int = 1) {
    self.number = number
    self.failures = failures
    self.errno = errno
    self.aftermath = aftermath
  }

  /// The number of operations so far, including failed ones.
  package var operations: Int { count.load(ordering: .relaxed) }

  /// Counts an operation; returns the errno with which it must fail, or nil.
  func strike() -> Int32? {
    let operation = count.wrappingAdd(1, ordering: .relaxed).newValue
    let fails = operation >= number && (aftermath == .dies || operation < number + failures)
    return fails ? errno : nil
  }
}
