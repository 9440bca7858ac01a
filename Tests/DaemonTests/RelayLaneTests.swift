import Links
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// How two nodes get the token of a lane from their relay.
@Suite struct RelayLaneTests {
  private static let granted = RelayAnswer(.granted).encoded

  private func answer(_ stream: MemoryStream) throws -> LaneAnswer? {
    var decoder = FrameDecoder(limit: RelayFrame.limit)
    decoder.append(stream.written)
    return try decoder.next().map { try LaneAnswer.decode($0) }
  }

  private func world(_ numbers: Int...) throws -> RelayWorld {
    let world = try RelayWorld()
    for number in numbers { world.link(number) }
    return world
  }

  private func ask(_ world: RelayWorld, _ opener: Int, for target: Int, early: [UInt8] = []) -> MemoryStream {
    let stream = MemoryStream()
    world.serve(stream, first: RelayWorld.request(to: target, use: RelayFrame.lane) + early, from: opener)
    return stream
  }

  @Test func bothNodesGetOneToken() throws {
    let world = try world(1, 2)
    let near = ask(world, 1, for: 2)
    let far = try #require(world.far(2))
    let request = RelayedRequest(topic: RelayWorld.topic, opener: RelayWorld.node(1), use: RelayFrame.lane).encoded
    #expect(far.written == [StreamKind.relayed.rawValue] + request)
    #expect(try answer(near) == nil && world.server.counts.waitingLanes == 0, "the target has not agreed")
    far.takeAll()
    far.receive(Self.granted)
    let sent = near.written
    guard case .token(let token)? = try answer(near) else { throw Missing() }
    #expect(far.written.suffix(sent.count) == sent[...])
    #expect(sent == RelayToken(token).encoded)
    #expect(world.server.counts.waitingLanes == 1)
    // The streams have no other purpose, and are over once the token has left.
    #expect(!near.isReset && !far.isReset)
    near.takeAll()
    far.takeAll()
    #expect(near.isReset && far.isReset && world.server.streamCount == 0)
    world.server.lanes.add(TestHalf(token, .opener))
    world.pass(JoinedLanes.tokenTime)
    #expect(world.server.isIdle)
  }

  private struct Missing: Error {}

  /// The answers are those for links: who has no channel in common with the target learns nothing about it.
  @Test(arguments: [RelayStatus.notPermitted, .notLinked, .doesNotRelay, .nested])
  func withoutPermissionThereIsNoToken(status: RelayStatus) throws {
    let world = try world(1, 2)
    world.permission = { _, _, _ in status }
    #expect(try answer(ask(world, 1, for: 2)) == .refused(status))
    #expect(world.lookups == 0 && world.opened.isEmpty && world.server.isIdle)
    #expect(world.server.counts.refusals == [status: 1])
  }

  @Test func whoRelaysMessagesOnlyJoinsNoLanes() throws {
    let world = try world(1, 2)
    world.server.traffic = { $0 == RelayWorld.topic ? .messages : .everything }
    #expect(try answer(ask(world, 1, for: 2)) == .refused(.doesNotRelay))
    #expect(world.far(2) == nil && world.server.isIdle)
  }

  @Test(arguments: RelayStatus.allCases.filter { $0 != .granted })
  func aTargetMayRefuse(status: RelayStatus) throws {
    let world = try world(1, 2)
    let near = ask(world, 1, for: 2)
    let far = try #require(world.far(2))
    far.receive(RelayAnswer(status).encoded)
    #expect(try answer(near) == .refused(.refused))
    #expect(far.isReset && world.server.isIdle)
  }

  /// A target that sends anything but an answer has refused.
  @Test(arguments: [[0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff], RelayToken(.filled(with: 1)).encoded])
  func garbageIsARefusal(bytes: [UInt8]) throws {
    let world = try world(1, 2)
    let near = ask(world, 1, for: 2)
    try #require(world.far(2)).receive(bytes)
    #expect(try answer(near) == .refused(.refused))
    #expect(world.server.isIdle)
  }

  @Test func aTargetHasTenSeconds() throws {
    let world = try world(1, 2)
    let near = ask(world, 1, for: 2)
    let far = try #require(world.far(2))
    world.pass(.seconds(10))
    #expect(try answer(near) == .refused(.refused))
    #expect(far.isReset && world.server.isIdle)
  }

  @Test func anOpenerThatLeavesIsForgotten() throws {
    let world = try world(1, 2)
    let near = ask(world, 1, for: 2)
    let far = try #require(world.far(2))
    near.end(.linkClosed)
    #expect(far.isReset && world.server.isIdle)
  }

  /// Nothing follows the request for a lane, and little of it is held.
  @Test func bytesAfterTheRequestAreNotPassedOn() throws {
    let world = try world(1, 2)
    let near = ask(world, 1, for: 2, early: [1, 2, 3])
    let far = try #require(world.far(2))
    far.takeAll()
    #expect(!far.written.contains(3))
    near.receive([UInt8](repeating: 1, count: RelayFrame.earlyBytes))
    #expect(near.isReset && far.isReset && world.server.isIdle)
  }

  /// Lanes do not take the places of links.
  @Test func aPairHasEightLanesBesideItsLinks() throws {
    let world = try world(1, 2)
    for _ in 0..<RelayQuotas.perPair { #expect(world.connect(1, 2) != nil) }
    world.pass(.seconds(2))
    for _ in 0..<LaneQuotas.perPair {
      let near = ask(world, 1, for: 2)
      try #require(world.far(2)).receive(Self.granted)
      guard case .token? = try answer(near) else { throw Missing() }
      near.takeAll()
      world.far(2)?.takeAll()
    }
    world.pass(.seconds(2))
    #expect(try answer(ask(world, 1, for: 2)) == .refused(.limitReached))
    #expect(try answer(ask(world, 2, for: 1)) == .refused(.limitReached))
  }

  /// Requests that wait for the target at the same time do not get more than there is.
  @Test func concurrentRequestsDoNotExceedTheLimit() throws {
    let world = try world(1, 2)
    let streams = (0..<10).map { _ in ask(world, 1, for: 2) }
    for far in world.opened[RelayWorld.node(2)] ?? [] { far.receive(Self.granted) }
    let answers = try streams.map { try answer($0) }
    #expect(answers.count { if case .token = $0 { true } else { false } } == LaneQuotas.perPair)
    #expect(answers.suffix(2) == [.refused(.limitReached), .refused(.limitReached)])
  }

  @Test func openingsAreCounted() throws {
    let world = try world(1, 2)
    let answers = try (0..<25).map { _ in try answer(ask(world, 1, for: 3)) }
    #expect(answers.suffix(5).allSatisfy { $0 == .refused(.limitReached) })
    for number in 10..<26 {
      world.link(number)
      _ = ask(world, number, for: 2)
    }
    #expect(try answer(ask(world, 2, for: 10)) == nil)
    world.link(30)
    #expect(try answer(ask(world, 30, for: 2)) == .refused(.limitReached), "16 wait for this target already")
  }

  // MARK: The opener

  @Test(arguments: [1, 1_000]) func theOpenerGetsTheToken(chunk: Int) {
    let stream = MemoryStream()
    var answers: [LaneAnswer?] = []
    let asking = LaneAsking(for: RelayWorld.node(2), over: RelayWorld.topic) { _ in
      stream
    } onAnswer: {
      answers.append($0)
    }
    #expect(stream.written == [StreamKind.relay.rawValue] + RelayWorld.request(to: 2, use: RelayFrame.lane))
    let bytes = RelayToken(.filled(with: 3)).encoded
    for start in stride(from: 0, to: bytes.count, by: chunk) { stream.receive(Array(bytes[start...].prefix(chunk))) }
    #expect(answers == [.token(.filled(with: 3))] && stream.isReset)
    asking.cancel()
    #expect(answers.count == 1)
  }

  @Test func anOlderRelayRefuses() {
    let stream = MemoryStream()
    var answers: [LaneAnswer?] = []
    let asking = LaneAsking(for: RelayWorld.node(2), over: RelayWorld.topic) { _ in
      stream
    } onAnswer: {
      answers.append($0)
    }
    stream.receive(RelayAnswer(.doesNotRelay).encoded)
    stream.end(.reset)
    #expect(answers == [.refused(.doesNotRelay)])
    _ = asking
  }

  /// A link follows only where one was asked for.
  @Test(arguments: [[0, 0, 0, 0], Self.granted, [1]]) func anotherAnswerIsNone(bytes: [UInt8]) {
    let stream = MemoryStream()
    var answers: [LaneAnswer?] = []
    let asking = LaneAsking(for: RelayWorld.node(2), over: RelayWorld.topic) { _ in
      stream
    } onAnswer: {
      answers.append($0)
    }
    stream.receive(bytes)
    stream.end(.reset)
    #expect(answers == [nil])
    _ = asking
  }
}
