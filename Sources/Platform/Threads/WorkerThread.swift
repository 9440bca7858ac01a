import Glibc
package import Primitives
import Synchronization

/// A thread that does pieces of work one after the other, in the order in which they were given.
///
/// Any thread may give work. At most `depth` pieces are unfinished at any time: whoever gives one more waits.
package final class WorkerThread: Sendable {
  /// What the thread does; it cannot fail.
  package typealias Work = @Sendable () -> Void

  private let line: WorkLine

  /// Starts the thread.
  ///
  /// - Throws: `internalError` if the system has no thread to give.
  package init(depth: Int) throws(KacheryError) {
    let line = WorkLine(depth: depth)
    try SystemThread.run { line.run() }
    self.line = line
  }

  deinit { line.add(nil) }

  /// Hands over a piece of work, once fewer than `depth` are unfinished.
  package func add(_ work: @escaping Work) { line.add(work) }

  /// Returns once everything that was given before has been done.
  package func waitUntilDone() {
    let done = Semaphore(0)
    add { done.signal() }
    done.wait()
  }
}

/// What waits for the thread; the thread keeps it alive until it has done everything.
private final class WorkLine: Sendable {
  private let waiting = Mutex<[WorkerThread.Work?]>([])
  private let filled = Semaphore(0)
  private let free: Semaphore

  init(depth: Int) { free = Semaphore(UInt32(depth)) }

  /// Hands over a piece of work, or nil for the end.
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

/// Counts what is there; who takes more waits.
// The system's semaphore is made for use by several threads at once, and the memory stays in place until nobody has it.
private final class Semaphore: @unchecked Sendable {
  private let memory = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init(_ count: UInt32) { sem_init(memory, 0, count) }

  deinit {
    sem_destroy(memory)
    memory.deallocate()
  }

  func signal() { sem_post(memory) }

  /// A signal to the process may interrupt the waiting.
  func wait() { while sem_wait(memory) != 0 {} }
}
