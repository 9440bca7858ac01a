import EventLoop
import Primitives
import Synchronization
import Testing

@Suite struct EventLoopTests {
  @Test func closuresRunOnTheLoopInOrder() async throws {
    let loop = try EventLoop(name: "test")
    let order = Mutex<[Int]>([])
    for number in 0..<100 { loop.post { order.withLock { $0.append(number) } } }
    #expect(await loop.run { loop.isOnLoop })
    #expect(!loop.isOnLoop)
    #expect(order.withLock { $0 } == Array(0..<100))
    await loop.shutdown()
  }

  actor Counter {
    let loop: EventLoop
    var count = 0
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(loop: EventLoop) { self.loop = loop }

    func increment() -> Bool {
      count += 1
      return loop.isOnLoop
    }
  }

  @Test func anActorLivesOnItsLoop() async throws {
    let loop = try EventLoop(name: "test")
    let counter = Counter(loop: loop)
    let results = await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<1_000 { group.addTask { await counter.increment() } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(results.allSatisfy { $0 })
    #expect(await counter.count == 1_000)
    #expect(await loop.run { counter.assumeIsolated { $0.count } } == 1_000)
    await loop.shutdown()
  }

  @Test func timersFireOnceOrAgainAndNotAfterCancel() async throws {
    let loop = try EventLoop(name: "test")
    let fired = Mutex((once: 0, repeated: 0, cancelled: 0))
    await withCheckedContinuation { continuation in
      loop.post {
        _ = loop.after(.milliseconds(1)) { fired.withLock { $0.once += 1 } }
        let cancelled = loop.after(.milliseconds(1)) { fired.withLock { $0.cancelled += 1 } }
        cancelled.cancel()
        cancelled.cancel()
        var timer: Timer?
        timer = loop.after(.milliseconds(1), repeating: .milliseconds(1)) {
          let count = fired.withLock { fired in
            fired.repeated += 1
            return fired.repeated
          }
          guard count == 3 else { return }
          timer?.cancel()
          timer = nil
          continuation.resume()
        }
      }
    }
    _ = await loop.run { 0 }
    #expect(fired.withLock { $0.once } == 1)
    #expect(fired.withLock { $0.repeated } == 3)
    #expect(fired.withLock { $0.cancelled } == 0)
    #expect(await loop.run { loop.openHandles } == 0)
    await loop.shutdown()
  }

  @Test func poolWorkCompletesOnTheLoop() async throws {
    let loop = try EventLoop(name: "test")
    let (wasOnLoop, cameBack): (Bool, Bool) = await withCheckedContinuation { continuation in
      loop.post {
        loop.work({ loop.isOnLoop }) { wasOnLoop in continuation.resume(returning: (wasOnLoop, loop.isOnLoop)) }
      }
    }
    #expect(!wasOnLoop)
    #expect(cameBack)
    #expect(try await loop.onPool { 6 * 7 } == 42)
    await #expect(throws: KacheryError.self) {
      try await loop.onPool { () throws(KacheryError) -> Int in throw KacheryError(.notFound, "No.") }
    }
    await loop.shutdown()
  }

  @Test func shutdownClosesEverythingAndWaitsForWork() async throws {
    let loop = try EventLoop(name: "test")
    let finished = Atomic<Int>(0)
    _ = try await loop.run {
      _ = loop.after(.seconds(1_000)) {}
      _ = loop.after(.seconds(1_000), repeating: .seconds(1)) {}
      _ = try TCPListener.listen(on: loop, host: "127.0.0.1", port: 0)
      for _ in 0..<20 {
        loop.work({ finished.wrappingAdd(1, ordering: .relaxed) }) {}
      }
      return loop.openHandles
    }
    async let first: Void = loop.shutdown()
    async let second: Void = loop.shutdown()
    _ = await (first, second)
    await loop.shutdown()
    #expect(loop.openHandles == 0)
    #expect(finished.load(ordering: .relaxed) == 20)
  }

  @Test func nothingWaitsForeverAfterTheEnd() async throws {
    let loop = try EventLoop(name: "test")
    let counter = Counter(loop: loop)
    await loop.shutdown()
    _ = await counter.increment()
    #expect(await counter.count == 1)
    await #expect(throws: KacheryError.self) { try await loop.onPool { 1 } }
  }
}
