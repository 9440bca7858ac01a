import Primitives
import Synchronization

/// A dedicated thread for an actor that blocks: one that owns a database connection, or fetches over the network.
package final class ThreadExecutor: SerialExecutor {
  private struct Queue {
    var jobs: [UnownedJob] = []
    var isRunning = false
  }

  private let name: String
  private let queue = Mutex(Queue())
  private let current = Atomic<UInt>(0)

  package init(name: String) { self.name = name }

  package func enqueue(_ job: consuming ExecutorJob) {
    let unowned = UnownedJob(job)
    let starts = queue.withLock { queue in
      queue.jobs.append(unowned)
      defer { queue.isRunning = true }
      return !queue.isRunning
    }
    if starts { startThread() }
  }

  package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  package func checkIsolated() {
    precondition(isIsolatingCurrentContext() == true, "called away from worker '\(name)'")
  }

  package func isIsolatingCurrentContext() -> Bool? {
    current.load(ordering: .acquiring) == ThreadID.current.bits
  }

  /// The thread exists only while there is work: an idle executor costs nothing and needs no shutdown.
  private func startThread() {
    do throws(KacheryError) { try SystemThread.run(named: name) { self.runJobs() } } catch {
      preconditionFailure(error.message)
    }
  }

  private func runJobs() {
    current.store(ThreadID.current.bits, ordering: .releasing)
    while true {
      let jobs = queue.withLock { queue in
        defer { queue.jobs = [] }
        if queue.jobs.isEmpty {
          queue.isRunning = false
          current.store(0, ordering: .releasing)
        }
        return queue.jobs
      }
      if jobs.isEmpty { return }
      for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
    }
  }
}
