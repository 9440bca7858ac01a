/// A half-open range of bytes in a file: `start` is the first byte, `end` the one after the last.
package struct ByteRange: Hashable, Sendable, CustomStringConvertible {
  package private(set) var start: UInt64
  package private(set) var end: UInt64

  /// The range from `start` up to but excluding `end`; nil if `end` is before `start`.
  package init?(start: UInt64, end: UInt64) {
    guard start <= end else { return nil }
    self.start = start
    self.end = end
  }

  /// All `size` bytes of a file.
  package init(whole size: UInt64) {
    start = 0
    end = size
  }

  /// The number of bytes.
  package var count: UInt64 { end - start }

  package var isEmpty: Bool { start == end }

  package var description: String { "\(start)..<\(end)" }

  /// Whether this range contains every byte of `other`.
  package func contains(_ other: ByteRange) -> Bool { start <= other.start && other.end <= end }

  /// The first `count` bytes of the range, or all of it if it has fewer.
  package func prefix(_ count: UInt64) -> ByteRange {
    var first = self
    first.end = start + min(count, self.count)
    return first
  }

  /// The range without its first `count` bytes; empty if it is not longer.
  package func dropFirst(_ count: UInt64) -> ByteRange {
    var rest = self
    rest.start = start + min(count, self.count)
    return rest
  }

  /// Whether the two ranges share a byte.
  package func overlaps(_ other: ByteRange) -> Bool { start < other.end && other.start < end }
}
