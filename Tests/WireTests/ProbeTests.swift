import Primitives
import TestSupport
import Testing
import Wire

@Suite struct ProbeTests {
  private static let own: NodeID = .filled(with: 3)
  private static let key = Array(0..<32 as Range<UInt8>)
  private static let clock: UInt64 = 0x1122_3344_5566_7788

  private static func place(_ text: String) throws -> Endpoint { try #require(Endpoint(text)) }

  private static func probes() throws -> [(probe: Probe, hex: String)] {
    [
      (
        Probe(.probe, round: 2, session: 0x0102_0304, clock: clock),
        "0b6b61630102000001020304112233445566778800000000000000000000000042ccdfd10bad8cf124e99083e6ea089b"
      ),
      (
        Probe(.answer, round: 2, session: 0x0102_0304, clock: clock, echo: 0x99),
        "0b6b616302020000010203041122334455667788000000000000009900000000fd1112448964276dd1e52b3dfeb32bb0"
      ),
      (
        Probe(.observe, session: 0x0102_0304, clock: clock),
        "0b6b616305000000010203041122334455667788000000000000000000000000"
          + "000000000000000000000000000000000b5375112ff6e989c1c6443b43879e6f"
      ),
      (
        Probe(.observed, session: 0x0102_0304, clock: clock, echo: 0x99, place: try place("203.0.113.7:4242")),
        "0b6b616306000400010203041122334455667788000000000000009910920000"
          + "cb007107000000000000000000000000521e3c5d83b6f4459cebf895040f39c8"
      ),
      (
        Probe(.observed, session: 0x0102_0304, clock: clock, echo: 0x99, place: try place("[2001:db8::1]:4242")),
        "0b6b616306000600010203041122334455667788000000000000009910920000"
          + "20010db8000000000000000000000001b048e8a610287b102af2ecea6544550e"
      ),
    ]
  }

  @Test func theBytesAreFixed() throws {
    for (probe, hex) in try Self.probes() {
      let bytes = probe.encoded(with: Self.key, from: Self.own)
      #expect(Hex.encode(bytes) == hex)
      #expect(Probe(bytes) == probe)
      #expect(bytes.withUnsafeBytes { Probe.begins($0) })
      #expect(Probe.isAuthentic(bytes, key: Self.key, from: Self.own))
    }
  }

  @Test func anyChangedBitIsNoticed() throws {
    for (probe, _) in try Self.probes() {
      let bytes = probe.encoded(with: Self.key, from: Self.own)
      for bit in 0..<bytes.count * 8 {
        var changed = bytes
        changed[bit / 8] ^= 1 << (bit % 8)
        let isProbe = Probe(changed) != nil
        #expect(!isProbe || !Probe.isAuthentic(changed, key: Self.key, from: Self.own), "bit \(bit)")
      }
      #expect(!Probe.isAuthentic(bytes, key: Self.key, from: .filled(with: 4)))
      #expect(!Probe.isAuthentic(bytes, key: Array(1..<33 as Range<UInt8>), from: Self.own))
    }
  }

  /// Nothing of another length is taken from QUIC.
  @Test func anotherLengthIsNone() throws {
    for (probe, _) in try Self.probes() {
      let bytes = probe.encoded(with: Self.key, from: Self.own)
      for count in 0..<bytes.count {
        #expect(Probe(Array(bytes.prefix(count))) == nil)
        #expect(Array(bytes.prefix(count)).withUnsafeBytes { Probe.begins($0) } == (count == 48), "\(count) bytes")
      }
      #expect(Probe(bytes + [0]) == nil)
    }
  }

  @Test(arguments: 0..<50 as Range<UInt64>) func anythingCanArrive(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for (probe, _) in try Self.probes() {
      for _ in 0..<100 {
        let bytes = random.mutated(probe.encoded(with: Self.key, from: Self.own))
        guard let read = Probe(bytes) else { continue }
        #expect(bytes.count == 48 || bytes.count == 64, "seed \(seed)")
        #expect(read.place == nil || read.kind == .observed, "seed \(seed)")
      }
      let garbage = random.bytes(random.number(0...80))
      #expect(Probe(garbage) == nil || garbage.starts(with: [0x0B, 0x6B, 0x61, 0x63]), "seed \(seed)")
      _ = Probe([0x0B, 0x6B, 0x61, 0x63] + garbage)
    }
  }

  @Test func clocksNeverRepeat() {
    var clock = ProbeClock()
    let now = Instant(nanoseconds: 5_000_000)
    #expect((0..<3).map { _ in clock.next(at: now) } == [5_000, 5_001, 5_002])
    #expect(clock.next(at: Instant(nanoseconds: 1)) == 5_003)
  }
}
