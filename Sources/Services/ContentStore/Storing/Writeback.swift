import Files
import Primitives

/// Starts writing a growing file to the disk early, so that the final sync has little left to wait for.
enum Writeback {
  /// Large enough for a disk to write at full speed.
  static let step: UInt64 = 16 << 20

  /// Starts writeback of each complete step in the bytes just written, from `start` to `end`.
  static func start(of file: File, from start: UInt64, to end: UInt64) {
    guard start / step != end / step else { return }
    if let range = ByteRange(start: start / step * step, end: end / step * step) { file.startWriting(range) }
  }
}
