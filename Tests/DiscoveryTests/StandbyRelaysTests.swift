import Discovery
import Primitives
import TestSupport
import Testing

/// When a second relayed link is opened, and through which relay.
@Suite struct StandbyRelaysTests {
  private static let peer = NodeID.filled(with: 9)
  private static let relays = (1...3).map { NodeID.filled(with: UInt8($0)) }

  private struct World {
    var standby = StandbyRelays()
    private(set) var now = Instant(nanoseconds: 0)
    /// The relays that were dialed, with the seconds at which they were.
    private(set) var dialed: [(seconds: Int, relay: NodeID)] = []
    private(set) var cancelled: [DialID] = []
    private var last: UInt64 = 0
    /// Whether attempts fail immediately.
    var fails = false

    var dial: DialID { DialID(number: last) }

    mutating func review(used: [NodeID], relays: [NodeID] = StandbyRelaysTests.relays) {
      cancelled += [standby.review(peer, used: Set(used), relays: relays, at: now)].compactMap { $0 }
      #expect(standby.keepsItsDeadlines)
    }

    mutating func run(for duration: Duration) {
      let end = now + duration
      while let due = standby.wakeAt, due <= end {
        now = max(now, due)
        for attempt in standby.wake(at: now) {
          last += 1
          standby.begun(dial, for: attempt.peer)
          dialed.append((Int(now.nanoseconds / 1_000_000_000), attempt.relay))
          if fails { standby.failed(dial, at: now) }
        }
        #expect(standby.keepsItsDeadlines)
      }
      now = end
    }
  }

  @Test func theBestOtherRelayIsDialedAfterAMoment() {
    var world = World()
    world.review(used: [Self.relays[0]])
    world.run(for: .milliseconds(999))
    #expect(world.dialed.isEmpty)
    world.run(for: .seconds(60))
    #expect(world.dialed.map(\.relay) == [Self.relays[1]])
    world.standby.opened(world.dial, at: world.now)
    world.review(used: Array(Self.relays[0...1]))
    world.run(for: .seconds(10_000))
    #expect(world.dialed.count == 1 && world.cancelled.isEmpty)
  }

  @Test func allRelaysAreTriedAndThenRest() {
    var world = World()
    world.fails = true
    world.review(used: [Self.relays[0]])
    world.run(for: .seconds(1_200))
    let order = [Self.relays[1], Self.relays[2]]
    #expect(world.dialed.map(\.relay) == order + order + order + order)
    #expect(world.dialed.map(\.seconds) == [1, 1, 11, 11, 71, 71, 671, 671])
  }

  /// A link that opens and ends at once is no reason to dial constantly.
  @Test func aLinkThatDoesNotLastIsNotDialedConstantly() {
    var world = World()
    world.review(used: [Self.relays[0]])
    for _ in 0..<1_000 {
      world.run(for: .seconds(1))
      world.standby.opened(world.dial, at: world.now)
      world.review(used: [Self.relays[0]])
    }
    #expect((3...6).contains(world.dialed.count))
  }

  @Test func nothingIsDialedWithoutNeed() {
    for used in [[], Array(Self.relays[0...1])] {
      var world = World()
      world.review(used: used)
      world.run(for: .seconds(10_000))
      #expect(world.dialed.isEmpty)
    }
    var world = World()
    world.review(used: [Self.relays[0]], relays: [Self.relays[0]])
    world.run(for: .seconds(10_000))
    #expect(world.dialed.isEmpty)
  }

  @Test func anAttemptThatIsNotNeededAnymoreIsCancelled() {
    var world = World()
    world.review(used: [Self.relays[0]])
    world.run(for: .seconds(2))
    let attempt = world.standby.end(Self.peer)
    #expect(attempt == world.dial && world.standby.keepsItsDeadlines)
    // Its failure, which may be under way, changes nothing.
    world.standby.failed(world.dial, at: world.now)
    #expect(world.standby.wakeAt == nil && world.standby.keepsItsDeadlines)
    // The relay in use is another one now.
    world.review(used: [Self.relays[0]])
    world.run(for: .seconds(2))
    world.review(used: [Self.relays[2]])
    #expect(world.cancelled == [DialID(number: 2)])
    world.run(for: .seconds(2))
    #expect(world.dialed.map(\.relay) == [Self.relays[1], Self.relays[1], Self.relays[0]])
  }

  @Test func aNewRelayIsTriedSoon() {
    var world = World()
    world.fails = true
    world.review(used: [Self.relays[0]], relays: Array(Self.relays[0...1]))
    world.run(for: .seconds(100))
    let before = world.dialed.count
    world.fails = false
    world.review(used: [Self.relays[0]])
    world.run(for: .seconds(2))
    #expect(world.dialed.dropFirst(before).map(\.relay).count == 1)
  }
}
