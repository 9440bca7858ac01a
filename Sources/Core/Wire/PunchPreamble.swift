import Crypto
package import Primitives

/// What both ends send first on a connection that two nodes have dialed at the same moment: it shows that the other end
/// is the node that is wanted, before any certificate is sent.
///
///     4  0B 6B 61 63     1  kind      1  round       2  zero      4  session
///     8  the sender's clock in microseconds          12  zero
///    16  HMAC-SHA-256(key, "kachery punch 1" ‖ the sender's node ID ‖ the 32 bytes before), its first 16 bytes
///
/// Receivers ignore what is in place of the zeros.
package struct PunchPreamble: Hashable, Sendable {
  /// What it says about the connection.
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// The controlling node uses this connection: TLS follows.
    case chosen = 3
    /// The first on a connection.
    case preamble = 4
  }

  /// Bytes of a preamble.
  package static let byteCount = 48
  /// The first byte of a preamble. No record of TLS begins with it.
  package static let firstByte: UInt8 = 0x0B

  static let magic: [UInt8] = [firstByte, 0x6B, 0x61, 0x63]
  private static let authenticatedBytes = 32
  private static let label = Array("kachery punch 1".utf8)

  package let kind: Kind
  /// The sender's clock, in microseconds: no two preambles of a sender in a round are equal.
  package let clock: UInt64

  package init(_ kind: Kind, clock: UInt64) {
    self.kind = kind
    self.clock = clock
  }

  /// The bytes that `sender` sends in this round.
  package func encoded(in round: PunchRound, from sender: NodeID) -> [UInt8] {
    var writer = ByteWriter()
    writer.raw(Self.magic)
    writer.integer(kind.rawValue)
    writer.integer(round.number)
    writer.integer(UInt16(0))
    writer.integer(round.session)
    writer.integer(clock)
    writer.raw([UInt8](repeating: 0, count: Self.authenticatedBytes - writer.bytes.count))
    return writer.bytes + Self.code(of: writer.bytes, in: round, from: sender)
  }

  private static func code(of bytes: [UInt8], in round: PunchRound, from sender: NodeID) -> [UInt8] {
    let code = HMACSHA256.authenticate(label + sender.bytes + bytes, key: round.key)
    return Array(code.prefix(byteCount - authenticatedBytes))
  }

  /// Whether bytes claim to be a preamble of this round. It costs nothing to find out.
  package static func names(_ round: PunchRound, in bytes: some Collection<UInt8>) -> Bool {
    let head = Array(bytes.prefix(authenticatedBytes))
    return bytes.count == byteCount && head.starts(with: magic) && head[5] == round.number
      && number(head[8..<12]) == UInt64(round.session)
  }

  /// The preamble that the other node of this round has sent; nil if anything else has come.
  package static func decode(_ bytes: some Collection<UInt8>, in round: PunchRound) -> PunchPreamble? {
    guard names(round, in: bytes) else { return nil }
    let bytes = Array(bytes)
    let code = code(of: Array(bytes.prefix(authenticatedBytes)), in: round, from: round.peer)
    // Takes the same time wherever they differ.
    let difference = zip(code, bytes.suffix(code.count)).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) }
    guard difference == 0, let kind = Kind(rawValue: bytes[4]) else { return nil }
    return PunchPreamble(kind, clock: number(bytes[12..<20]))
  }

  /// The number of these bytes, in network order.
  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
