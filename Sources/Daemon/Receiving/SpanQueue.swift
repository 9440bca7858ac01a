import Links
import Primitives

/// The spans of the ranges that one node is asked for: which lane is asked for which, and in which order their bytes belong.
/// A value without I/O.
///
/// A range is not requested as a whole, so that several lanes share it, that a lane that is lost delays only what it was asked
/// for, and that little is requested over a path before a better one takes its place.
struct SpanQueue {
  /// A request for a part of a range.
  struct Span: Hashable, Sendable {
    /// Its place in the order of the bytes.
    let number: Int
    /// The range that it is a part of, counted from 0.
    let range: Int
    var bytes: ByteRange
    let isFirst: Bool
    let isLast: Bool
  }

  private struct Rest {
    let range: Int
    var bytes: ByteRange
    var isFirst = true
  }

  private var ranges = 0
  private var waiting = Queue<Rest>()
  /// The part of the first waiting range that has not been given to a lane.
  private var first: Rest?
  private var spans = 0
  /// Spans that were lost with their lanes, in order.
  private var lost: [Span] = []
  /// Bytes that no lane has been asked for.
  private(set) var unassigned: UInt64 = 0

  /// Adds a range behind those that were added before.
  mutating func add(_ range: ByteRange) {
    let rest = Rest(range: ranges, bytes: range)
    ranges += 1
    unassigned += range.count
    if first == nil { first = rest } else { waiting.append(rest) }
  }

  /// Whether there is anything to ask a lane for.
  var isEmpty: Bool { first == nil && lost.isEmpty }

  /// The number of the span that `next` returns; lost ones come first.
  var nextNumber: Int { lost.first?.number ?? spans }

  /// The next span, of at most this many bytes; nil if everything is assigned.
  mutating func next(upTo length: UInt64) -> Span? {
    if !lost.isEmpty {
      unassigned -= lost[0].bytes.count
      return lost.removeFirst()
    }
    guard var rest = first else { return nil }
    let bytes = rest.bytes.prefix(max(1, length))
    let isLast = bytes.count == rest.bytes.count
    let span = Span(number: spans, range: rest.range, bytes: bytes, isFirst: rest.isFirst, isLast: isLast)
    spans += 1
    unassigned -= bytes.count
    rest.bytes = rest.bytes.dropFirst(bytes.count)
    rest.isFirst = false
    first = isLast ? waiting.popFirst() : rest
    return span
  }

  /// Takes back spans whose lane was lost, each with the bytes that are still missing.
  mutating func takeBack(_ more: [Span]) {
    lost = (lost + more).sorted { $0.number < $1.number }
    unassigned += more.reduce(0) { $0 + $1.bytes.count }
  }
}
