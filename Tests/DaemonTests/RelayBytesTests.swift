import Links
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// How bytes pass through a relay: in order, only as the other side takes them, in turns, and to their end.
@Suite struct RelayBytesTests {
  private static func connected(roundTrip: Duration? = nil) throws -> (RelayWorld, MemoryStream, MemoryStream) {
    let world = try RelayWorld()
    world.link(1, roundTrip: roundTrip)
    world.link(2, roundTrip: roundTrip)
    let (near, far) = try #require(world.connect(1, 2))
    return (world, near, far)
  }

  // MARK: Backpressure

  @Test(arguments: [true, false]) func aByteIsReleasedWhenTheOtherSideHasTakenIt(fromOpener: Bool) throws {
    let (world, near, far) = try Self.connected()
    let (source, sink) = fromOpener ? (near, far) : (far, near)
    let before = source.consumedBytes
    let bytes = PatternBytes.make(200_000)
    source.receive(bytes)
    world.pass(.zero)
    #expect(source.consumedBytes == before)
    #expect(world.server.waitingBytes == 200_000)
    var taken = 0
    while taken < 200_000 {
      sink.take(30_000)
      taken = min(taken + 30_000, 200_000)
      #expect(source.consumedBytes == before + taken)
      #expect(world.server.waitingBytes == 200_000 - taken)
    }
    #expect(Array(sink.written.suffix(200_000)) == bytes)
  }

  @Test func aSideThatTakesNothingForHalfAMinuteLosesTheStream() throws {
    let (world, near, far) = try Self.connected()
    near.receive([1, 2, 3])
    world.pass(.seconds(29))
    #expect(!near.isReset)
    // It takes something in time.
    far.take(1)
    world.pass(.seconds(29))
    #expect(!near.isReset)
    world.pass(.seconds(11))
    #expect(near.isReset && far.isReset && world.server.isIdle)
  }

  @Test func aStreamWithoutBytesStays() throws {
    let (world, near, far) = try Self.connected()
    near.receive([1, 2, 3])
    far.takeAll()
    world.pass(.seconds(3_600))
    #expect(!near.isReset && !far.isReset)
    near.receive([4])
    far.takeAll()
    #expect(far.written.suffix(4) == [1, 2, 3, 4])
  }

  // MARK: The end

  @Test(arguments: [true, false]) func oneDirectionOutlivesTheOther(openerFirst: Bool) throws {
    let (world, near, far) = try Self.connected()
    let (first, second) = openerFirst ? (near, far) : (far, near)
    first.receive(PatternBytes.make(1_000))
    first.end(.finished)
    #expect(second.isFinished, "right behind the bytes")
    second.takeAll()
    second.receive([5, 6])
    first.takeAll()
    #expect(first.written.suffix(2) == [5, 6])
    #expect(!first.isFinished && world.server.counts.streams == 1)
    second.receive([7])
    second.end(.finished)
    #expect(first.isFinished)
    #expect(world.server.counts.streams == 1, "the last byte has not left")
    first.takeAll()
    #expect(first.written.suffix(3) == [5, 6, 7])
    #expect(!first.isReset && !second.isReset)
    #expect(world.server.isIdle)
  }

  /// The node that has finished may have given the stream up since, which a stream does not report.
  @Test func aDirectionThatStaysOpenWithoutBytesIsGivenUp() throws {
    let (world, near, far) = try Self.connected()
    near.end(.finished)
    far.takeAll()
    world.pass(.seconds(29))
    far.receive([1])
    near.takeAll()
    world.pass(.seconds(29))
    #expect(!near.isReset)
    world.pass(.seconds(11))
    #expect(near.isReset && far.isReset && world.server.isIdle)
  }

  /// The end does not overtake bytes that the other side does not take yet.
  @Test func theEndWaitsForItsTurn() throws {
    let (world, near, far) = try Self.connected()
    near.receive([1])
    near.receive([2, 3])
    near.end(.finished)
    #expect(!far.isFinished)
    far.takeAll()
    far.takeAll()
    #expect(far.isFinished && far.written.suffix(3) == [1, 2, 3])
    far.end(.finished)
    near.takeAll()
    #expect(world.server.isIdle)
  }

  @Test(arguments: [LinkStreamEnd.reset, .linkClosed], [true, false])
  func anEndOutOfOrderIsPassedOn(end: LinkStreamEnd, byOpener: Bool) throws {
    let (world, near, far) = try Self.connected()
    near.receive(PatternBytes.make(50_000))
    far.receive(PatternBytes.make(50_000))
    (byOpener ? near : far).end(end)
    #expect((byOpener ? far : near).isReset)
    #expect(world.server.isIdle && world.server.waitingBytes == 0)
  }

  @Test func anOpenerThatLeavesWhileTheTargetIsAskedIsForgotten() throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    let near = world.ask(1, for: 2)
    near.end(.reset)
    #expect(try #require(world.far(2)).isReset && world.server.isIdle)
    world.pass(.seconds(20))
    #expect(world.server.counts.refusals.isEmpty)
  }

  @Test func aStoppedRelayGivesUpEveryStream() throws {
    let (world, near, far) = try Self.connected()
    let asked = world.ask(2, for: 1)
    world.server.stop()
    #expect(near.isReset && far.isReset && asked.isReset && world.server.isIdle)
  }

  /// Whichever way it ended.
  @Test(arguments: [LinkStreamEnd.finished, .reset]) func aStreamThatIsOverIsReleased(end: LinkStreamEnd) throws {
    let world = try RelayWorld()
    world.link(1)
    world.link(2)
    weak var released: MemoryStream?
    do {
      let (near, far) = try #require(world.connect(1, 2))
      released = near
      near.receive([1, 2, 3])
      far.takeAll()
      near.end(end)
      far.end(end)
      near.takeAll()
    }
    #expect(world.server.isIdle)
    #expect(released == nil)
  }

  // MARK: Windows

  /// What the opener may send, as it learns it from the relay.
  private struct Sender {
    let stream: MemoryStream
    let start: Int
    private(set) var sent = 0

    init(_ stream: MemoryStream) {
      self.stream = stream
      start = stream.consumedBytes
    }

    var room: Int { RelayWindow.first + stream.consumedBytes - start - sent }

    /// Sends as much as it may.
    mutating func send() { send(room) }

    mutating func send(_ count: Int) {
      stream.receive([UInt8](repeating: 1, count: count))
      sent += count
    }
  }

  @Test func aWindowGrowsWhileItIsTheLimitAndShrinksWhenIdle() throws {
    let (world, near, far) = try Self.connected(roundTrip: .milliseconds(50))
    far.keepsTaken = false
    var sender = Sender(near)
    var rooms: [Int] = []
    for _ in 0..<20 {
      rooms.append(sender.room)
      sender.send()
      world.pass(.milliseconds(50))
      while world.server.waitingBytes > 0 { far.takeAll() }
    }
    #expect(rooms.first == RelayWindow.first)
    #expect(rooms == rooms.sorted() && rooms.last == RelayWindow.most)
    #expect(world.server.windows == [[RelayWindow.most, RelayWindow.first]])
    #expect(world.server.pooledBytes == RelayWindow.most - RelayWindow.first)
    world.pass(.seconds(11))
    // What it may send already cannot be taken back: it is not released again.
    for _ in 0..<42 {
      sender.send(100_000)
      world.pass(.milliseconds(200))
      while world.server.waitingBytes > 0 { far.takeAll() }
    }
    #expect(world.server.windows == [[RelayWindow.first, RelayWindow.first]])
    #expect(sender.room == RelayWindow.first && world.server.pooledBytes == 0)
    near.end(.reset)
    #expect(world.server.isIdle)
  }

  /// Without a round trip, with a slow sender, or with a target that takes less than arrives.
  @Test(arguments: ["unmeasured", "slow", "standing queue"]) func aWindowThatIsNotTheLimitStays(_ why: String) throws {
    let (world, near, far) = try Self.connected(roundTrip: why == "unmeasured" ? nil : .milliseconds(50))
    far.keepsTaken = false
    var sender = Sender(near)
    for _ in 0..<40 {
      sender.send()
      world.pass(.milliseconds(why == "slow" ? 150 : 20))
      if why == "standing queue" { far.take(RelayWindow.first / 2) } else { far.takeAll() }
      if why != "standing queue" { while world.server.waitingBytes > 0 { far.takeAll() } }
    }
    #expect(world.server.windows == [[RelayWindow.first, RelayWindow.first]])
    #expect(sender.sent > 4 << 20)
  }

  @Test func thePoolBoundsAllWindowsTogether() throws {
    let world = try RelayWorld()
    var senders: [Sender] = []
    for number in 0..<60 { world.link(number, roundTrip: .milliseconds(50)) }
    for number in 0..<30 {
      let (near, far) = try #require(world.connect(number, 30 + number))
      far.keepsTaken = false
      senders.append(Sender(near))
    }
    for _ in 0..<8 {
      for index in senders.indices { senders[index].send() }
      world.pass(.milliseconds(50))
      while world.server.waitingBytes > 0 { for number in 30..<60 { world.far(number)?.takeAll() } }
      #expect(world.server.pooledBytes <= RelayPool.capacity)
    }
    let sizes = world.server.windows.map { $0[0] }
    #expect(sizes.max() == RelayWindow.most && world.server.pooledBytes > RelayPool.capacity / 2)
    #expect(sizes.reduce(0) { $0 + $1 - RelayWindow.first } == world.server.pooledBytes)
    // A late one still finds room.
    world.link(70, roundTrip: .milliseconds(50))
    world.link(71, roundTrip: .milliseconds(50))
    let (near, far) = try #require(world.connect(70, 71))
    var late = Sender(near)
    for _ in 0..<4 {
      late.send()
      world.pass(.milliseconds(50))
      while world.server.waitingBytes > 0 { far.takeAll() }
    }
    #expect(try #require(world.server.windows.last)[0] > RelayWindow.first)
    world.server.stop()
    #expect(world.server.isIdle)
  }

  @Test func bytesThatArriveOneByOneAreJoined() {
    var held = HeldBytes()
    for number in 0..<200_000 { [UInt8(truncatingIfNeeded: number)].withUnsafeBytes { held.append($0) } }
    var blocks = 0
    var next = 0
    while held.count > 0 {
      let bytes = held.take(upTo: .max)
      #expect(bytes == (next..<next + bytes.count).map { UInt8(truncatingIfNeeded: $0) })
      next += bytes.count
      blocks += 1
    }
    #expect(next == 200_000 && blocks == 4)
    #expect(held.take(upTo: 1) == [])
  }

  // MARK: Turns

  /// Two pairs send over one link that is always full: one with four streams, one with one.
  @Test func pairsHaveTheSameShareWhateverTheirStreams() throws {
    let world = try RelayWorld()
    let line = CongestedLink(mark: 128 << 10)
    world.link(1)
    world.link(2)
    var streams: [CongestedLink.CongestedStream] = []
    world.link(3) { _ in
      let stream = line.open()
      streams.append(stream)
      return stream
    }
    let senders = (0..<5).map { world.ask($0 < 4 ? 1 : 2, for: 3) }
    for stream in streams { stream.receive(RelayAnswer(.granted).encoded) }
    for sender in senders { for _ in 0..<8 { sender.receive([UInt8](repeating: 7, count: 100_000)) } }
    // What came first had the link to itself.
    let before = line.taken
    for _ in 0..<8 { line.drain() }
    let taken = zip(line.taken, before).map { $0 - $1 }
    let ofFirst = taken[..<4].reduce(0, +)
    #expect(abs(ofFirst - taken[4]) <= RelayDirection.turn, "\(taken)")
    #expect(taken[..<4].allSatisfy { abs($0 - ofFirst / 4) <= RelayDirection.turn }, "\(taken)")
    while world.server.waitingBytes > 0 { line.drain() }
    #expect(line.taken.allSatisfy { $0 >= 800_000 })
  }

  /// By the owner's limit, or because the node relays messages only.
  @Test(arguments: [false, true]) func aRateHoldsForAllStreamsTogether(isForMessages: Bool) throws {
    let world = try RelayWorld(rate: isForMessages ? 50 : 1)
    if isForMessages { world.server.traffic = { _ in .messages } }
    for number in 0..<8 { world.link(number) }
    let pairs = try [0, 2, 4].map { try #require(world.connect($0, $0 + 1)) }
    let start = pairs.map { $0.far.written.count }
    for pair in pairs { for _ in 0..<4 { pair.near.receive([UInt8](repeating: 1, count: 1_000_000)) } }
    for _ in 0..<300 {
      world.pass(.milliseconds(10))
      for pair in pairs { pair.far.takeAll() }
    }
    let passed = zip(pairs, start).map { $0.far.written.count - $1 }
    let total = passed.reduce(0, +)
    // Three seconds at 1 MB/s, a quarter of a second ahead, and a turn.
    #expect(total > 3_000_000 && total <= 3_250_000 + RelayDirection.turn, "\(passed)")
    #expect(passed.allSatisfy { abs($0 - total / 3) <= RelayDirection.turn }, "\(passed)")
    #expect(pairs.allSatisfy { !$0.near.isReset }, "waiting for the rate is no fault of the target")
    world.pass(.seconds(40))
    #expect(pairs.contains { $0.near.isReset }, "taking nothing is")
  }
}
