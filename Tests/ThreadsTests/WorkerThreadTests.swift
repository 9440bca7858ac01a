import Primitives
import Synchronization
import TestSupport
import Testing
import Threads

@Suite struct WorkerThreadTests {
  @Test func worksInOrder() throws {
    let lane = try WorkerThread(named: "test", depth: 3)
    let done = Mutex<[Int]>([])
    for number in 0..<1_000 { lane.add { done.withLock { $0.append(number) } } }
    lane.waitUntilDone()
    #expect(done.withLock { $0 } == Array(0..<1_000))
  }

  /// The purpose of the bound: a buffer may be reused after `depth` more pieces of work were added.
  @Test func blocksCallersThatAddTooMuch() throws {
    let depth = 4
    let lane = try WorkerThread(named: "test", depth: depth)
    let ended = Atomic<Int>(0)
    for number in 0..<500 {
      lane.add { ended.wrappingAdd(1, ordering: .sequentiallyConsistent) }
      #expect(number + 1 - ended.load(ordering: .sequentiallyConsistent) <= depth)
    }
    lane.waitUntilDone()
    #expect(ended.load(ordering: .sequentiallyConsistent) == 500)
  }

  /// Nothing needs to wait: the work that was added is done, and then the thread ends and releases it.
  @Test func aReleasedThreadFinishesItsWork() throws {
    let first = try WorkerThread(named: "test", depth: 1)
    let value = Mutex(0)
    do {
      let lane = try WorkerThread(named: "test", depth: 8)
      for _ in 0..<5 { lane.add { value.withLock { $0 += 1 } } }
      lane.waitUntilDone()
    }
    first.waitUntilDone()
    #expect(value.withLock { $0 } == 5)
  }
}
