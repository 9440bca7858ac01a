/// Tells whether two nodes that dial each other at the same moment, each from the port on which it listens, share one
/// connection, and which of them is then the client of TLS. A value without I/O.
///
/// TCP makes one connection of two dials that cross, and both ends send a ClientHello. The end whose hello has the smaller
/// random bytes stays the client and skips the other hello; the other end becomes the server.
struct CrossedHello {
  enum Outcome: Equatable {
    /// More bytes are needed.
    case undecided
    /// This end stays the client, and processes these bytes.
    case client([UInt8])
    /// This end becomes the server, and processes these bytes.
    case server([UInt8])
    /// This end has dialed itself.
    case own
  }

  /// Bytes of a record's header: its type, a version, its length.
  private static let headerBytes = 5
  /// Where the random bytes of a ClientHello are in its record (RFC 8446, sections 4 and 5.1).
  private static let randomBytes = 11..<43
  /// The first byte of a TLS handshake.
  static let handshakeRecord: UInt8 = 22
  private static let clientHello: UInt8 = 1

  private let own: [UInt8]
  private var received: [UInt8] = []

  /// - Parameter hello: what this end has sent; nil if it is not a ClientHello.
  init?(sent hello: [UInt8]) {
    guard hello.count >= Self.randomBytes.upperBound, Self.isClientHello(hello) else { return nil }
    own = Array(hello[Self.randomBytes])
  }

  private static func isClientHello(_ bytes: [UInt8]) -> Bool {
    bytes[0] == handshakeRecord && bytes[headerBytes] == clientHello
  }

  /// Takes the next bytes from the other end. To be called until the outcome is known.
  mutating func receive(_ bytes: some Sequence<UInt8>) -> Outcome {
    received += bytes
    guard let type = received.first else { return .undecided }
    guard type == Self.handshakeRecord else { return .client(received) }
    guard received.count > Self.headerBytes else { return .undecided }
    let end = Self.headerBytes + Int(received[3]) << 8 + Int(received[4])
    guard Self.isClientHello(received), end >= Self.randomBytes.upperBound else { return .client(received) }
    guard received.count >= Self.randomBytes.upperBound else { return .undecided }
    let other = received[Self.randomBytes]
    if other.elementsEqual(own) { return .own }
    guard own.lexicographicallyPrecedes(other) else { return .server(received) }
    return received.count < end ? .undecided : .client(Array(received[end...]))
  }
}
