import Mux
import Primitives
import Testing

@testable import Links

/// What waits to be sent: how much, and in which order.
@Suite(.timeLimit(.minutes(1))) struct SendingTests {
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  @Test(arguments: [(10_000_000, HighWaterMark.least), (200_000, 250_000), (10, HighWaterMark.most)])
  func whatMayWaitLeavesInFiftyMilliseconds(microseconds: Int, mark: Int) {
    var limit = HighWaterMark()
    #expect(limit.bytes == HighWaterMark.least)
    limit.full(1_000_000, at: start)
    limit.full(2_000_000, at: start + .microseconds(1))
    limit.drained(at: start + .microseconds(microseconds))
    #expect(limit.bytes == mark)
    limit.drained(at: start + .seconds(1_000))
    #expect(limit.bytes == mark, "nothing had to wait")
  }

  @Test func streamsWithLittleToSendGoFirst() {
    var turns = StreamTurns<StreamID>()
    let ids = (UInt32(1)...5).map { StreamID(number: $0) }
    turns.add(ids[0], count: 1 << 20)
    turns.add(ids[1], count: StreamTurns<StreamID>.small + 1)
    turns.add(ids[2], count: StreamTurns<StreamID>.small)
    turns.add(ids[3], count: 1)
    turns.add(ids[0], count: 1)
    var order = [turns.next()]
    turns.addAgain(ids[2])
    turns.add(ids[4], count: 0)
    while let id = turns.next() { order.append(id) }
    #expect(order == [ids[2], ids[3], ids[4], ids[0], ids[1], ids[2]])
    #expect(turns.isEmpty)
  }

  @Test func aTurnLastsForSeveralPackets() {
    var turns = StreamTurns<StreamID>()
    let ids = (UInt32(1)...3).map { StreamID(number: $0) }
    let (packet, packets) = (1_400, StreamTurns<StreamID>.turnBytes / 1_400 + 1)
    for id in ids.prefix(2) { turns.add(id, count: 1 << 20) }
    var order: [StreamID] = []
    func send(hasMore: Bool = true) {
      guard let id = turns.first else { return }
      order.append(id)
      turns.sent(packet, by: id, hasMore: hasMore)
    }
    for _ in 0..<2 * packets { send() }
    #expect(order == Array(repeating: ids[0], count: packets) + Array(repeating: ids[1], count: packets))
    order = []
    send()
    turns.add(ids[2], count: 10)
    for _ in 0..<packets { send(hasMore: turns.first != ids[2]) }
    // A stream with little to send does not wait for the end of another's turn.
    #expect(order == [ids[0], ids[2]] + Array(repeating: ids[0], count: packets - 1))
    send(hasMore: false)
    send(hasMore: false)
    #expect(order.suffix(2) == [ids[1], ids[0]] && turns.isEmpty)
  }

  /// Eight streams send bulk data over a slow wire, which takes 64 KiB ahead, when a small message is written.
  @Test func aSmallMessageWaitsForFewBytesOfBulkData() async throws {
    try await withHosts { hosts in
      await hosts.run { hosts, done in
        hosts.network.onPair = { near, _ in near.wire.pace = (bytes: 2 << 10, period: .milliseconds(1)) }
        done(())
      }
      try await hosts.connect()
      let bytes: Int = await hosts.run { hosts, done in
        let link = hosts.dialed[0]
        var received = 0
        var receivedBefore: Int?
        hosts.accepted[0].onStream = { stream in
          stream.onData = { [weak stream] bytes in
            if let receivedBefore, bytes.count == 3 { return done(received - receivedBefore) }
            received += bytes.count
            stream?.consumed(bytes.count)
            guard received > 512 << 10, receivedBefore == nil else { return }
            let asking = link.openStream()
            receivedBefore = received
            asking.write([1, 2, 3])
          }
        }
        for _ in 0..<8 { pour([UInt8](repeating: 7, count: 1 << 20), into: link.openStream()) }
      }
      // The wire's 64 KiB, the high-water mark, and the frame with which it was passed.
      #expect(bytes <= (64 << 10) + HighWaterMark.least + MuxSession.maximumFrame)
    }
  }
}
