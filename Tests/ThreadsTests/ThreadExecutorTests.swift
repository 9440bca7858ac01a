import Foundation
import Testing
import Threads

@Suite struct ThreadExecutorTests {
  @Test(.timeLimit(.minutes(1))) func runsItsActorOnItsThread() async {
    let executor = ThreadExecutor(name: "executor")
    #expect(executor.isIsolatingCurrentContext() == false)
    let owner = Owner(executor: executor)
    #expect(await owner.isOnExecutor())
    for _ in 0..<100 { await owner.add() }
    #expect(await owner.count == 100)
  }

  @Test(.timeLimit(.minutes(1))) func runsJobsOfManyTasksOneAtATime() async {
    let owner = Owner(executor: ThreadExecutor(name: "executor"))
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<200 { group.addTask { await owner.add() } }
    }
    #expect(await owner.count == 200)
  }

  @Test(.timeLimit(.minutes(1))) func threadsHaveIdentitiesAndNames() async throws {
    let caller = ThreadID.current
    #expect(caller == .current)
    let (other, name): (ThreadID, String) = try await withCheckedThrowingContinuation { continuation in
      do {
        try SystemThread.run(named: "a name that is too long") {
          let name = Result { try String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8) }
          continuation.resume(with: name.map { (ThreadID.current, $0) })
        }
      } catch { continuation.resume(throwing: error) }
    }
    #expect(other != caller)
    #expect(name == "a name that is \n")
  }

  private actor Owner {
    let executor: ThreadExecutor
    private(set) var count = 0
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(executor: ThreadExecutor) { self.executor = executor }

    func isOnExecutor() -> Bool { executor.isIsolatingCurrentContext() == true }

    func add() { count += 1 }
  }
}
