import Glibc
package import Primitives
import Synchronization

/// A thread that runs work in the order in which it was added.
///
/// Thread-safe. At most `depth` pieces of work are unfinished at any time: adding more waits.
package final class WorkerThread: Sendable {
  /// Work for the thread; it cannot fail.
  package typealias Work = @Sendable () -> Void

  private let line: WorkLine

  /// Starts the thread.
  ///
  /// - Throws: `internalError` if the system has no thread left.
  package init(named name: String, depth: Int) throws(KacheryError) {
    let line = WorkLine(depth: depth)
    try SystemThread.run(named: name) { line.run() }
    self.line = line
  }

  deinit { line.add(nil) }

  /// Adds work, once fewer than `depth` pieces are unfinished.
  package func add(_ work: @escaping Work) { line.add(work) }

  /// Returns once all work added before has been done.
  package func waitUntilDone() {
    let done = Semaphore(0)
    add { done.signal() }
    done.wait()
  }
}

/// The queue of the thread; the thread retains it until all work is done.
private final class WorkLine: Sendable {
  private let waiting = Mutex<[WorkerThread.Work?]>([])
  private let filled = Semaphore(0)
  private let free: Semaphore

  init(depth: Int) { free = Semaphore(UInt32(depth)) }

  /// Adds work, or nil to end the thread.
  func add(_ work: WorkerThread.Work?) {
    free.wait()
    waiting.withLock { $0.append(work) }
    filled.signal()
  }

  func run() {
    while let work = next() {
      work()
      free.signal()
    }
  }

  private func next() -> WorkerThread.Work? {
    filled.wait()
    return waiting.withLock { $0.removeFirst() }
  }
}

/// A counting semaphore.
// A POSIX semaphore is thread-safe, and its memory stays in place until the last reference is released.
private final class Semaphore: @unchecked Sendable {
  private let memory = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init(_ count: UInt32) { sem_init(memory, 0, count) }

  deinit {
    sem_destroy(memory)
    memory.deallocate()
  }

  func signal() { sem_post(memory) }

  /// A signal to the process may interrupt the wait.
  func wait() { while sem_wait(memory) != 0 {} }
}
