/// A node's identity: its Ed25519 public key.
package struct NodeID: FixedBytes {
  /// An Ed25519 public key has 32 bytes (RFC 8032, section 5.1.5).
  package static let byteCount = 32

  package let bytes: [UInt8]

  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }

  /// The first eight digits, enough to distinguish nodes in a log.
  package var short: String { String(hex.prefix(8)) }
}
