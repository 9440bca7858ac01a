/// Writes the format that `ByteReader` reads: big-endian numbers, and strings after their length.
package struct ByteWriter: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  /// Appends the bytes unchanged.
  package mutating func raw(_ bytes: some Sequence<UInt8>) { self.bytes.append(contentsOf: bytes) }

  /// Appends a big-endian integer.
  package mutating func integer(_ number: some FixedWidthInteger & UnsignedInteger) {
    withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
  }

  /// Appends 1 or 0.
  package mutating func flag(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

  /// Appends a 16-bit length and the bytes; the caller must pass at most 65,535 bytes.
  package mutating func bytes(_ value: some Collection<UInt8>) {
    integer(UInt16(value.count))
    raw(value)
  }

  /// Appends a 16-bit length and the text as UTF-8; the caller must pass at most 65,535 bytes.
  package mutating func text(_ text: String) { bytes(text.utf8) }

  /// Appends the bytes of a value of fixed length.
  package mutating func fixed(_ value: some FixedBytes) { raw(value.bytes) }

  /// Appends a flag and, if there is a value, the bytes that `write` writes for it.
  package mutating func optional<Value>(_ value: Value?, _ write: (inout ByteWriter, Value) -> Void) {
    flag(value != nil)
    if let value { write(&self, value) }
  }

  /// Appends a 16-bit count and the bytes that `write` writes for each value; the caller must pass at most 65,535
  /// values.
  package mutating func list<Value>(_ values: [Value], _ write: (inout ByteWriter, Value) -> Void) {
    integer(UInt16(values.count))
    for value in values { write(&self, value) }
  }
}
