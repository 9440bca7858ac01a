import Primitives

/// Which bytes of a file a request asks for by its header `Range` (RFC 9110, section 14.2).
enum RangeRequest: Hashable, Sendable {
  case whole
  case part(ByteRange)
  /// The file has none of the bytes.
  case unsatisfiable

  /// Longer lists are ignored, as the standard allows: the answer is the whole file.
  private static let mostRanges = 64

  /// Reads the header. One that is malformed or in another unit is ignored, as the standard demands. Of several ranges,
  /// the first that the file has is sent: a client that asks for several must see what it gets by `Content-Range`.
  ///
  /// - Parameters:
  ///   - header: nil if there is none.
  ///   - size: of the file, in bytes.
  init(_ header: String?, size: UInt64) {
    guard let header, let list = Self.ranges(in: header), !list.isEmpty else {
      self = .whole
      return
    }
    // No part of an empty file can be named.
    guard size > 0 else {
      self = list.contains { if case .last = $0 { true } else { false } } ? .whole : .unsatisfiable
      return
    }
    self = list.lazy.compactMap { $0.resolved(in: size) }.first.map { .part($0) } ?? .unsatisfiable
  }

  private enum Written {
    case from(UInt64, to: UInt64?)
    /// The last bytes of the file.
    case last(UInt64)

    func resolved(in size: UInt64) -> ByteRange? {
      switch self {
      case .from(let start, let last):
        guard start < size else { return nil }
        let end = last.map { $0 < size ? $0 + 1 : size } ?? size
        return ByteRange(start: start, end: end)
      case .last(let count): return count == 0 ? nil : ByteRange(start: size - min(count, size), end: size)
      }
    }
  }

  /// The ranges of a header; nil if it is not one.
  private static func ranges(in header: String) -> [Written]? {
    let (unit, rest) = header.cut(at: "=")
    guard let rest, trimmed(unit).lowercasedASCII.utf8.elementsEqual("bytes".utf8) else { return nil }
    // An empty element of a list counts for nothing (RFC 9110, section 5.6.1).
    let elements = rest.parts(separatedBy: ",").map { trimmed($0) }.filter { !$0.isEmpty }
    guard elements.count <= mostRanges else { return nil }
    let ranges = elements.compactMap { range($0) }
    return ranges.count == elements.count ? ranges : nil
  }

  private static func range(_ element: Substring) -> Written? {
    let (first, last) = element.cut(at: "-")
    guard let last else { return nil }
    if first.isEmpty { return number(last).map { .last($0) } }
    guard let start = number(first) else { return nil }
    if last.isEmpty { return .from(start, to: nil) }
    guard let end = number(last), end >= start else { return nil }
    return .from(start, to: end)
  }

  /// A number of decimal digits; one that is larger than any file counts as the largest.
  private static func number(_ text: Substring) -> UInt64? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return UInt64(text) ?? .max
  }

  /// The text without blanks and tabs at its ends.
  static func trimmed(_ text: Substring) -> Substring {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    let tail = text.utf8.drop(while: isBlank)
    return Substring(tail.prefix(tail.count - tail.reversed().prefix(while: isBlank).count))
  }
}
