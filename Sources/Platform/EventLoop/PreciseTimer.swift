internal import CDatagrams
internal import CUV
package import Primitives

/// A timer that fires to the microsecond, and is set again and again. libuv's own timers count milliseconds.
package final class PreciseTimer: LoopHandle {
  private let descriptor: Int32
  private var body: (() -> Void)?
  private var instant: Instant?

  /// A timer that runs `body` on the loop each time it fires. Loop only.
  package init(on loop: EventLoop, _ body: @escaping () -> Void) throws(KacheryError) {
    let descriptor = CDatagrams_open_timer()
    try UVError.check(descriptor, "Opening a timer failed")
    self.descriptor = descriptor
    self.body = body
    super.init(loop: loop, byteCount: MemoryLayout<uv_poll_t>.size)
    guard !isClosing, uv_poll_init(loop.core.loop, raw(as: uv_poll_t.self), descriptor) == 0 else {
      _ = CUV.close(descriptor)
      throw EventLoop.stopping
    }
    adopt()
    uv_poll_start(raw(as: uv_poll_t.self), Int32(UV_READABLE.rawValue)) { handle, _, _ in
      (LoopHandle.owner(of: handle) as? PreciseTimer)?.fire()
    }
  }

  private func fire() {
    CDatagrams_clear_timer(descriptor)
    instant = nil
    body?()
  }

  /// Fires once at this time, immediately if it has passed, and at no other; nil for never.
  package func set(_ instant: Instant?) {
    loop.preconditionOnLoop()
    guard !isClosing, instant != self.instant else { return }
    self.instant = instant
    // Zero would stop the timer.
    CDatagrams_set_timer(descriptor, instant.map { max(1, $0.nanoseconds) } ?? 0)
  }

  override func closedByLoop() { close() }

  /// Closes the timer; its body does not run again. Idempotent.
  package func close() {
    guard !isClosing else { return }
    body = nil
    closeHandle()
    // libuv polls it no more.
    _ = CUV.close(descriptor)
  }
}
