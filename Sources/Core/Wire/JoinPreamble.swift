import Primitives

/// What two nodes show a relay so that it joins their connections: random, and used once.
package struct LaneToken: FixedBytes {
  package static let byteCount = 16

  package let bytes: [UInt8]

  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }
}

/// Which of the two nodes of a joined lane a connection belongs to.
package enum LaneRole: UInt8, Sendable, CaseIterable {
  /// The node that asked the relay for the lane. It is the client of TLS.
  case opener = 0
  case target = 1
}

/// What a node sends first on a connection to a relay that joins it to a connection of another node.
///
///     4  0B 6B 61 63     1  type: 9     1  role     10  zero     16  token
///
/// The relay answers with `accepted` once both connections are there, and passes everything on from then on. Receivers
/// ignore what is in place of the zeros.
package struct JoinPreamble: Hashable, Sendable {
  /// Bytes of a preamble.
  package static let byteCount = 32
  /// The type, where a `PunchPreamble` has its kind.
  package static let type: UInt8 = 9
  /// The relay's answer.
  package static let accepted: UInt8 = 1

  private static let zeros = 10

  package let role: LaneRole
  package let token: LaneToken

  package init(_ token: LaneToken, as role: LaneRole) {
    self.role = role
    self.token = token
  }

  /// The preamble as bytes.
  package var encoded: [UInt8] {
    PunchPreamble.magic + [Self.type, role.rawValue] + [UInt8](repeating: 0, count: Self.zeros) + token.bytes
  }

  /// Whether the first bytes of a connection are, or may become, a preamble; nil if more are needed to know.
  package static func begins(_ bytes: some Collection<UInt8>) -> Bool? {
    let head = PunchPreamble.magic + [type]
    guard bytes.count < head.count else { return bytes.starts(with: head) }
    return head.starts(with: bytes) ? nil : false
  }

  /// Decodes exactly one preamble; nil if the bytes are anything else.
  package static func decode(_ bytes: some Collection<UInt8>) -> JoinPreamble? {
    let bytes = Array(bytes)
    guard bytes.count == byteCount, begins(bytes) == true, let role = LaneRole(rawValue: bytes[5]),
      let token = LaneToken(bytes: bytes.suffix(LaneToken.byteCount))
    else { return nil }
    return JoinPreamble(token, as: role)
  }
}
