internal import CUV
package import Primitives

/// A timer on the loop.
package final class Timer: LoopHandle {
  private var body: (() -> Void)?
  private let repeats: Bool

  fileprivate init(loop: EventLoop, delay: Duration, repeating: Duration?, body: @escaping () -> Void) {
    self.body = body
    repeats = repeating != nil
    super.init(loop: loop, byteCount: MemoryLayout<uv_timer_t>.size)
    guard !isClosing else { return }
    let timer = raw(as: uv_timer_t.self)
    uv_timer_init(loop.core.loop, timer)
    adopt()
    uv_update_time(loop.core.loop)
    // Fractions of a millisecond are rounded up: a timer that fires early would find its owner's deadline not yet due.
    let milliseconds = (delay.wholeNanoseconds + 999_999) / 1_000_000
    uv_timer_start(
      timer, { (LoopHandle.owner(of: $0) as? Timer)?.fire() }, milliseconds, repeating?.wholeMilliseconds ?? 0)
  }

  private func fire() {
    let body = body
    if !repeats { cancel() }
    body?()
  }

  /// Cancels the timer; its body does not run again. Idempotent, also from the body.
  package func cancel() {
    body = nil
    closeHandle()
  }

  override func closedByLoop() { cancel() }
}

/// Watches for a signal to this process.
package final class SignalWatch: LoopHandle {
  private var body: (() -> Void)?

  fileprivate init(loop: EventLoop, number: Int32, body: @escaping () -> Void) throws(KacheryError) {
    self.body = body
    super.init(loop: loop, byteCount: MemoryLayout<uv_signal_t>.size)
    guard !isClosing else { throw EventLoop.stopping }
    let signal = raw(as: uv_signal_t.self)
    uv_signal_init(loop.core.loop, signal)
    adopt()
    let result = uv_signal_start(
      signal, { handle, _ in (LoopHandle.owner(of: handle) as? SignalWatch)?.body?() }, number)
    guard result < 0 else { return }
    cancel()
    throw UVError.error(result, "Watching for signal \(number) failed")
  }

  /// Cancels the watch. Idempotent.
  package func cancel() {
    body = nil
    closeHandle()
  }

  override func closedByLoop() { cancel() }
}

/// Watches a descriptor for readable data. The descriptor must stay open until the watch is cancelled.
package final class DescriptorWatch: LoopHandle {
  private var body: (() -> Void)?

  fileprivate init(loop: EventLoop, descriptor: Int32, body: @escaping () -> Void) throws(KacheryError) {
    self.body = body
    super.init(loop: loop, byteCount: MemoryLayout<uv_poll_t>.size)
    guard !isClosing else { throw EventLoop.stopping }
    let poll = raw(as: uv_poll_t.self)
    let opened = uv_poll_init(loop.core.loop, poll, descriptor)
    guard opened == 0 else { throw UVError.error(opened, "Watching descriptor \(descriptor) failed") }
    adopt()
    uv_poll_start(poll, Int32(UV_READABLE.rawValue)) { handle, _, _ in
      (LoopHandle.owner(of: handle) as? DescriptorWatch)?.body?()
    }
  }

  /// Cancels the watch. Idempotent.
  package func cancel() {
    body = nil
    closeHandle()
  }

  override func closedByLoop() { cancel() }
}

extension EventLoop {
  /// Runs `body` on the loop after `delay`, and then every `repeating`. Loop only.
  package func after(_ delay: Duration, repeating: Duration? = nil, _ body: @escaping () -> Void) -> Timer {
    Timer(loop: self, delay: delay, repeating: repeating, body: body)
  }

  /// Runs `body` on the loop whenever the process receives this signal. Loop only.
  package func onSignal(_ number: Int32, _ body: @escaping () -> Void) throws(KacheryError) -> SignalWatch {
    try SignalWatch(loop: self, number: number, body: body)
  }

  /// Runs `body` on the loop whenever the descriptor is readable. Loop only.
  package func watch(descriptor: Int32, _ body: @escaping () -> Void) throws(KacheryError) -> DescriptorWatch {
    try DescriptorWatch(loop: self, descriptor: descriptor, body: body)
  }
}
