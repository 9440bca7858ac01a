import EventLoop
import Feeds
import NodeCore
import Primitives
import Process
import Transfer

/// Runs the core: passes it inputs with the time, carries out its effects, and wakes it when due. Bound to the loop.
final class CoreDriver {
  /// Carries out one effect. Inputs that arrive during that are drained by the outermost call.
  var onEffect: (NodeEffect) -> Void = { _ in }

  private var core: NodeCore
  private let loop: EventLoop
  private var wakeUp: Timer?
  private var isDraining = false
  private var isStopped = false

  init(_ core: NodeCore, loop: EventLoop) {
    self.core = core
    self.loop = loop
  }

  /// The time now, by both clocks.
  var now: Timestamps { Timestamps(instant: loop.now, wall: .now) }

  /// Passes an input to the core and carries out the resulting effects.
  func input(_ body: (inout NodeCore, Timestamps) -> Void) {
    loop.preconditionOnLoop()
    body(&core, now)
    drain()
  }

  /// Passes an input to the engine of transfers.
  func transfer(_ body: (inout TransferEngine, Instant) -> Void) { input { $0.transfer(at: $1, body) } }

  /// Passes an input to the engine of feeds.
  func feeds(_ body: (inout FeedEngine, Instant) -> Void) { input { $0.feeds(at: $1, body) } }

  /// Reads the core without changing it.
  func read<T>(_ body: (NodeCore) -> T) -> T {
    loop.preconditionOnLoop()
    return body(core)
  }

  /// Stops carrying out effects and waking the core.
  func stop() {
    isStopped = true
    wakeUp?.cancel()
  }

  private func drain() {
    guard !isDraining, !isStopped else { return }
    isDraining = true
    while let effect = core.nextEffect() { onEffect(effect) }
    isDraining = false
    wakeUp?.cancel()
    wakeUp = core.wakeAt.map { due in
      loop.after(due - loop.now) { [weak self] in self?.input { $0.wake(at: $1) } }
    }
  }
}
