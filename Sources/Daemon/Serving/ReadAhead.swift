import Primitives

/// What of a file shall be read into memory before it is needed, for somebody who reads it from one end to the other.
///
/// Systems do that by themselves, but Linux by no more than 128 KiB where nobody told it otherwise, and somebody who sends what
/// is there waits each time for what is not: a file of 1 GiB that was not in memory took 2.7 s, and 2.1 s with this.
struct ReadAhead {
  /// How far before its use: what is sent while a disk finds its place.
  static let depth: UInt64 = 4 << 20
  /// The pieces: small enough for a system to take one whole (Linux cuts what is more than it hands to a disk at once).
  static let step: UInt64 = 1 << 20

  /// Where the last range ended that was needed.
  private var position: UInt64 = 0
  /// Where what was named ends.
  private var reached: UInt64 = 0

  /// What is to be read now that `range` is needed, and nothing from `end` on will be; nil where nothing is.
  mutating func next(needing range: ByteRange, before end: UInt64) -> ByteRange? {
    guard range.end <= end else { return nil }
    reached = range.start == position ? max(reached, range.end) : range.end
    position = range.end
    let goal = range.end + min(Self.depth, end - range.end)
    guard goal > reached, goal == end || goal - reached >= Self.step else { return nil }
    defer { reached = min(goal, reached + Self.step) }
    return ByteRange(start: reached, end: min(goal, reached + Self.step))
  }
}
