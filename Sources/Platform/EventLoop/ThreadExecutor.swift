internal import CUV
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
    current.load(ordering: .acquiring) == UInt(bitPattern: Int(pthread_self()))
  }

  /// The thread exists only while there is work: an idle executor costs nothing and needs no shutdown.
  private func startThread() {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(self).toOpaque()
    let result = pthread_create(
      &thread, nil,
      { data in
        if let data { Unmanaged<ThreadExecutor>.fromOpaque(data).takeRetainedValue().runJobs() }
        return nil
      }, context)
    precondition(result == 0, "the system gives no thread")
    pthread_detach(thread)
  }

  private func runJobs() {
    CUV_name_thread(name)
    current.store(UInt(bitPattern: Int(pthread_self())), ordering: .releasing)
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
