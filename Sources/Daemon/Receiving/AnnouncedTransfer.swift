import EventLoop
import Links
import Primitives

/// A transfer that will begin once its manifest and its place in the store are ready: its lanes open meanwhile. Bound to
/// the loop.
final class AnnouncedTransfer: LaneUser {
  /// How long to keep lanes for it by default.
  static let patience: Duration = .seconds(2)

  let bytesLeft: UInt64
  private let lanes: any Lanes
  private let onEnd: () -> Void
  private var timer: Timer?

  /// - Parameters:
  ///   - patience: how long to keep lanes for it.
  ///   - onEnd: called at the end; the caller releases the transfer.
  init(of bytes: UInt64, _ lanes: any Lanes, for patience: Duration, loop: EventLoop, onEnd: @escaping () -> Void) {
    bytesLeft = bytes
    self.lanes = lanes
    self.onEnd = onEnd
    lanes.join(self)
    timer = loop.after(patience) { [weak self] in self?.end() }
  }

  /// It has begun, or will not. Idempotent.
  func end() {
    guard let timer else { return }
    timer.cancel()
    self.timer = nil
    lanes.leave(self)
    onEnd()
  }

  func lanesChanged() {}

  func linkAbandoned(_ link: LinkID) {}
}
