import Crypto
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// `FeedStreams`: messages about feeds between two nodes.
@Suite struct FeedStreamsTests {
  private final class Link {
    var opened: [MemoryStream] = []
    var windows: [Int] = []
    var closings = 0
    var requests: [FeedRequest] = []
    var answers: [FeedAnswer] = []
    var departures = 0
  }

  private let link = Link()
  private let streams: FeedStreams
  private let query = FeedRequest.query(id: 7, .filled(with: 1), .filled(with: 2))
  private let subscription = FeedRequest.subscribe(
    id: 8, .filled(with: 1), SubfeedKey(.filled(with: 2), .filled(with: 3)), position: 5)

  init() {
    let link = link
    streams = FeedStreams {
      let stream = MemoryStream()
      link.opened.append(stream)
      link.windows.append($0)
      return stream
    } closeLink: {
      link.closings += 1
    }
    streams.onRequest = { link.requests.append($0) }
    streams.onAnswer = { link.answers.append($0) }
    streams.onMessagesLeft = { link.departures += 1 }
  }

  private func messages(_ count: Int, of size: Int) -> FeedAnswer {
    .messages(
      id: 8, position: 0, SubfeedStatement(.filled(with: 6)),
      Array(repeating: [UInt8](repeating: 0x20, count: size), count: count))
  }

  // MARK: Requests of this node

  @Test func allRequestsShareOneStream() throws {
    streams.ask(query)
    streams.ask(subscription)
    let stream = try #require(link.opened.first)
    #expect(link.opened.count == 1)
    #expect(stream.written == [StreamKind.feed.rawValue] + query.encoded + subscription.encoded)
  }

  @Test(arguments: [1, 5, 10_000]) func answersArriveInSlices(slice: Int) throws {
    streams.ask(query)
    let stream = try #require(link.opened.first)
    let answers = [FeedAnswer.known(id: 7, isHeld: true, proof: nil), messages(3, of: 10), .caughtUp(id: 8, count: 3)]
    // A later version may send more, which is ignored.
    let bytes =
      answers.flatMap(\.encoded) + Frame.encode(60) { $0.integer(UInt8(1)) } + FeedAnswer.submitted(id: 9).encoded
    for start in stride(from: 0, to: bytes.count, by: slice) {
      stream.receive(Array(bytes[start..<min(start + slice, bytes.count)]))
    }
    #expect(link.answers == answers + [.submitted(id: 9)])
    #expect(stream.consumedBytes == bytes.count && link.closings == 0)
  }

  /// A peer may not send more while its messages wait to be stored.
  @Test func undealtMessagesHoldTheWindowBack() throws {
    streams.ask(subscription)
    let stream = try #require(link.opened.first)
    let answer = messages(100, of: 20_000)
    stream.receive(answer.encoded)
    #expect(stream.consumedBytes == 0)
    let small = FeedAnswer.caughtUp(id: 8, count: 100).encoded
    stream.receive(small)
    #expect(stream.consumedBytes == 0)
    let memory = 100 * (20_000 + 64)
    streams.released(memory / 4)
    #expect(stream.consumedBytes == 0)
    streams.released(memory - memory / 4)
    #expect(stream.consumedBytes == answer.encoded.count + small.count)
    stream.receive(small)
    #expect(stream.consumedBytes == answer.encoded.count + 2 * small.count)
  }

  @Test(arguments: [[0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0, 0, 0, 2, 40, 0]] as [[UInt8]])
  func anInvalidAnswerEndsTheLink(bytes: [UInt8]) throws {
    streams.ask(query)
    try #require(link.opened.first).receive(bytes)
    #expect(link.closings == 1 && link.answers.isEmpty)
  }

  @Test func aStreamThatEndsTakesTheLinkAlong() throws {
    streams.ask(query)
    try #require(link.opened.first).end(.finished)
    #expect(link.closings == 1)
    let stream = MemoryStream()
    streams.opened(stream, [])
    stream.end(.reset)
    #expect(link.closings == 2)
  }

  // MARK: Requests of the peer

  @Test(arguments: [0, 1, 9, 1_000]) func requestsArriveWithTheFirstBytesAndLater(first: Int) {
    let stream = MemoryStream()
    let bytes = query.encoded + Frame.encode(60) { $0.integer(UInt8(1)) } + subscription.encoded
    streams.opened(stream, Array(bytes.prefix(first)))
    if first < bytes.count { stream.receive(Array(bytes.dropFirst(first))) }
    #expect(link.requests == [query, subscription])
    #expect(stream.consumedBytes == max(0, bytes.count - first) && link.closings == 0)
  }

  @Test(arguments: [[0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0, 0, 0, 2, 32, 0]] as [[UInt8]])
  func anInvalidRequestEndsTheLink(bytes: [UInt8]) {
    streams.opened(MemoryStream(), bytes)
    #expect(link.closings == 1 && link.requests.isEmpty)
  }

  @Test func aSecondStreamEndsTheLink() {
    let stream = MemoryStream()
    streams.opened(stream, [])
    streams.opened(MemoryStream(), query.encoded)
    #expect(link.closings == 1 && link.requests.isEmpty)
  }

  @Test func messagesAreReportedAsSentOnceThereIsRoom() {
    // Without a request from the peer there is none to answer.
    streams.answer(messages(1, of: 10))
    #expect(link.departures == 0)
    let stream = MemoryStream(room: 200)
    streams.opened(stream, [])
    streams.answer(.caughtUp(id: 8, count: 0))
    #expect(link.departures == 0, "only messages count")
    streams.answer(messages(1, of: 10))
    #expect(link.departures == 1)
    streams.answer(messages(1, of: 100))
    #expect(link.departures == 1)
    stream.takeAll()
    stream.takeAll()
    #expect(link.departures == 2, "once for each answer")
  }

  /// A peer that requests messages and reads none is disconnected, and the memory it occupies is bounded.
  @Test func aPeerThatTakesNothingIsCutOff() {
    let stream = MemoryStream(room: 1)
    streams.opened(stream, [])
    let answer = messages(10, of: 100_000)
    for _ in 0..<20 where link.closings == 0 { streams.answer(answer) }
    #expect(link.closings == 1)
    #expect(stream.queuedBytes < 8 << 20 + answer.encoded.count)
  }
}
