/// Announced in place of a channel's name or address: a digest that only nodes that know the channel can derive, so
/// that strangers learn neither.
package struct Topic: FixedBytes {
  /// A SHA-256 digest has 32 bytes (FIPS 180-4).
  package static let byteCount = 32

  package let bytes: [UInt8]

  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }
}
