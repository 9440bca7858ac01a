import Crypto
import EventLoop
import NodeCore
import Primitives
import Testing
import Transfer

@testable import Daemon

/// Turns under a rate limit: a timer ends each pause, and without a wake-up a pause would never end.
@Suite struct UploadSchedulerTests {
  private actor Uploads {
    let loop: EventLoop
    private let scheduler: UploadScheduler
    private var turn: UploadScheduler.Turn?
    private var left = 0
    private var isEntering = false
    /// Blocks that had their turn, and how many of them had to wait for it.
    private(set) var sent = 0
    private(set) var waited = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    /// - Parameter step: how far the clock advances between two readings.
    init(megabytesPerSecond: Int, step: Duration) throws {
      loop = try EventLoop(name: "scheduler")
      let schedule = try RateSchedule(parsing: "\(megabytesPerSecond)")
      var now = loop.now
      scheduler = UploadScheduler(capacity: 4, limit: RateLimit(schedule), loop: loop) {
        now = now + step
        return now
      }
    }

    /// Sends this many blocks, one after another.
    func send(_ blocks: Int, of count: Int) async {
      left = blocks
      await withCheckedContinuation { continuation in next(count) { continuation.resume() } }
    }

    private func next(_ count: Int, _ done: @escaping () -> Void) {
      guard left > 0 else { return done() }
      left -= 1
      isEntering = true
      defer { isEntering = false }
      turn = scheduler.enter(LinkID(number: 1), for: .of([1]), cost: count) { turn in
        self.sent += 1
        if !self.isEntering { self.waited += 1 }
        _ = self.loop.after(.zero) {
          turn.end(spent: count)
          self.next(count, done)
        }
      }
    }
  }

  /// A quarter of a second's worth is sent immediately, then a pause precedes each block.
  /// A pause of 6.6 ms may end between any two readings of the clock.
  @Test(.timeLimit(.minutes(1)), arguments: Array(stride(from: 100, through: 600, by: 100)))
  func noPauseIsWithoutEnd(_ microseconds: Int) async throws {
    let uploads = try Uploads(megabytesPerSecond: 40, step: .microseconds(microseconds))
    await uploads.send(80, of: 256 << 10)
    #expect(await uploads.sent == 80)
    #expect(await uploads.waited > 0, "without a pause the test proves nothing")
    await uploads.loop.shutdown()
  }
}
