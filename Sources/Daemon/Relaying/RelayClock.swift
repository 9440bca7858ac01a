import EventLoop
import Primitives

/// The time, and calls at later times. Bound to the loop.
struct RelayClock {
  let now: () -> Instant
  /// Calls the closure once, after this time.
  let after: (Duration, @escaping () -> Void) -> Void

  init(now: @escaping () -> Instant, after: @escaping (Duration, @escaping () -> Void) -> Void) {
    self.now = now
    self.after = after
  }

  /// The loop's.
  init(of loop: EventLoop) {
    now = { loop.now }
    after = { delay, body in _ = loop.after(delay, body) }
  }
}
