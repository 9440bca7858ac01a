import Primitives
import TestSupport
import Testing
import Wire

/// What nodes show a relay for a joined lane, and how they get it.
@Suite struct JoinPreambleTests {
  private static let token: LaneToken = .filled(with: 0xA5)

  private func frame(_ bytes: [UInt8]) throws -> Frame {
    var decoder = FrameDecoder(limit: RelayFrame.limit)
    decoder.append(bytes)
    return try #require(try decoder.next())
  }

  @Test(arguments: LaneRole.allCases) func aPreambleSurvivesTheWay(role: LaneRole) throws {
    let preamble = JoinPreamble(Self.token, as: role)
    let bytes = preamble.encoded
    #expect(bytes == [0x0B, 0x6B, 0x61, 0x63, 9, role.rawValue] + [UInt8](repeating: 0, count: 10) + Self.token.bytes)
    #expect(JoinPreamble.decode(bytes) == preamble)
    // Later versions may use what is zero.
    var later = bytes
    later.replaceSubrange(6..<16, with: [UInt8](repeating: 1, count: 10))
    #expect(JoinPreamble.decode(later) == preamble)
  }

  @Test func everythingElseIsNoPreamble() {
    let bytes = JoinPreamble(Self.token, as: .opener).encoded
    for count in 0..<bytes.count { #expect(JoinPreamble.decode(bytes.prefix(count)) == nil) }
    #expect(JoinPreamble.decode(bytes + [0]) == nil)
    for index in 0..<5 {
      var other = bytes
      other[index] ^= 1
      #expect(JoinPreamble.decode(other) == nil, "\(index)")
    }
    for role: UInt8 in [2, 255] {
      var other = bytes
      other[5] = role
      #expect(JoinPreamble.decode(other) == nil)
    }
  }

  /// Five bytes tell it from the preamble of a round, and the first from TLS.
  @Test func theFirstBytesTellWhatItIs() {
    let bytes = JoinPreamble(Self.token, as: .target).encoded
    for count in 0..<5 { #expect(JoinPreamble.begins(bytes.prefix(count)) == nil) }
    for count in 5...bytes.count { #expect(JoinPreamble.begins(bytes.prefix(count)) == true) }
    for kind in PunchPreamble.Kind.allCases {
      #expect(JoinPreamble.begins([0x0B, 0x6B, 0x61, 0x63, kind.rawValue]) == false)
    }
    #expect(JoinPreamble.begins([0x16]) == false)
    #expect(JoinPreamble.begins([0x0B, 0x16]) == false)
    #expect(bytes[0] == PunchPreamble.firstByte)
  }

  @Test func aTokenSurvivesTheWay() throws {
    let token = RelayToken(Self.token)
    #expect(try RelayToken.decode(try frame(token.encoded)) == token)
    #expect(try LaneAnswer.decode(try frame(token.encoded)) == .token(Self.token))
    // Later versions may append fields.
    let longer = Frame.encode(51) { writer in
      writer.bytes(Self.token.bytes)
      writer.raw([1, 2, 3])
    }
    #expect(try RelayToken.decode(try frame(longer)) == token)
  }

  @Test(arguments: [0, 15, 17, 300]) func aTokenOfAnotherLengthIsMalformed(count: Int) throws {
    let frame = try frame(Frame.encode(51) { $0.bytes([UInt8](repeating: 1, count: count)) })
    #expect(throws: WireError.self) { try RelayToken.decode(frame) }
  }

  @Test func aRefusalIsAnAnswer() throws {
    for status in RelayStatus.allCases {
      let frame = try frame(RelayAnswer(status).encoded)
      guard status != .granted else {
        // A lane is granted with a token.
        #expect(throws: WireError.malformed(.malformed)) { try LaneAnswer.decode(frame) }
        continue
      }
      #expect(try LaneAnswer.decode(frame) == .refused(status))
    }
    let request = RelayRequest(topic: .filled(with: 7), target: .filled(with: 4), use: RelayFrame.lane)
    #expect(throws: WireError.unknownType(48)) { try LaneAnswer.decode(try frame(request.encoded)) }
  }
}
