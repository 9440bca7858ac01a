import Diagnostics
import Links
import Primitives
import TestSupport
import Testing
import Wire

@testable import Daemon

/// Which connections a relay joins, and for how long.
@Suite struct JoinedLanesTests {
  @Test(arguments: [[LaneRole.opener, .target], [.target, .opener]])
  func twoConnectionsWithOneTokenAreJoined(order: [LaneRole]) throws {
    let world = try LaneWorld()
    let token = try #require(world.grant(1, 2))
    #expect(world.lanes.waitingCount == 1 && world.metrics.waitingLanes.current == 1)
    let first = world.show(token, order[0])
    #expect(world.splices.isEmpty && !first.isClosed)
    world.show(token, order[1])
    #expect(world.splices.count == 1)
    #expect(world.lanes.count == 1 && world.lanes.waitingCount == 0)
    #expect(world.metrics.lanes.current == 1 && world.metrics.waitingLanes.current == 0)
    let splice = try #require(world.splices.first)
    splice.receive(1_000)
    world.turn()
    splice.receive(7, 1)
    world.turn()
    #expect(splice.passed == 1_007)
    #expect(world.metrics.bytes.current == 1_007 && world.metrics.laneBytes.current == 1_007)
    splice.end()
    #expect(world.lanes.isIdle && world.metrics.lanes.current == 0)
  }

  @Test func tokensAreRandomAndDiffer() throws {
    let world = try LaneWorld()
    let tokens = try (0..<LaneQuotas.perPair).map { _ in try #require(world.grant(1, 2)) }
    #expect(Set(tokens).count == tokens.count)
    #expect(tokens.allSatisfy { Set($0.bytes).count > 4 })
  }

  // MARK: Hostile nodes

  @Test func aWrongTokenIsWorthNothing() throws {
    let world = try LaneWorld()
    let token = try #require(world.grant(1, 2))
    let first = world.show(token, .opener)
    var guess = token.bytes
    guess[15] ^= 1
    let stranger = world.show(try #require(LaneToken(bytes: guess)), .target)
    #expect(stranger.isClosed && !first.isClosed)
    #expect(world.splices.isEmpty)
    world.show(token, .target)
    #expect(world.splices.count == 1)
  }

  /// A token is for one connection of each of the two nodes, and only once.
  @Test func aTokenIsUsedOnce() throws {
    let world = try LaneWorld()
    let token = try #require(world.grant(1, 2))
    let first = world.show(token, .opener)
    let second = world.show(token, .opener)
    #expect(second.isClosed && !first.isClosed && world.splices.isEmpty)
    world.show(token, .target)
    #expect(world.splices.count == 1)
    for role in LaneRole.allCases { #expect(world.show(token, role).isClosed, "replayed") }
    world.splices[0].end()
    for role in LaneRole.allCases { #expect(world.show(token, role).isClosed, "replayed") }
    #expect(world.lanes.isIdle)
  }

  /// The connections of two lanes are never mixed.
  @Test func theTokenOfAnotherLaneLeadsToThatLane() throws {
    let world = try LaneWorld()
    let tokens = try [#require(world.grant(1, 2)), #require(world.grant(3, 4))]
    world.show(tokens[0], .opener)
    world.show(tokens[1], .target)
    #expect(world.splices.isEmpty)
    world.show(tokens[1], .opener)
    #expect(world.splices.count == 1 && world.lanes.waitingCount == 1)
  }

  @Test func aTokenIsGoodForTenSeconds() throws {
    let world = try LaneWorld()
    let tokens = try (0..<2).map { _ in try #require(world.grant(1, 2)) }
    let first = world.show(tokens[0], .opener)
    world.pass(.milliseconds(9_999))
    #expect(!first.isClosed)
    world.show(tokens[1], .opener)
    world.show(tokens[1], .target)
    #expect(world.splices.count == 1)
    world.pass(.milliseconds(1))
    #expect(first.isClosed && world.lanes.waitingCount == 0)
    #expect(world.show(tokens[0], .target).isClosed)
    #expect(world.lanes.count == 1, "the joined one stays")
  }

  @Test func anEndBeforeTheOtherConnectionEndsTheToken() throws {
    let world = try LaneWorld()
    let token = try #require(world.grant(1, 2))
    world.show(token, .target).end()
    #expect(world.lanes.isIdle)
    #expect(world.show(token, .opener).isClosed)
  }

  @Test func twoNodesHaveEightLanes() throws {
    let world = try LaneWorld()
    let splices = try (0..<LaneQuotas.perPair).map { _ in try #require(world.join(1, 2)) }
    #expect(world.grant(1, 2) == nil && world.grant(2, 1) == nil)
    #expect(!world.lanes.admits(LaneWorld.pair(1, 2), by: RelayWorld.node(1)))
    #expect(world.grant(1, 3) != nil)
    splices[0].end()
    #expect(world.grant(2, 1) != nil)
  }

  @Test func aRelayHasSixtyFourWaitingLanes() throws {
    let world = try LaneWorld()
    for opener in 0..<4 {
      for target in 0..<LaneQuotas.waitingPerNode { #expect(world.grant(opener, 100 + target) != nil) }
      #expect(world.grant(opener, 200) == nil, "one node cannot take all of them")
    }
    #expect(world.lanes.waitingCount == LaneQuotas.waiting)
    #expect(world.grant(50, 51) == nil)
    world.pass(JoinedLanes.tokenTime)
    #expect(world.lanes.isIdle && world.grant(50, 51) != nil)
  }

  @Test func aRelayHas256Lanes() throws {
    let world = try LaneWorld()
    for number in 0..<LaneQuotas.total { #expect(world.join(number / 8 * 2, number / 8 * 2 + 1) != nil) }
    #expect(world.grant(1_000, 1_001) == nil)
    #expect(world.lanes.count == LaneQuotas.total)
    world.lanes.stop()
    #expect(world.lanes.isIdle && world.splices.allSatisfy(\.isClosed))
  }

  @Test func aNodeHasSixtyFourLanes() throws {
    let world = try LaneWorld()
    for number in 0..<LaneQuotas.perNode { #expect(world.join(1, 10 + number / 8) != nil) }
    #expect(world.grant(1, 500) == nil && world.grant(500, 1) == nil)
    #expect(world.grant(10, 500) != nil)
  }

  @Test func eightConnectionsOfOneAddressWait() throws {
    let world = try LaneWorld()
    let tokens = try (0..<10).map { try #require(world.grant(1, 10 + $0)) }
    let halves = tokens.prefix(9).map { world.show($0, .opener) }
    #expect(halves.map(\.isClosed) == Array(repeating: false, count: 8) + [true])
    #expect(!world.show(tokens[9], .opener, host: "192.0.2.2").isClosed)
    // The other halves may come from the same address, and the place is free again.
    world.show(tokens[0], .target)
    #expect(world.splices.count == 1)
    #expect(!world.show(tokens[8], .opener).isClosed)
  }

  @Test func withoutDescriptorsTheLaneIsOver() throws {
    let world = try LaneWorld()
    world.failsToSplice = true
    let token = try #require(world.grant(1, 2))
    let halves = LaneRole.allCases.map { world.show(token, $0) }
    #expect(halves.allSatisfy(\.isClosed) && world.lanes.isIdle)
    world.failsToSplice = false
    #expect(world.join(1, 2) != nil)
  }

  // MARK: Stalls

  @Test func aLaneOnWhichNothingPassesIsBroken() throws {
    let world = try LaneWorld()
    let (idle, busy) = try (#require(world.join(1, 2)), #require(world.join(1, 2)))
    for _ in 0..<20 {
      busy.receive(10, 1)
      world.turn()
      world.pass(.seconds(3))
    }
    #expect(idle.isClosed && !busy.isClosed)
    #expect(world.lanes.count == 1)
  }

  /// The other direction may go on.
  @Test func aNodeThatTakesNothingLosesTheLane() throws {
    let world = try LaneWorld()
    let splice = try #require(world.join(1, 2))
    splice.setRoom(100)
    splice.receive(1_000_000)
    for second in 0..<50 where !splice.isClosed {
      splice.receive(10, 1)
      world.turn()
      world.pass(.seconds(1))
      if second < 25 { #expect(!splice.isClosed) }
    }
    #expect(splice.isClosed && world.lanes.isIdle)
  }

  /// A byte now and then is progress, and costs no more than the buffers of the kernel.
  @Test func aSlowNodeKeepsItsLane() throws {
    let world = try LaneWorld()
    let splice = try #require(world.join(1, 2))
    splice.receive(1_000_000)
    for _ in 0..<10 {
      splice.setRoom(1)
      world.turn()
      world.pass(.seconds(20))
    }
    #expect(!splice.isClosed && splice.passed == 10)
  }

  // MARK: Turns

  /// However many lanes two nodes have, they get one share.
  @Test func eightLanesGetOneShare() throws {
    let world = try LaneWorld()
    let many = try (0..<8).map { _ in try #require(world.join(1, 2)) }
    let one = try #require(world.join(3, 4))
    for splice in many + [one] { splice.receive(1 << 30) }
    for _ in 0..<400 { world.turn() }
    let share = Double(many.reduce(0) { $0 + $1.passed }) / Double(one.passed)
    #expect((0.9...1.1).contains(share), "\(share)")
    // And the eight share theirs.
    let each = many.map(\.passed)
    #expect((each.min() ?? 0) * 2 > (each.max() ?? 1))
  }

  @Test func eightLanesAloneGetEverything() throws {
    let world = try LaneWorld()
    let many = try (0..<8).map { _ in try #require(world.join(1, 2)) }
    for splice in many { splice.receive(JoinedLane.turn) }
    for _ in 0..<20 { world.turn() }
    #expect(many.allSatisfy { $0.passed == JoinedLane.turn })
  }

  @Test(arguments: [1, 5]) func theRateHoldsForAllLanesTogether(rate: Int) throws {
    let world = try LaneWorld(rate: rate)
    let many = try (0..<8).map { _ in try #require(world.join(1, 2)) }
    let one = try #require(world.join(3, 4))
    for splice in many + [one] { splice.receive(1 << 30) }
    for _ in 0..<10_000 {
      world.turn()
      world.pass(.milliseconds(4))
    }
    let expected = rate * 40_000_000
    let passed = (many + [one]).reduce(0) { $0 + $1.passed }
    #expect((expected * 9 / 10...expected * 11 / 10).contains(passed), "\(passed)")
    let share = Double(passed - one.passed) / Double(one.passed)
    #expect((0.8...1.25).contains(share), "\(share)")
    #expect((many + [one]).allSatisfy { $0.turns.allSatisfy { $0 <= RelayDirection.turn } })
    #expect((many + [one]).allSatisfy { $0.watches < 2_000 }, "a loop that reports the same again would spin")
    #expect((many + [one]).allSatisfy { !$0.isClosed }, "what waits for the rate does not wait for a node")
  }
}
