import EventLoop
import Glibc
import Primitives
import NodeCore
import Transfer

/// Keeps what a node sends, or takes in, to the rate that its owner allows at this time of day. Bound to the loop.
final class Pacer {
  private let loop: EventLoop
  private let schedule: RateSchedule?
  private var bucket: TokenBucket?

  init(_ schedule: RateSchedule?, loop: EventLoop) {
    self.loop = loop
    self.schedule = schedule
  }

  /// Goes on with `body` once so many bytes may move: mostly at once.
  func pass(_ count: Int, _ body: @escaping () -> Void) {
    let delay = delay(for: count)
    if delay == .zero { body() } else { _ = loop.after(delay, body) }
  }

  /// Returns once so many bytes may move.
  func pass(_ count: Int) async {
    let delay = delay(for: count)
    guard delay != .zero else { return }
    await withCheckedContinuation { continuation in _ = loop.after(delay) { continuation.resume() } }
  }

  private func delay(for count: Int) -> Duration {
    guard let rate = schedule?.rate(atMinute: Self.minuteOfDay) else { return .zero }
    var bucket = bucket ?? TokenBucket(rate: rate, at: loop.now)
    defer { self.bucket = bucket }
    return bucket.delay(for: count, rate: rate, at: loop.now)
  }

  private static var minuteOfDay: Int {
    var now = time(nil)
    var parts = tm()
    localtime_r(&now, &parts)
    return Int(parts.tm_hour) * 60 + Int(parts.tm_min)
  }
}

/// Lets no more than so many blocks be read for peers at once, in fair turns. A turn is one block, so nobody who takes nothing
/// keeps others from theirs. Bound to the loop.
final class UploadGate {
  private var slots: UploadSlots<LinkID>
  private var waiting: [UInt64: () -> Void] = [:]

  init(capacity: Int) { slots = UploadSlots(capacity: capacity) }

  /// Does something for a peer once it is its turn; the turn lasts until `leave` is called.
  func enter(_ peer: LinkID, _ body: @escaping (_ leave: @escaping () -> Void) -> Void) {
    let (id, isServed) = slots.take(for: peer)
    let turn = { body { self.leave(id) } }
    if isServed { turn() } else { waiting[id] = turn }
  }

  private func leave(_ id: UInt64) {
    if let next = slots.release(id) { waiting.removeValue(forKey: next)?() }
  }
}
