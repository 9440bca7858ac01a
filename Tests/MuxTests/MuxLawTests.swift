import Mux
import TestSupport
import Testing

/// Laws that hold however the calls of two sessions interleave and wherever the pipe cuts the bytes.
@Suite struct MuxLawTests {
  @Test(arguments: 0..<40)
  func everyByteArrivesInOrderAndEverythingEnds(_ seed: UInt64) throws {
    var world = MuxWorld(seed: seed)
    try world.runAtRandom(steps: 500)
    try world.finish()
    #expect(world.complaints() == [], "seed \(seed)")
  }

  @Test func oneByteAtATimeIsEnough() throws {
    var client = MuxEnd(.client)
    var server = MuxEnd(.server)
    let id = client.open(sending: Array(0...255))
    while client.unsent[id] != nil { client.push(id, limit: 100) }
    client.flush()
    for byte in client.wire { try server.receive([byte]) }
    #expect(server.received[id] == Array(0...255))
    #expect(server.finished == [id])
  }

  @Test func aStreamStopsAtTheWindowAndResumesWhenItIsReleased() throws {
    var client = MuxEnd(.client)
    var server = MuxEnd(.server)
    let id = client.open(sending: [UInt8](repeating: 7, count: 300 << 10))
    while client.push(id, limit: .max) > 0 {}
    #expect(client.session.sendable(on: id) == 0)
    try server.receive(client.wire[...])
    #expect(server.received[id]?.count == MuxSession.initialWindow)

    server.consume(MuxSession.initialWindow / 2 - 1, on: id)
    try hand(&server, &client)
    #expect(client.session.sendable(on: id) == 0, "a window is released in large steps")
    server.consume(1, on: id)
    try hand(&server, &client)
    #expect(client.session.sendable(on: id) == MuxSession.initialWindow / 2)
  }

  /// Also on a stream that the other side has opened, whose window begins with the size that the specification fixes.
  @Test func aWindowGrowsByWhatIsReleasedBeyondWhatArrived() throws {
    var client = MuxEnd(.client)
    var server = MuxEnd(.server)
    let id = client.open(sending: [UInt8](repeating: 7, count: 900 << 10))
    try hand(&client, &server)
    server.consume(512 << 10, on: id)
    try hand(&server, &client)
    #expect(client.session.sendable(on: id) == 768 << 10)
    while client.push(id, limit: .max) > 0 {}
    try server.receive(client.wire[...])
    #expect(server.received[id]?.count == 768 << 10)
  }

  @Test func aLargeWindowIsOfferedWithTheOpeningFrame() throws {
    var client = MuxEnd(.client)
    var server = MuxEnd(.server)
    let opened = client.session.openStream(window: 4 << 20)
    let id = try #require(opened)
    try hand(&client, &server)
    #expect(server.opened == [id])
    #expect(server.session.sendable(on: id) == 4 << 20)
    #expect(client.session.sendable(on: id) == MuxSession.initialWindow)
  }

  @Test func aLargeWindowIsGivenBackBeforeHalfOfItIsUsed() throws {
    var client = MuxEnd(.client)
    var server = MuxEnd(.server)
    let opened = client.session.openStream(window: 16 << 20)
    let id = try #require(opened)
    try hand(&client, &server)
    server.send([UInt8](repeating: 7, count: 3 << 20), on: id)
    var left = 2 << 20
    while left > 0 { left -= server.push(id, limit: left) }
    try hand(&server, &client)
    client.consume(MuxSession.largestReturn - 1, on: id)
    try hand(&client, &server)
    #expect(server.session.sendable(on: id) == 14 << 20)
    client.consume(1, on: id)
    try hand(&client, &server)
    #expect(server.session.sendable(on: id) == 15 << 20)
  }

  @Test func whatWasOnItsWayWhenAStreamWasResetIsDropped() throws {
    var client = MuxEnd(.client)
    var server = MuxEnd(.server)
    let id = client.open(sending: [1, 2, 3, 4])
    client.push(id, limit: 2)
    try server.receive(client.wire[...])
    client.wire = []
    server.giveUp(id)
    client.push(id, limit: 2)
    client.flush()
    try server.receive(client.wire[...])
    try hand(&server, &client)
    #expect(server.received[id] == [1, 2])
    #expect(server.violations == [])
    #expect(client.reset == [id])
    #expect(client.session.openStreams == 0 && server.session.openStreams == 0)
  }

  @Test func aStreamMayBeGivenUpInTheMiddleOfAFrame() throws {
    var server = MuxEnd(.server)
    try server.receive((MuxEnd.frame(type: 0, flags: 1, stream: 1, value: 4) + [1, 2])[...])
    server.giveUp(StreamID(number: 1))
    try server.receive(([3, 4] + MuxEnd.frame(type: 0, flags: 3, stream: 3, value: 1) + [9])[...])
    #expect(server.received == [StreamID(number: 1): [1, 2], StreamID(number: 3): [9]])
    #expect(server.violations == [])
  }

  @Test func aPingIsAnsweredWithItsValue() throws {
    var client = MuxEnd(.client)
    var server = MuxEnd(.server)
    let value = client.session.ping()
    try hand(&client, &server)
    try hand(&server, &client)
    #expect(client.pongs == [value])
    #expect(client.session.ping() != value)
  }

  @Test func anOpeningFrameMayCarryAWindowAndTheEnd() throws {
    var server = MuxEnd(.server)
    try server.receive(MuxEnd.frame(type: 1, flags: 1 | 4, stream: 1, value: 1_000)[...])
    #expect(server.opened == [StreamID(number: 1)])
    #expect(server.finished == [StreamID(number: 1)])
    #expect(server.session.sendable(on: StreamID(number: 1)) == MuxSession.initialWindow + 1_000)
  }

  @Test func aStreamThatIsOpenedAndResetByOneFrameNeverWas() throws {
    var server = MuxEnd(.server)
    try server.receive(MuxEnd.frame(type: 1, flags: 1 | 8, stream: 1)[...])
    #expect(server.opened == [])
    #expect(server.reset == [])
    #expect(server.session.openStreams == 0)
  }

  private func hand(_ from: inout MuxEnd, _ to: inout MuxEnd) throws {
    from.flush()
    try to.receive(from.wire[...])
    from.wire = []
  }
}
