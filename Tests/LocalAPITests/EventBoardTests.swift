import EventLoop
import Primitives
import Testing

@testable import LocalAPI

/// What `/v1/events` sends, and to whom.
@Suite struct EventBoardTests {
  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test func aReaderGetsTheLatestStateAndNothingTwice() {
    var board = EventBoard()
    var reader = EventBoard.Reader(readsChannels: true)
    #expect(board.news(for: &reader) == [])
    board.post(.status, ["uptimeSeconds": 1])
    board.post(.status, ["uptimeSeconds": 2])
    board.post(.peers, ["peers": []])
    #expect(
      text(board.news(for: &reader))
        == "event: status\ndata: {\"uptimeSeconds\":2}\n\nevent: peers\ndata: {\"peers\":[]}\n\n")
    board.post(.peers, ["peers": []])
    #expect(board.news(for: &reader) == [], "it has not changed")
    board.post(.status, ["uptimeSeconds": 3])
    #expect(text(board.news(for: &reader)).contains("\"uptimeSeconds\":3"))
    var second = EventBoard.Reader(readsChannels: true)
    #expect(text(board.news(for: &second)).contains("event: peers"), "a later reader begins with the whole state")
  }

  @Test func channelsAreForThoseWhoMayKnowThem() {
    var board = EventBoard()
    var reader = EventBoard.Reader(readsChannels: false)
    board.post(.channels, ["channels": [["channelConfigUrl": "secret-lab"]]])
    #expect(board.news(for: &reader) == [])
    board.post(.status, [:])
    #expect(!text(board.news(for: &reader)).contains("secret-lab"))
  }

  /// An event that a hostile name could end would let it write events of its own.
  @Test func anEventIsOneLine() {
    var board = EventBoard()
    var reader = EventBoard.Reader(readsChannels: true)
    board.post(.peers, ["peers": ["a\n\nevent: token\ndata: x\r\r\u{2028}"]])
    let event = text(board.news(for: &reader))
    #expect(event.utf8.count { $0 == UInt8(ascii: "\n") } == 3 && !event.utf8.contains(UInt8(ascii: "\r")))
  }

  // MARK: Rates

  private func second(_ number: Int) -> Instant { Instant(nanoseconds: 0) + .seconds(number) }

  @Test func aRateIsThatOfTheLastSeconds() {
    var rate = RecentRate()
    #expect(rate.rate(with: 1_000_000, at: second(0)) == 0, "what was here before did not arrive now")
    #expect(rate.rate(with: 1_000_100, at: second(1)) == 100)
    for time in 2...20 { _ = rate.rate(with: 1_000_100 + UInt64(time) * 500, at: second(time)) }
    #expect(rate.rate(with: 1_000_100 + 21 * 500, at: second(21)) == 500)
    for time in 22...26 { _ = rate.rate(with: 1_000_100 + 21 * 500, at: second(time)) }
    #expect(rate.rate(with: 1_000_100 + 21 * 500, at: second(27)) == 0)
  }

  @Test func aTotalThatBeginsAgainHasNoNegativeRate() {
    var rate = RecentRate()
    _ = rate.rate(with: 1_000, at: second(0))
    #expect(rate.rate(with: 10, at: second(1)) == 0)
    #expect(rate.rate(with: 30, at: second(2)) == 20)
  }

  @Test func ratesOfTotalsThatAreGoneAreForgotten() {
    var rates = RecentRates()
    _ = rates.take([("a", 0), ("b", 0)], at: second(0))
    #expect(rates.take([("b", 20), ("a", 10)], at: second(1)) == [20, 10])
    #expect(rates.take([("b", 20)], at: second(2)) == [10])
    #expect(rates.take([("a", 1_000)], at: second(3)) == [0])
  }

  // MARK: Streams

  @Test func onlySoManyStreamsAreOpen() async throws {
    let loop = try EventLoop(name: "api")
    await StreamCounter(loop: loop).check()
    await loop.shutdown()
    #expect(loop.openHandles == 0)
  }
}

/// Opens and ends streams on a loop.
private actor StreamCounter {
  private let loop: EventLoop

  init(loop: EventLoop) { self.loop = loop }

  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  func check() {
    let streams = EventStreams()
    for _ in 0..<EventStreams.maximumStreams { #expect(streams.open(on: loop) { _ in }) }
    #expect(!streams.open(on: loop) { _ in })
    streams.end()
    #expect(streams.open(on: loop) { _ in })
    for _ in 0..<EventStreams.maximumStreams { streams.end() }
    streams.close()
    #expect(!streams.open(on: loop) { _ in }, "the daemon stops")
  }
}
