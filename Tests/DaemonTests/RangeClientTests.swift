import EventLoop
import Links
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// A clock that the test sets. Bound to its user's loop.
private final class TestClock {
  var now = Instant(nanoseconds: 1_000_000_000)
}

/// `RangeClient`: ranges received over several unequal lanes, which open and break, arrive complete and in order.
@Suite(.timeLimit(.minutes(1))) struct RangeClientTests {
  /// A node that answers on every lane, as far as the test lets it.
  private actor Node {
    private struct Answering {
      var decoder = FrameDecoder(limit: WireLimits.frame)
      var readBytes = 1
      /// Bytes in flight.
      var answers: [UInt8] = []
      var requests = 0
    }

    nonisolated let loop: EventLoop
    let lanes: MemoryLanes
    private let content: [UInt8]
    private let client: RangeClient
    private var answering: [Answering] = []
    private var delivered: [UInt8] = []
    private var events: [String] = []
    private var lastLane: UInt64 = 100
    private let clock: TestClock
    private var rooms = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(bytes: Int, lanes count: Int) throws {
      loop = try EventLoop(name: "ranges")
      lanes = MemoryLanes(count)
      content = PatternBytes.make(bytes)
      // The clock moves when the test moves it.
      let clock = TestClock()
      self.clock = clock
      client = RangeClient(lanes, window: 16 << 20, laneWindow: 8 << 20, loop: loop) { clock.now }
    }

    func start() {
      client.proof = { _, _ in .filled(with: 7) }
      client.onEvent = { event in
        switch event {
        case .began: self.events.append("began")
        case .bytes(let bytes):
          self.delivered += bytes
          self.client.consumed(bytes.count)
        case .ended: self.events.append("ended")
        case .refused(let refusal): self.events.append("refused \(refusal)")
        case .wrongCount: self.events.append("wrong count")
        }
      }
      client.onEnd = { self.events.append("end") }
      client.onRoom = { self.rooms += 1 }
    }

    /// What the client does every 250 ms.
    func relieve(after time: Duration) {
      clock.now = clock.now + time
      client.relieve()
    }

    /// Everything that was requested on these streams arrives.
    func answer(on streams: Range<Int>) throws {
      try read()
      for place in streams {
        lanes.streams[place].stream.receive(answering[place].answers)
        answering[place].answers = []
      }
    }

    func request(_ range: ByteRange) {
      client.request(range, of: .filled(with: 1), over: .filled(with: 7))
    }

    /// Reads the requests.
    private func read() throws {
      while answering.count < lanes.streams.count { answering.append(Answering()) }
      for (place, each) in lanes.streams.enumerated() where !each.stream.isReset {
        answering[place].decoder.append(
          each.stream.written[min(answering[place].readBytes, each.stream.written.count)...])
        answering[place].readBytes = max(1, each.stream.written.count)
        while let frame = try answering[place].decoder.next() {
          let range = try FetchRequest.decode(frame).range
          answering[place].requests += 1
          answering[place].answers +=
            FetchReply(count: range.count).encoded + content[Int(range.start)..<Int(range.end)]
        }
      }
    }

    /// Sends some bytes on a random stream; returns false if nothing is in flight.
    func step(_ random: inout SeededRandom) throws -> Bool {
      try read()
      let busy = answering.indices.filter { !answering[$0].answers.isEmpty && !lanes.streams[$0].stream.isReset }
      guard !busy.isEmpty else { return false }
      let place = busy[random.number(0...busy.count - 1)]
      let count = min(random.number(1...400_000), answering[place].answers.count)
      let bytes = Array(answering[place].answers.prefix(count))
      answering[place].answers.removeFirst(count)
      lanes.streams[place].stream.receive(bytes)
      return true
    }

    func move(to link: LinkID) { lanes.move(to: link) }
    func abandon(_ link: LinkID) {
      drop(link)
      lanes.abandon(link)
    }
    func loseAll() { lanes.lose() }

    func breakStreams(of link: LinkID) {
      drop(link)
      for each in lanes.streams where each.lane.owner == link && !each.stream.isReset { each.stream.end(.linkClosed) }
    }

    /// Bytes in flight on the link are lost.
    private func drop(_ link: LinkID) {
      for (place, each) in lanes.streams.enumerated() where each.lane.owner == link && place < answering.count {
        answering[place].answers = []
      }
    }

    /// The bytes of all ranges that were requested over this link.
    func requestedBytes(over link: LinkID) throws -> Int {
      try lanes.streams.filter { $0.lane.owner == link }.reduce(0) { sum, each in
        var decoder = FrameDecoder(limit: WireLimits.frame)
        decoder.append(each.stream.written.dropFirst())
        var bytes = sum
        while let frame = try decoder.next() { bytes += Int(try FetchRequest.decode(frame).range.count) }
        return bytes
      }
    }

    func openLane() {
      lastLane += 1
      lanes.open(LaneID(number: lastLane))
    }

    /// Breaks one of the open lanes.
    func cutLane(_ random: inout SeededRandom) {
      let ids = lanes.usable.map(\.id)
      guard !ids.contains(where: \.isLink) else { return }
      let id = ids[random.number(0...ids.count - 1)]
      // Bytes in flight are lost.
      for (place, each) in lanes.streams.enumerated() where each.lane == id && place < answering.count {
        answering[place].answers = []
      }
      lanes.cut(id)
    }

    /// Answers the first request on a stream.
    func answerFirst(on stream: Int) throws {
      try read()
      var decoder = FrameDecoder(limit: WireLimits.frame)
      decoder.append(lanes.streams[stream].stream.written.dropFirst())
      let range = try FetchRequest.decode(try #require(try decoder.next())).range
      send(
        Array(answering[stream].answers.prefix(FetchReply(count: range.count).encoded.count + Int(range.count))),
        on: stream)
    }

    /// Sends these bytes on a stream, whatever was requested.
    func send(_ bytes: [UInt8], on stream: Int) { lanes.streams[stream].stream.receive(bytes) }
    func end(_ stream: Int, _ end: LinkStreamEnd) { lanes.streams[stream].stream.end(end) }

    var seen: (bytes: [UInt8], events: [String]) { (delivered, events) }
    var streamCount: Int { lanes.streams.count }
    var lanesUsed: Int { Set(lanes.streams.filter { $0.stream.written.count > 1 }.map(\.lane)).count }
    var users: Int { lanes.users }
    var roomReports: Int { rooms }
    func isReset(_ stream: Int) -> Bool { lanes.streams[stream].stream.isReset }
    func bytes(in range: ByteRange) -> [UInt8] { Array(content[Int(range.start)..<Int(range.end)]) }

    /// Waits until the loop has run the work of its next turn.
    func turn() async {
      await withCheckedContinuation { continuation in _ = loop.after(.milliseconds(1)) { continuation.resume() } }
    }

    func stop() async {
      client.close()
      await loop.shutdown()
    }
  }

  private func range(_ start: Int, _ end: Int) throws -> ByteRange {
    try #require(ByteRange(start: UInt64(start), end: UInt64(end)))
  }

  /// Lanes of random speeds, some of which break while others open.
  @Test(arguments: 0..<60) func bytesArriveInOrderOverLanesThatComeAndGo(seed: UInt64) async throws {
    var random = SeededRandom(seed: seed)
    let size = random.number(1...12_000_000)
    let node = try Node(bytes: size, lanes: random.number(0...5))
    await node.start()
    var ranges: [ByteRange] = []
    var start = 0
    while start < size {
      let end = min(size, start + random.number(1...6_000_000))
      ranges.append(try range(start, end))
      start = end
    }
    var waiting = ranges[...]
    var isBusy = true
    while isBusy || !waiting.isEmpty {
      if let next = waiting.first, !isBusy || random.chance(20) {
        await node.request(next)
        waiting = waiting.dropFirst()
      }
      if random.chance(2) { await node.cutLane(&random) }
      if random.chance(2) { await node.openLane() }
      isBusy = try await node.step(&random)
      guard !isBusy else { continue }
      // Spans of lanes that broke are requested again in the next turn.
      await node.turn()
      isBusy = try await node.step(&random)
    }
    let seen = await node.seen
    let expected = await node.bytes(in: try range(0, size))
    #expect(seen.bytes == expected, "seed \(seed)")
    #expect(seen.events == ranges.flatMap { _ in ["began", "ended"] }, "seed \(seed)")
    await node.stop()
    #expect(await node.users == 0)
  }

  @Test func aLargeRangeIsSharedByAllLanes() async throws {
    let node = try Node(bytes: 20_000_000, lanes: 4)
    await node.start()
    await node.request(try range(0, 20_000_000))
    #expect(await node.lanesUsed == 4)
    await node.stop()
  }

  /// The link itself carries bulk data only while it has no lanes.
  @Test func aLaneTakesOverFromTheLink() async throws {
    let node = try Node(bytes: 20_000_000, lanes: 0)
    var random = SeededRandom(seed: 1)
    await node.start()
    await node.request(try range(0, 20_000_000))
    #expect(await node.streamCount == 1)
    _ = try await node.step(&random)
    await node.openLane()
    await node.turn()
    while try await node.step(&random) {}
    #expect(await node.streamCount == 2)
    #expect(await node.seen.bytes.count == 20_000_000)
    await node.stop()
  }

  @Test func aRefusalIsDeliveredInItsTurn() async throws {
    let node = try Node(bytes: 4_000_000, lanes: 2)
    await node.start()
    await node.request(try range(0, 2_000_000))
    #expect(await node.streamCount == 2)
    await node.send(FetchReply(.notHere).encoded, on: 1)
    #expect(await node.seen.events.isEmpty, "the bytes before it have not arrived")
    var random = SeededRandom(seed: 1)
    while try await node.step(&random) {
      if await node.seen.events.contains("refused notHere") { break }
    }
    #expect(await node.seen.events == ["began", "refused notHere"])
    await node.stop()
  }

  /// More bytes than requested, ahead of their turn, and then a refusal.
  @Test func anAnswerThatIsTooLongIsReportedInItsTurn() async throws {
    let node = try Node(bytes: 4_000_000, lanes: 2)
    await node.start()
    await node.request(try range(0, 4_000_000))
    await node.send(FetchReply(count: 3_000_000).encoded + [UInt8](repeating: 1, count: 3_000_000), on: 1)
    await node.send(FetchReply(.notHere).encoded, on: 1)
    #expect(await node.seen.events.isEmpty, "the bytes before it have not arrived")
    try await node.answerFirst(on: 0)
    let events = await node.seen.events
    #expect(events == ["began", "wrong count", "refused notHere"], "a client closes at the first")
    await node.stop()
  }

  @Test func theEndOfTheLastLinkIsTheEnd() async throws {
    let node = try Node(bytes: 4_000_000, lanes: 0)
    await node.start()
    await node.request(try range(0, 2_000_000))
    await node.loseAll()
    await node.turn()
    #expect(await node.seen.events == ["end"])
    await node.stop()
  }

  /// What was requested over a link ends there when another one is preferred. If nothing more comes over it, or it ends,
  /// what is missing is requested over the other one.
  @Test(arguments: ["runs empty", "is abandoned", "breaks"]) func anotherLinkTakesOver(old: String) async throws {
    let node = try Node(bytes: 20_000_000, lanes: 0)
    let (first, second) = (LinkID(number: 1), LinkID(number: 2))
    var random = SeededRandom(seed: 1)
    await node.start()
    await node.move(to: first)
    await node.request(try range(0, 20_000_000))
    for _ in 0..<3 { _ = try await node.step(&random) }
    await node.move(to: second)
    await node.turn()
    switch old {
    case "is abandoned": await node.abandon(first)
    case "breaks": await node.breakStreams(of: first)
    default: break
    }
    await node.turn()
    while try await node.step(&random) {}
    let seen = await node.seen
    #expect(seen.events == ["began", "ended"])
    let expected = await node.bytes(in: try range(0, 20_000_000))
    #expect(seen.bytes == expected)
    let (before, after) = (try await node.requestedBytes(over: first), try await node.requestedBytes(over: second))
    #expect(after > 10_000_000)
    if old == "runs empty" { #expect(before + after == 20_000_000, "nothing is requested twice") }
    await node.stop()
  }

  /// A lane whose bytes do not come, while the others wait for them, loses its requests to the others.
  @Test func aStuckLaneDoesNotHoldUpTheOthers() async throws {
    let node = try Node(bytes: 6_000_000, lanes: 3)
    await node.start()
    await node.request(try range(0, 6_000_000))
    await node.relieve(after: .milliseconds(250))
    try await node.answer(on: 1..<3)
    #expect(await !node.isReset(0), "a connection that has lost packets needs a moment")
    // Their rate is known from now on.
    await node.relieve(after: .milliseconds(250))
    try await node.answer(on: 1..<3)
    for _ in 0..<8 { await node.relieve(after: .milliseconds(250)) }
    #expect(await node.isReset(0))
    await node.turn()
    var random = SeededRandom(seed: 1)
    while try await node.step(&random) {}
    let seen = await node.seen
    #expect(seen.events == ["began", "ended"])
    let expected = await node.bytes(in: try range(0, 6_000_000))
    #expect(seen.bytes == expected)
    await node.stop()
  }

  /// The owner may have had a reason to request nothing when lanes became idle.
  @Test func idleLanesAreReportedAgain() async throws {
    let node = try Node(bytes: 6_000_000, lanes: 3)
    await node.start()
    await node.request(try range(0, 3_000_000))
    try await node.answer(on: 1..<3)
    // The client's own timer may have reported it again by now.
    let before = await node.roomReports
    #expect(before >= 1)
    await node.relieve(after: .milliseconds(250))
    #expect(await node.roomReports > before)
    await node.stop()
  }

  /// If the node resets a stream on purpose, its bytes are not requested again on another lane.
  @Test func aResetOnALaneIsTheEnd() async throws {
    let node = try Node(bytes: 4_000_000, lanes: 2)
    await node.start()
    await node.request(try range(0, 2_000_000))
    await node.end(1, .reset)
    #expect(await node.seen.events == ["end"])
    await node.stop()
  }
}
