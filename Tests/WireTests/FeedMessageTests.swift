import Crypto
import Primitives
import TestSupport
import Testing
import Wire

/// The messages on feed streams.
@Suite struct FeedMessageTests {
  private static func examples() throws -> (requests: [FeedRequest], answers: [FeedAnswer]) {
    let channel: ChannelProof = .filled(with: 7)
    let feed = try #require(FeedID(bytes: [UInt8](repeating: 9, count: FeedID.byteCount)))
    let key = SubfeedKey(feed, try SubfeedHash(name: "main"))
    let proof = try #require(Signature(bytes: [UInt8](repeating: 5, count: Signature.byteCount)))
    return (
      [
        .query(id: 1, channel, feed), .subscribe(id: .max, channel, key, position: .max), .unsubscribe(id: 3),
        .submit(id: 4, channel, key, message: Array("{\"n\":1}".utf8)),
      ],
      [
        .known(id: 1, isHeld: true, proof: proof), .known(id: 2, isHeld: false, proof: nil),
        .messages(id: 3, position: 7, SubfeedStatement(.filled(with: 6)), [Array("{}".utf8), [], [1, 2, 3]]),
        .caughtUp(id: 4, count: 12),
        .refused(id: 5, .notAuthorized), .submitted(id: 6), .rejected(id: 7, reason: "This node may not."),
      ]
    )
  }

  private func frame(_ bytes: [UInt8]) throws -> Frame? {
    var decoder = FrameDecoder(limit: FeedAnswer.frameLimit)
    decoder.append(bytes)
    return try decoder.next()
  }

  @Test func messagesSurviveTheWay() throws {
    let (requests, answers) = try Self.examples()
    for request in requests { #expect(try frame(request.encoded).flatMap { try FeedRequest.decode($0) } == request) }
    for answer in answers { #expect(try frame(answer.encoded).flatMap { try FeedAnswer.decode($0) } == answer) }
  }

  @Test(arguments: [65_535, 65_536, SignedMessage.maximumBytes])
  func largeMessagesSurviveTheWay(count: Int) throws {
    let answer = FeedAnswer.messages(
      id: 1, position: 2, SubfeedStatement(.filled(with: 6)), [[1], [UInt8](repeating: 2, count: count), [3]])
    let isSame = try frame(answer.encoded).flatMap { try FeedAnswer.decode($0) } == answer
    #expect(isSame)
    let tooLong = FeedAnswer.messages(
      id: 1, position: 2, SubfeedStatement(.filled(with: 6)),
      [[UInt8](repeating: 2, count: SignedMessage.maximumBytes + 1)])
    let read = try frame(tooLong.encoded)
    #expect(throws: WireError.self) { try read.map { try FeedAnswer.decode($0) } }
  }

  @Test func longReasonsAreCutAndStayText() throws {
    let answer = FeedAnswer.rejected(id: 1, reason: String(repeating: "€", count: 1_000))
    guard case .rejected(_, let reason)? = try frame(answer.encoded).flatMap({ try FeedAnswer.decode($0) }) else {
      Issue.record("It is no longer a rejection.")
      return
    }
    #expect(reason.hasPrefix("€€€") && reason.utf8.count <= WireLimits.reason)
  }

  /// Any input is rejected, incomplete or decoded, and whatever was decoded decodes to the same value again.
  @Test(arguments: 0..<300)
  func damagedFeedMessagesDoNoHarm(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let (requests, answers) = try Self.examples()
    let originals = requests.map(\.encoded) + answers.map(\.encoded)
    try expectNoHarm(from: random.mutated(originals[random.number(0...originals.count - 1)]), "seed \(seed)")
  }

  @Test func inputsThatWereKeptDoNoHarm() throws {
    for (name, bytes) in try FuzzCorpus.inputs(of: "feed") { try expectNoHarm(from: bytes, "\(name)") }
  }

  private func expectNoHarm(from bytes: [UInt8], _ name: Comment) throws {
    guard let frame = try? frame(bytes) else { return }
    if let request = try? FeedRequest.decode(frame) {
      #expect(try self.frame(request.encoded).flatMap { try FeedRequest.decode($0) } == request, name)
    }
    if let answer = try? FeedAnswer.decode(frame) {
      #expect(try self.frame(answer.encoded).flatMap { try FeedAnswer.decode($0) } == answer, name)
    }
  }
}
