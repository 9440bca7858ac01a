import EventLoop
import Primitives

/// The time, and calls at later times. Bound to the loop.
struct RelayClock {
  let now: () -> Instant
  /// Calls the closure once, after this time.
  let after: (Duration, @escaping () -> Void) -> Void

  /// Calls the closure once, in the next turn of the loop: after everything that is ready now has been reported.
  let soon: (@escaping () -> Void) -> Void

  init(
    now: @escaping () -> Instant, after: @escaping (Duration, @escaping () -> Void) -> Void,
    soon: @escaping (@escaping () -> Void) -> Void
  ) {
    self.now = now
    self.after = after
    self.soon = soon
  }

  /// The loop's.
  init(of loop: EventLoop) {
    now = { loop.now }
    after = { delay, body in _ = loop.after(delay, body) }
    // A timer without a delay may run in this turn.
    soon = { loop.later($0) }
  }
}
