import Primitives
import TestSupport
import Testing

@testable import Discovery

@Suite struct LocalDatagramTests {
  private let random = (0..<16).map { UInt8($0) }

  /// The bytes that another implementation must send.
  @Test func anAnnouncementHasTheDocumentedForm() {
    let announcement = LocalAnnouncement(random: random, port: 0x1234, tags: [1, 2, 0xfedc_ba98_7654_3210, .max])
    let bytes = LocalDatagram.announcement(announcement).encoded
    #expect(
      Hex.encode(bytes) == "0b6b616307000102030405060708090a0b0c0d0e0f1234"
        + "00000000000000010000000000000002fedcba9876543210ffffffffffffffff")
    #expect(LocalDatagram.decode(bytes) == .announcement(announcement))
  }

  @Test func anAnswerHasTheDocumentedForm() {
    let answer = LocalAnswer(random: random, port: 80, tag: 0x0102_0304_0506_0708)
    let bytes = LocalDatagram.answer(answer).encoded
    #expect(Hex.encode(bytes) == "0b6b616308000102030405060708090a0b0c0d0e0f00500102030405060708")
    #expect(bytes.count == LocalDatagram.answerByteCount)
    #expect(LocalDatagram.decode(bytes) == .answer(answer))
  }

  /// HMAC-SHA-256 with the channel's key, computed with Python's hashlib and hmac modules.
  @Test func tagsAreWhatAnotherImplementationComputes() {
    let secret = ChannelSecret(name: "lab", cost: ChannelSecret.cost)
    #expect(secret.localTag(over: random) == 0x2e2e_ebbb_6c34_8774)
    #expect(secret.localTag(over: random + random.reversed()) == 0x9014_28b2_95a7_5bd4)
    #expect(ChannelSecret(name: "lab2").localTag(over: random) != secret.localTag(over: random))
  }

  @Test func whatIsNoDatagramIsRefused() {
    let tags: [UInt64] = [1, 2, 3, 4]
    let good = LocalDatagram.announcement(LocalAnnouncement(random: random, port: 1, tags: tags)).encoded
    #expect(LocalDatagram.decode(good) != nil)
    for count in 0..<good.count { #expect(LocalDatagram.decode(Array(good.prefix(count))) == nil, "\(count) bytes") }
    for count in [1, 7, 8, 16, 24] {
      #expect(LocalDatagram.decode(good + [UInt8](repeating: 0, count: count)) == nil, "\(count) bytes more")
    }
    for type in UInt8.min...UInt8.max where type != 7 {
      #expect(LocalDatagram.decode(good.prefix(4) + [type] + good.dropFirst(5)) == nil)
    }
    let withoutPort = good.prefix(21) + [0, 0] + good.dropFirst(23)
    #expect(LocalDatagram.decode(Array(withoutPort)) == nil)
    let most = [UInt64](repeating: 9, count: LocalAnnouncement.maximumTags)
    #expect(LocalDatagram.decode(Self.announcement(random, most)) != nil)
    #expect(LocalDatagram.decode(Self.announcement(random, most + tags)) == nil)
  }

  /// With the headers of IPv6 and UDP.
  @Test func theLargestAnnouncementFitsIntoOnePacket() {
    let most = [UInt64](repeating: 9, count: LocalAnnouncement.maximumTags)
    #expect(Self.announcement(random, most).count + 40 + 8 <= 1_280)
  }

  @Test(arguments: 0..<50 as Range<UInt64>)
  func damagedDatagramsAreReadOrRefused(_ seed: UInt64) {
    var numbers = SeededRandom(seed: seed)
    let announcement = Self.announcement(random, [1, 2, 3, 4])
    let answer = LocalDatagram.answer(LocalAnswer(random: random, port: 1, tag: 5)).encoded
    for _ in 0..<200 {
      for bytes in [announcement, answer, numbers.bytes(numbers.number(0...1_300))] {
        let damaged = numbers.mutated(bytes)
        // What is read is exactly what was sent.
        if let datagram = LocalDatagram.decode(damaged) { #expect(datagram.encoded == damaged, "seed \(seed)") }
      }
    }
  }

  @Test func storedDatagramsAreReadOrRefused() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "local-datagram") {
      if let datagram = LocalDatagram.decode(bytes) { #expect(datagram.encoded == bytes, "\(name)") }
    }
  }

  private static func announcement(_ random: [UInt8], _ tags: [UInt64]) -> [UInt8] {
    LocalDatagram.announcement(LocalAnnouncement(random: random, port: 1, tags: tags)).encoded
  }
}
