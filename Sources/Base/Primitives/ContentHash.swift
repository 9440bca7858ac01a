/// The SHA-1 of a file's bytes: the name under which the file is stored and shared.
package struct ContentHash: FixedBytes {
  /// A SHA-1 has 20 bytes (FIPS 180-4).
  package static let byteCount = 20

  package let bytes: [UInt8]

  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }
}
