/// Writes what `ByteReader` reads: numbers with the most significant byte first, and strings behind their length.
package struct ByteWriter: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  /// Appends the bytes as they are.
  package mutating func raw(_ bytes: some Sequence<UInt8>) { self.bytes.append(contentsOf: bytes) }

  /// Appends an integer, most significant byte first.
  package mutating func integer(_ number: some FixedWidthInteger & UnsignedInteger) {
    withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
  }

  /// Appends 1 or 0.
  package mutating func flag(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

  /// Appends a 16-bit length and the bytes; what exceeds 65,535 bytes is a mistake of the caller.
  package mutating func bytes(_ value: some Collection<UInt8>) {
    integer(UInt16(value.count))
    raw(value)
  }

  /// Appends a 16-bit length and the text as UTF-8; what exceeds 65,535 bytes is a mistake of the caller.
  package mutating func text(_ text: String) { bytes(text.utf8) }

  /// Appends the bytes of a value of fixed length.
  package mutating func fixed(_ value: some FixedBytes) { raw(value.bytes) }

  /// Appends a flag and, where there is a value, what `write` writes of it.
  package mutating func optional<Value>(_ value: Value?, _ write: (inout ByteWriter, Value) -> Void) {
    flag(value != nil)
    if let value { write(&self, value) }
  }

  /// Appends a 16-bit count and what `write` writes of each value; more than 65,535 values are a mistake of the caller.
  package mutating func list<Value>(_ values: [Value], _ write: (inout ByteWriter, Value) -> Void) {
    integer(UInt16(values.count))
    for value in values { write(&self, value) }
  }
}
