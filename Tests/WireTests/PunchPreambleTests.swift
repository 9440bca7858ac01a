import Primitives
import TestSupport
import Testing
import Wire

@Suite struct PunchPreambleTests {
  private static let own: NodeID = .filled(with: 3)
  private static let peer: NodeID = .filled(with: 5)
  private static let key = Array(0..<32 as Range<UInt8>)

  /// A round as the node `from` or its peer sees it.
  private static func round(
    with peer: NodeID = peer, session: UInt32 = 0x0102_0304, number: UInt8 = 2, key: [UInt8] = key
  ) -> PunchRound {
    PunchRound(peer: peer, session: session, number: number, isControlling: true, key: key, candidates: [])
  }

  /// The same round at the other end, where this node is the peer.
  private static let far = round(with: own)

  @Test(
    arguments: zip(
      [PunchPreamble.Kind.preamble, .chosen],
      [
        "0b6b61630402000001020304112233445566778800000000000000000000000066c693eeb346f485f7390d6005c9a753",
        "0b6b61630302000001020304112233445566778800000000000000000000000081e264fa8d88021f36e320b2816b61b1",
      ]))
  func theBytesAreFixed(kind: PunchPreamble.Kind, hex: String) throws {
    let preamble = PunchPreamble(kind, clock: 0x1122_3344_5566_7788)
    let bytes = preamble.encoded(in: Self.round(), from: Self.own)
    #expect(Hex.encode(bytes) == hex)
    #expect(bytes.first == PunchPreamble.firstByte && bytes.count == PunchPreamble.byteCount)
    #expect(PunchPreamble.decode(bytes, in: Self.far) == preamble)
  }

  @Test func onlyTheRoundsOwnPreamblesAreRight() {
    let bytes = PunchPreamble(.preamble, clock: 7).encoded(in: Self.round(), from: Self.own)
    #expect(PunchPreamble.names(Self.far, in: bytes))
    // Its own preamble, sent back; another sender; another session, round or key.
    let others = [
      Self.round(), Self.round(with: .filled(with: 4)), Self.round(with: Self.own, session: 0x0102_0305),
      Self.round(with: Self.own, number: 3), Self.round(with: Self.own, key: Array(1..<33 as Range<UInt8>)),
    ]
    for other in others { #expect(PunchPreamble.decode(bytes, in: other) == nil) }
    #expect(others.map { PunchPreamble.names($0, in: bytes) } == [true, true, false, false, true])
  }

  @Test func anyChangedBitIsNoticed() {
    let bytes = PunchPreamble(.chosen, clock: .max).encoded(in: Self.round(), from: Self.own)
    for bit in 0..<bytes.count * 8 {
      var changed = bytes
      changed[bit / 8] ^= 1 << (bit % 8)
      #expect(PunchPreamble.decode(changed, in: Self.far) == nil, "bit \(bit)")
    }
  }

  @Test func anotherLengthOrKindIsNone() {
    let bytes = PunchPreamble(.chosen, clock: 1).encoded(in: Self.round(), from: Self.own)
    for count in 0..<bytes.count { #expect(PunchPreamble.decode(bytes.prefix(count), in: Self.far) == nil) }
    #expect(PunchPreamble.decode(bytes + [0], in: Self.far) == nil)
    // As a slice, which begins at another index.
    #expect(PunchPreamble.decode(([1, 2] + bytes)[2...], in: Self.far) != nil)
  }

  @Test func randomBytesAreNone() {
    for seed in 0..<5_000 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      let bytes = (0..<PunchPreamble.byteCount).map { _ in UInt8.random(in: 0...255, using: &random) }
      #expect(PunchPreamble.decode(bytes, in: Self.far) == nil)
      #expect(PunchPreamble.decode([0x0B, 0x6B, 0x61, 0x63] + bytes.dropFirst(4), in: Self.far) == nil)
    }
  }
}
