/// The SHA-1 of a file's bytes: the name under which the file is stored and shared.
// Three integers rather than an array: a large file has hundreds of thousands of chunks, a store millions of files.
package struct ContentHash: FixedBytes {
  /// A SHA-1 has 20 bytes (FIPS 180-4).
  package static let byteCount = 20

  private let first: UInt64
  private let second: UInt64
  private let third: UInt32

  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    var rest = bytes.makeIterator()
    var parts: (UInt64, UInt64, UInt32) = (0, 0, 0)
    for _ in 0..<8 { parts.0 = parts.0 << 8 | UInt64(rest.next() ?? 0) }
    for _ in 0..<8 { parts.1 = parts.1 << 8 | UInt64(rest.next() ?? 0) }
    for _ in 0..<4 { parts.2 = parts.2 << 8 | UInt32(rest.next() ?? 0) }
    (first, second, third) = parts
  }

  package var bytes: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Self.byteCount) { buffer, count in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      raw.storeBytes(of: first.bigEndian, as: UInt64.self)
      raw.storeBytes(of: second.bigEndian, toByteOffset: 8, as: UInt64.self)
      raw.storeBytes(of: third.bigEndian, toByteOffset: 16, as: UInt32.self)
      count = Self.byteCount
    }
  }

  /// Byte order, which is also the order of the hexadecimal text.
  package static func < (left: Self, right: Self) -> Bool {
    (left.first, left.second, left.third) < (right.first, right.second, right.third)
  }
}
