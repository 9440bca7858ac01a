import Files
import Primitives

/// Has the system write a file to the disk while it still grows: the sync at its end then has little left to wait for.
enum Writeback {
  /// Large enough for a disk to write at its full speed.
  private static let step: UInt64 = 16 << 20

  /// The bytes from `start` to `end` were written just now; begins with every step that is full.
  static func start(of file: File, from start: UInt64, to end: UInt64) {
    guard start / step != end / step else { return }
    if let range = ByteRange(start: start / step * step, end: end / step * step) { file.startWriting(range) }
  }
}
