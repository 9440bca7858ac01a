import Primitives

/// Whether the blocks that are read for peers and not yet sent take too much memory. Bound to the loop.
///
/// Each stream holds up to a megabyte, and there is a place for a thousand of them: peers that take nothing would hold a
/// gigabyte. While all streams together hold more than the limit, each gets its next block only when its last one has
/// been sent, and small blocks.
final class UploadMemory {
  /// Bytes that may be held without further ado.
  static let limit = 64 << 20
  /// Bytes of a block while more is held: a thousand of them are a quarter of the limit.
  static let smallBlock = 16 << 10
  /// Streams that cannot hold more than the limit.
  private static let harmless = 48
  /// For how long a count is used again: counting at every block would cost more than it finds out.
  private static let validity: Duration = .milliseconds(10)

  private let held: () -> (streams: Int, bytes: Int)
  private let now: () -> Instant
  private var last: (at: Instant, isCrowded: Bool)?

  /// - Parameter held: counts the streams, and the bytes that they hold.
  init(now: @escaping () -> Instant, held: @escaping () -> (streams: Int, bytes: Int)) {
    self.now = now
    self.held = held
  }

  /// Whether no stream should hold more than it needs to go on.
  var isCrowded: Bool {
    let now = now()
    if let last, now - last.at < Self.validity { return last.isCrowded }
    let held = held()
    let isCrowded = held.streams > Self.harmless && held.bytes > Self.limit
    last = (now, isCrowded)
    return isCrowded
  }

  /// Bytes of the next block.
  var blockSize: Int { isCrowded ? Self.smallBlock : Limits.blockSize }
}
