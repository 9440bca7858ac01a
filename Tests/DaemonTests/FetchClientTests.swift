import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// `FetchClient`: input on a fetch stream, and what a peer cannot do with it.
@Suite(.timeLimit(.minutes(1))) struct FetchClientTests {
  /// The client's requests, after the byte that says what the stream is for.
  private func requests(_ written: [UInt8]) throws -> [FetchRequest] {
    #expect(written.first == StreamKind.fetch.rawValue)
    var decoder = FrameDecoder(limit: WireLimits.frame)
    decoder.append(written.dropFirst())
    var requests: [FetchRequest] = []
    while let frame = try decoder.next() { requests.append(try FetchRequest.decode(frame)) }
    return requests
  }

  @Test(arguments: [[1 << 20], [1], [13, 1, 100_000, 7], [255 << 10, 3], [262_144]])
  func piecesArriveInOrderInSlicesOfAnySize(lengths: [Int]) async throws {
    // Byte by byte only with small files.
    let node = lengths == [1] ? try FetchingNode(bytes: 30_000, pieceOf: 10_000) : try FetchingNode()
    let stream = await node.open()
    for place in 0..<3 { try await node.ask(place, on: stream) }
    try await node.answerAll(on: stream, inSlicesOf: lengths)
    let sight = await node.until(stream) { $0.ended.count == 3 && $0.consumedBytes == $0.sentBytes }
    #expect(sight.ended == ["0 verified", "1 verified", "2 verified"])
    let asked = try requests(sight.written)
    #expect(asked.allSatisfy { $0.hash == node.plan.hash })
    #expect(asked.map(\.range.start) == [0] + asked.dropLast().map(\.range.end))
    #expect(asked.last?.range.end == node.plan.size)
    let length = node.plan.pieces[0].range.count
    #expect(sight.received == [0: length, 1: length, 2: length])
    let isRight = try await node.finish() == node.content
    #expect(isRight)
    await node.stop()
  }

  /// Flow control holds bytes back until they are written, and for as long as the rate limit requires.
  @Test func theRateHoldsTheWindowBack() async throws {
    let node = try FetchingNode(bytes: 10_000_000, pieceOf: 10_000_000, rate: "0.1")
    let stream = await node.open()
    try await node.ask(0, on: stream)
    try await node.answerAll(on: stream)
    let sight = await node.until(stream) { $0.ended == ["0 verified"] }
    #expect(sight.received[0] == 10_000_000)
    #expect(sight.consumedBytes < 5_000_000, "half of it takes 50 seconds at this rate")
    await node.stop()
  }

  /// The written part of a piece is kept when the stream ends, and only the rest is requested.
  @Test func aPieceContinuesWhereAnotherStreamEnded() async throws {
    let node = try FetchingNode(bytes: 4_000_000, pieceOf: 2_000_000)
    let first = await node.open()
    try await node.ask(0, on: first)
    let spans = node.plan.pieces[0].range
    let half = node.reply(spans.prefix(1 << 20)) + node.reply(spans.dropFirst(1 << 20))
    await node.send(Array(half.prefix(1_500_000)), on: first, inSlicesOf: [100_000])
    _ = await node.until(first) { $0.received[0] ?? 0 > 0 }
    await node.loseLinks(first)
    let lost = await node.see(first)
    #expect(lost.ended == ["0 disconnected"] && lost.isReset)
    // Blocks are smaller when bytes arrive slowly, so the number of written bytes varies.
    let kept = try #require(lost.received[0])
    let second = await node.open()
    try await node.ask(0, on: second, kept: kept)
    #expect(try requests(await node.see(second).written).first?.range.start == kept)
    try await node.ask(1, on: second)
    try await node.answerAll(on: second, inSlicesOf: [64_000])
    let sight = await node.until(second) { $0.ended.count == 2 }
    #expect(sight.ended == ["0 verified", "1 verified"] && sight.received[0] == 2_000_000)
    let isRight = try await node.finish() == node.content
    #expect(isRight)
    await node.stop()
  }

  /// A late piece is requested from another source as well; the first complete copy counts.
  @Test func aSpareCopyTakesThePlaceOfALateOne() async throws {
    let node = try FetchingNode(bytes: 1_000_000)
    let (late, spare) = (await node.open(), await node.open())
    try await node.ask(0, on: late)
    await node.send(Array(node.reply(0).prefix(300_000)), on: late)
    try await node.ask(0, on: spare, isSpare: true)
    await node.send(node.reply(0), on: spare, inSlicesOf: [50_000])
    #expect(await node.until(spare) { !$0.ended.isEmpty }.ended == ["0 verified"])
    await node.close(late)
    let isRight = try await node.finish() == node.content
    #expect(isRight)
    await node.stop()
  }

  @Test func wrongBytesAreNoPiece() async throws {
    let node = try FetchingNode()
    let stream = await node.open()
    for place in 0..<2 { try await node.ask(place, on: stream) }
    var wrong = node.reply(1)
    wrong[wrong.count - 1] ^= 1
    await node.send(node.reply(0), on: stream)
    _ = await node.until(stream) { $0.ended == ["0 verified"] }
    await node.send(wrong, on: stream)
    let sight = await node.until(stream) { $0.ended.count == 2 }
    #expect(sight.ended == ["0 verified", "1 mismatch"] && sight.isReset)
    await node.stop()
  }

  @Test(arguments: Refusal.allCases) func aRefusalEndsTheStream(refusal: Refusal) async throws {
    let node = try FetchingNode(bytes: 20_000, pieceOf: 10_000)
    let stream = await node.open()
    for place in 0..<2 { try await node.ask(place, on: stream) }
    await node.send(FetchReply(refusal).encoded + node.reply(1), on: stream)
    let sight = await node.see(stream)
    #expect(sight.ended == ["0 refused \(refusal)"] && sight.isReset)
    await node.stop()
  }

  /// Invalid replies from a peer, and their effect on the piece.
  @Test(arguments: [
    (FetchReply(count: 9_999).encoded, "0 mismatch"), (FetchReply(count: 10_001).encoded, "0 mismatch"),
    (FetchReply(count: .max).encoded, "0 mismatch"), (FetchReply(count: 0).encoded, "0 mismatch"),
    ([0, 0, 0, 0], "0 disconnected"), ([0xff, 0xff, 0xff, 0xff], "0 disconnected"),
    ([0, 0, 0, 2, 99, 0], "0 disconnected"), ([0, 0, 0, 2, 17, 200], "0 disconnected"),
  ])
  func aReplyToSomethingElseEndsTheStream(bytes: [UInt8], outcome: String) async throws {
    let node = try FetchingNode(bytes: 20_000, pieceOf: 10_000)
    let stream = await node.open()
    try await node.ask(0, on: stream)
    await node.send(bytes, on: stream)
    let sight = await node.see(stream)
    #expect(sight.ended == [outcome] && sight.isReset)
    await node.stop()
  }

  @Test func unrequestedMessagesEndTheStreamSilently() async throws {
    let node = try FetchingNode(bytes: 20_000, pieceOf: 10_000)
    let streams = (await node.open(), await node.open())
    for stream in [streams.0, streams.1] {
      try await node.ask(stream, on: stream)
      try await node.answerAll(on: stream)
      _ = await node.until(stream) { !$0.ended.isEmpty }
    }
    await node.send(node.reply(0), on: streams.0)
    await node.end(streams.1, .finished)
    for stream in [streams.0, streams.1] {
      let sight = await node.see(stream)
      #expect(sight.isReset && sight.ended == ["\(stream) verified"])
    }
    await node.stop()
  }

  @Test func aClosedClientReportsNothing() async throws {
    let node = try FetchingNode()
    let stream = await node.open()
    try await node.ask(0, on: stream)
    await node.send(Array(node.reply(0).prefix(500_000)), on: stream)
    await node.close(stream)
    let written = await node.see(stream).written
    try await node.ask(1, on: stream)
    await node.send(node.reply(1), on: stream)
    await node.end(stream, .linkClosed)
    // Another source can be asked for the piece immediately.
    let other = await node.open()
    try await node.ask(0, on: other)
    await node.send(node.reply(0), on: other)
    #expect(await node.until(other) { !$0.ended.isEmpty }.ended == ["0 verified"])
    let sight = await node.see(stream)
    #expect(sight.isReset && sight.ended.isEmpty && sight.written == written)
    await node.stop()
  }

  /// Whatever arrives, no piece ends twice, and no wrong piece is verified.
  @Test(arguments: 0..<40) func noiseVerifiesNothingWrong(seed: UInt64) async throws {
    let node = try FetchingNode(bytes: 30_000, pieceOf: 10_000)
    var random = SeededRandom(seed: seed)
    var bytes = (0..<3).flatMap { node.reply($0) }
    let changes = random.number(0...4)
    for _ in 0..<changes { bytes[random.number(0...bytes.count - 1)] ^= UInt8(random.number(1...255)) }
    let stream = await node.open()
    for place in 0..<3 { try await node.ask(place, on: stream) }
    await node.send(bytes, on: stream, inSlicesOf: [random.number(1...5_000), random.number(1...300)])
    await node.end(stream, .finished)
    let sight = await node.until(stream) { $0.isReset }
    #expect(Set(sight.ended.map { $0.prefix(1) }).count == sight.ended.count, "\(sight.ended)")
    let verified = sight.ended.count { $0.hasSuffix("verified") }
    #expect(verified == 3 || changes > 0 || sight.ended.last?.hasSuffix("disconnected") == true, "\(sight.ended)")
    if verified == 3 {
      let isRight = try await node.finish() == node.content
      #expect(isRight)
    }
    await node.stop()
  }
}
