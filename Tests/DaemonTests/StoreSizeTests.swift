import ContentStore
import EventLoop
import Primitives
import Synchronization
import Testing

@testable import Daemon

/// How much is in the store, for the metrics.
@Suite(.timeLimit(.minutes(1))) struct StoreSizeTests {
  private actor Asker {
    let loop: EventLoop
    /// The number of files that each count finds, which is the number of counts so far.
    private let counts: Mutex<Int>
    private lazy var size = StoreSize(loop: loop) { [self] () throws(KacheryError) in
      let number = counts.withLock { counts in
        counts += 1
        return counts
      }
      guard number != 2 else { throw KacheryError(.internalError, "the disk does not answer") }
      var usage = StoreUsage()
      usage.files.count = number
      return usage
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init() throws {
      loop = try EventLoop(name: "size")
      counts = Mutex(0)
    }

    var begun: Int { counts.withLock { $0 } }

    /// What is known after this time.
    func files(after time: Duration) -> Int? { size.latest(at: loop.now + time)?.files.count }
  }

  @Test func itIsCountedRarelyAndKeptWhenACountFails() async throws {
    let asker = try Asker()
    #expect(await asker.files(after: .zero) == nil, "nobody waits for the first count")
    #expect(await eventually { await asker.files(after: .zero) == 1 })
    #expect(await asker.files(after: .seconds(14 * 60)) == 1)
    #expect(await asker.begun == 1)
    #expect(await asker.files(after: .seconds(16 * 60)) == 1)
    #expect(await eventually { await asker.begun == 2 })
    #expect(await eventually { await asker.files(after: .seconds(40 * 60)) == 3 })
    await asker.loop.shutdown()
  }
}
