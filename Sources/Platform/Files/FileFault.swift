import Synchronization

/// A disk that fails at a chosen moment, for tests: while `FileFault.$current` holds one, it counts the file operations of
/// the running task and makes some of them fail instead of happen.
package final class FileFault: Sendable {
  /// What the operations after the one that fails do.
  package enum Aftermath: Hashable, Sendable {
    /// They succeed: one error of the disk.
    case recovers
    /// They fail as well, so that nothing is cleaned up: as if the process had ended there.
    case dies
  }

  @TaskLocal package static var current: FileFault?

  private let number: Int
  private let failures: Int
  private let errno: Int32
  private let aftermath: Aftermath
  private let count = Atomic<Int>(0)

  /// Lets the operation with this number fail, counted from 1, with this errno, and so many in all where it recovers.
  package init(at number: Int, errno: Int32, _ aftermath: Aftermath, failures: Int = 1) {
    self.number = number
    self.failures = failures
    self.errno = errno
    self.aftermath = aftermath
  }

  /// How many operations there have been, failed ones included.
  package var operations: Int { count.load(ordering: .relaxed) }

  /// Counts an operation; the errno with which it shall fail, or nil.
  func strike() -> Int32? {
    let operation = count.wrappingAdd(1, ordering: .relaxed).newValue
    let fails = operation >= number && (aftermath == .dies || operation < number + failures)
    return fails ? errno : nil
  }
}
