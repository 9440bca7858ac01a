import Primitives
import TestSupport
import Testing
import Wire

@Suite struct FetchTests {
  private func fixed<Value: FixedBytes>(_ byte: UInt8) throws -> Value {
    try #require(Value(bytes: [UInt8](repeating: byte, count: Value.byteCount)))
  }

  @Test func requestsSurviveTheWay() throws {
    let range = try #require(ByteRange(start: 5, end: Limits.maximumFileSize))
    let request = FetchRequest(channel: try fixed(1), hash: try fixed(2), range: range)
    var decoder = FrameDecoder(limit: 256)
    decoder.append(request.encoded)
    #expect(try FetchRequest.decode(try #require(try decoder.next())) == request)
  }

  /// They are beyond the largest file, and adding to such a position could overflow.
  @Test func positionsBehindEveryFileAreRefused() throws {
    let range = try #require(ByteRange(start: 5, end: Limits.maximumFileSize + 1))
    var decoder = FrameDecoder(limit: 256)
    decoder.append(FetchRequest(channel: try fixed(1), hash: try fixed(2), range: range).encoded)
    let frame = try #require(try decoder.next())
    #expect(throws: WireError.malformed(.malformed)) { try FetchRequest.decode(frame) }
  }

  /// The decoder's output: replies, their bytes joined, and their ends.
  private func read(_ stream: [UInt8], cutting random: inout SeededRandom) throws -> [String] {
    var decoder = FetchReplyDecoder()
    var told: [String] = []
    var bytes: [UInt8] = []
    var start = 0
    while start < stream.count {
      let count = random.number(1...50)
      try Array(stream[start..<min(start + count, stream.count)]).withUnsafeBytes { input in
        try decoder.receive(input) { event in
          switch event {
          case .reply(let reply): told.append("\(reply.refusal.map { "\($0)" } ?? "ok") \(reply.count)")
          case .bytes(let slice): bytes += slice
          case .end:
            told.append(Hex.encode(bytes))
            bytes = []
          }
        }
      }
      start += count
    }
    #expect(decoder.isBetweenReplies)
    return told
  }

  @Test(arguments: 0..<50)
  func repliesCutAnywhereGiveTheSame(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var stream: [UInt8] = []
    var expected: [String] = []
    for _ in 0..<5 {
      if random.chance(30) {
        stream += FetchReply(.notHere).encoded
        expected.append("notHere 0")
      } else {
        let bytes = random.bytes(random.number(0...200))
        stream += FetchReply(count: UInt64(bytes.count)).encoded + bytes
        expected += ["ok \(bytes.count)", Hex.encode(bytes)]
      }
    }
    #expect(try read(stream, cutting: &random) == expected, "seed \(seed)")
  }

  @Test func anInvalidReplyIsRejected() {
    for bytes: [UInt8] in [
      [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 2, 99, 0], [0, 0, 0, 10, 17, 99, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
      var decoder = FetchReplyDecoder()
      #expect(throws: WireError.self) { try bytes.withUnsafeBytes { try decoder.receive($0) { _ in } } }
    }
  }

  /// Every reason arrives as it was sent; unknown reasons, and refusals that announce bytes, are not valid replies.
  @Test(arguments: [UInt8](1...255))
  func aRefusalIsOneOfThoseKnownOrNone(value: UInt8) throws {
    let frame: [UInt8] = [0, 0, 0, 10, 17, value] + [UInt8](repeating: 0, count: 8)
    func replies(_ bytes: [UInt8]) throws -> [FetchReply] {
      var decoder = FetchReplyDecoder()
      var replies: [FetchReply] = []
      try bytes.withUnsafeBytes { try decoder.receive($0) { if case .reply(let reply) = $0 { replies.append(reply) } } }
      return replies
    }
    #expect(throws: WireError.self) { try replies(frame.dropLast() + [1]) }
    guard let refusal = Refusal(rawValue: value) else {
      #expect(throws: WireError.self) { try replies(frame) }
      return
    }
    #expect(try replies(frame) == [FetchReply(refusal)])
    #expect(FetchReply(refusal).encoded == frame)
  }

  @Test(arguments: 0..<40)
  func mutatedStreamsNeverTrap(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<100 {
      let stream = FetchReply(count: 20).encoded + random.bytes(20) + FetchReply(.limitReached).encoded
      expectNoMore(than: random.mutated(stream), "seed \(seed)")
    }
  }

  @Test func inputsThatWereKeptNeverTrap() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "fetch-reply") { expectNoMore(than: bytes, "\(name)") }
  }

  /// Expects that the decoder's output is part of its input.
  private func expectNoMore(than bytes: [UInt8], _ name: Comment) {
    var decoder = FetchReplyDecoder()
    var delivered = 0
    _ = try? bytes.withUnsafeBytes { input in
      try decoder.receive(input) { if case .bytes(let slice) = $0 { delivered += slice.count } }
    }
    #expect(delivered <= bytes.count, name)
  }
}
