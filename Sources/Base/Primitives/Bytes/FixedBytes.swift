/// A value with a fixed number of bytes, written as lower-case hexadecimal.
package protocol FixedBytes: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The number of bytes of every value.
  static var byteCount: Int { get }
  /// The bytes; their number is `byteCount`.
  var bytes: [UInt8] { get }
  /// The value of these bytes; nil unless there are exactly `byteCount`.
  init?(bytes: some Collection<UInt8>)
}

extension FixedBytes {
  /// The value that `hex` spells in either case; nil unless it has exactly `2 * byteCount` digits.
  package init?(hex: some StringProtocol) {
    guard hex.utf8.count == 2 * Self.byteCount, let bytes = Hex.decode(hex) else { return nil }
    self.init(bytes: bytes)
  }

  /// The lower-case hexadecimal digits.
  package var hex: String { Hex.encode(bytes) }

  /// The lower-case hexadecimal digits.
  package var description: String { hex }

  /// Byte order, which is also the order of the hexadecimal text.
  package static func < (left: Self, right: Self) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }
}
