import Crypto
import EventLoop
import NodeCore
import Primitives
import Testing
import Transfer

@testable import Daemon

/// Turns under a rate limit: each pause ends by a timer, and one that nobody wakes from would be the last.
@Suite struct UploadSchedulerTests {
  private actor Uploads {
    let loop: EventLoop
    private let scheduler: UploadScheduler
    private var turn: UploadScheduler.Turn?
    private var left = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    /// - Parameter step: by how much the clock moves on between two looks at it.
    init(megabytesPerSecond: Int, step: Duration) throws {
      loop = try EventLoop(name: "scheduler")
      let schedule = try RateSchedule(parsing: "\(megabytesPerSecond)")
      var now = loop.now
      scheduler = UploadScheduler(capacity: 4, limit: RateLimit(schedule), loop: loop) {
        now = now + step
        return now
      }
    }

    /// Sends so many blocks, one after the other.
    func send(_ blocks: Int, of count: Int) async {
      left = blocks
      await withCheckedContinuation { continuation in next(count) { continuation.resume() } }
    }

    private func next(_ count: Int, _ done: @escaping () -> Void) {
      guard left > 0 else { return done() }
      left -= 1
      turn = scheduler.enter(LinkID(number: 1), for: .of([1]), cost: count) { turn in
        _ = self.loop.after(.zero) {
          turn.end(spent: count)
          self.next(count, done)
        }
      }
    }
  }

  /// A quarter of a second's worth goes at once, then a pause comes before each block.
  /// A pause of 6.6 ms may end between any two looks at the clock.
  @Test(.timeLimit(.minutes(1)), arguments: Array(stride(from: 400, through: 1_600, by: 200)))
  func noPauseIsWithoutEnd(_ microseconds: Int) async throws {
    let uploads = try Uploads(megabytesPerSecond: 40, step: .microseconds(microseconds))
    await uploads.send(80, of: 256 << 10)
    await uploads.loop.shutdown()
  }
}
