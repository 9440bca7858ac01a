/// Reads numbers and byte strings from the front of untrusted bytes, never past their end.
package struct ByteReader: Sendable {
  private let bytes: ArraySlice<UInt8>
  private var position: Int

  /// A reader at the first of `bytes`.
  package init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  /// A reader at the first of `bytes`.
  package init(_ bytes: [UInt8]) { self.init(bytes[...]) }

  /// How many bytes are left.
  package var remaining: Int { bytes.endIndex - position }

  /// The next `count` bytes.
  package mutating func take(_ count: Int) throws(ByteReaderError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= remaining else { throw .truncated }
    defer { position += count }
    return bytes[position..<position + count]
  }

  /// The next byte.
  package mutating func byte() throws(ByteReaderError) -> UInt8 { try integer() }

  /// The next integer, big-endian.
  package mutating func integer<Number: FixedWidthInteger & UnsignedInteger>(
    _ type: Number.Type = Number.self
  ) throws(ByteReaderError) -> Number {
    Number(truncatingIfNeeded: try number(byteCount: Number.bitWidth / 8))
  }

  /// A number of up to 8 bytes; separate from `integer`, so that it is compiled only once.
  private mutating func number(byteCount: Int) throws(ByteReaderError) -> UInt64 {
    var number: UInt64 = 0
    for byte in try take(byteCount) { number = number << 8 | UInt64(byte) }
    return number
  }

  /// A flag: a byte that must be 0 or 1.
  package mutating func flag() throws(ByteReaderError) -> Bool {
    switch try byte() {
    case 0: false
    case 1: true
    default: throw .malformed
    }
  }

  /// A 16-bit length, at most `limit`, followed by that many bytes.
  package mutating func bytes(limit: Int) throws(ByteReaderError) -> ArraySlice<UInt8> {
    let count = Int(try integer(UInt16.self))
    guard count <= limit else { throw .tooLong }
    return try take(count)
  }

  /// A 16-bit length, at most `limit`, followed by that many bytes of valid UTF-8.
  package mutating func text(limit: Int) throws(ByteReaderError) -> String {
    guard let text = String(validating: try bytes(limit: limit), as: UTF8.self) else { throw .malformed }
    return text
  }

  /// A value of fixed length.
  package mutating func fixed<Value: FixedBytes>(_ type: Value.Type = Value.self) throws(ByteReaderError) -> Value {
    guard let value = Value(bytes: try take(Value.byteCount)) else { throw .malformed }
    return value
  }

  /// A flag and, if it is set, the value that `read` reads.
  package mutating func optional<Value>(
    _ read: (inout ByteReader) throws(ByteReaderError) -> Value
  ) throws(ByteReaderError) -> Value? {
    try flag() ? try read(&self) : nil
  }

  /// A 16-bit count, at most `limit`, followed by that many values that `read` reads.
  package mutating func list<Value>(
    limit: Int, _ read: (inout ByteReader) throws(ByteReaderError) -> Value
  ) throws(ByteReaderError) -> [Value] {
    let count = Int(try integer(UInt16.self))
    guard count <= limit else { throw .tooLong }
    var values: [Value] = []
    for _ in 0..<count { values.append(try read(&self)) }
    return values
  }
}

/// Why untrusted bytes could not be read.
package enum ByteReaderError: Error, Hashable, Sendable {
  /// The bytes end before the value does.
  case truncated
  /// A list or string is longer than its limit.
  case tooLong
  /// The bytes are not a value of the expected kind.
  case malformed
}
