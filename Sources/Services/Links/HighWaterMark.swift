import Primitives

/// How many bytes of streams may wait for a pipe: what it takes in about 50 ms, so that a small message never waits
/// behind much more. A value without I/O.
struct HighWaterMark {
  static let least = 128 << 10
  static let most = 1 << 20
  private static let time = 0.05

  /// The current mark.
  private(set) var bytes = least
  private var filled: (bytes: Int, at: Instant)?

  /// This number of bytes waits for the pipe, and no more are added.
  mutating func full(_ count: Int, at now: Instant) {
    if filled == nil { filled = (count, now) }
  }

  /// The pipe has taken everything.
  mutating func drained(at now: Instant) {
    guard let full = filled else { return }
    filled = nil
    let rate = Double(full.bytes) / max(1e-6, (now - full.at).inSeconds)
    bytes = Int(min(max(rate * Self.time, Double(Self.least)), Double(Self.most)))
  }
}
