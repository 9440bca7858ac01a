import Links
import Primitives

/// The spans of the ranges requested from one node: which lane gets which, and the order of their bytes. A value
/// without I/O.
///
/// A range is not requested as a whole: so several lanes can share it, a lost lane delays only its own spans, and
/// little is requested over a path before a better one replaces it.
struct SpanQueue {
  /// A request for a part of a range.
  struct Span: Hashable, Sendable {
    /// Its place in the order of the bytes.
    let number: Int
    var bytes: ByteRange
    let isFirst: Bool
    let isLast: Bool
  }

  private struct Rest {
    var bytes: ByteRange
    var isFirst = true
  }

  private var waiting = Queue<Rest>()
  /// The part of the first waiting range that is not assigned to a lane.
  private var first: Rest?
  private var spans = 0
  /// Spans that were lost with their lanes, in order.
  private var lost: [Span] = []
  /// Bytes that are not assigned to a lane.
  private(set) var unassigned: UInt64 = 0

  /// Adds a range after all earlier ones.
  mutating func add(_ range: ByteRange) {
    let rest = Rest(bytes: range)
    unassigned += range.count
    if first == nil { first = rest } else { waiting.append(rest) }
  }

  /// Whether nothing is left to assign.
  var isEmpty: Bool { first == nil && lost.isEmpty }

  /// The number of the span that `next` returns; lost spans take precedence.
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
    let span = Span(number: spans, bytes: bytes, isFirst: rest.isFirst, isLast: isLast)
    spans += 1
    unassigned -= bytes.count
    rest.bytes = rest.bytes.dropFirst(bytes.count)
    rest.isFirst = false
    first = isLast ? waiting.popFirst() : rest
    return span
  }

  /// Adds spans whose lane was lost, each with the bytes that are still missing.
  mutating func takeBack(_ more: [Span]) {
    lost = (lost + more).sorted { $0.number < $1.number }
    unassigned += more.reduce(0) { $0 + $1.bytes.count }
  }
}
