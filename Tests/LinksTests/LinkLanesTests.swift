import EventLoop
import Primitives
import Testing

@testable import Links

/// `LinkLanes`: which connections transfers may use, and when these end.
@Suite(.timeLimit(.minutes(1))) struct LinkLanesTests {
  private final class User: LaneUser {
    var bytesLeft: UInt64 = 1 << 30
    var changes = 0

    func lanesChanged() { changes += 1 }
    func linkAbandoned(_ link: LinkID) {}
  }

  /// Calls `done` once no lane is left.
  private func whenEmpty(_ lanes: LinkLanes, _ loop: EventLoop, _ done: @escaping () -> Void) {
    var timer: Timer?
    timer = loop.after(.zero, repeating: .milliseconds(1)) {
      guard lanes.count == 0 else { return }
      timer?.cancel()
      done()
    }
  }

  /// The times are the test's.
  @Test func lanesReplaceTheLinkAndEndWhenIdle() async throws {
    try await withHosts { hosts in
      for _ in 0..<3 { try await hosts.connect() }
      let (seen, changes): ([[UInt64]], Int) = await hosts.run { hosts, done in
        let (loop, start) = (hosts.loop, hosts.loop.now)
        let lanes = LinkLanes(of: hosts.dialed[0], loop: loop)
        let user = User()
        var seen = [lanes.usable.map(\.id.number)]
        lanes.join(user)
        for link in hosts.dialed[1...] { _ = lanes.add(link) }
        for seconds in [0, 2, 9, 15] {
          lanes.check(at: start + .seconds(seconds))
          seen.append(lanes.usable.map(\.id.number))
        }
        whenEmpty(lanes, loop) {
          seen.append(lanes.usable.map(\.id.number))
          lanes.close()
          done((seen, user.changes))
        }
      }
      #expect(seen.first == [0] && seen.last == [0])
      #expect(seen[1...3] == [[0, 1, 2], [1, 2], [1, 2]])
      #expect(changes >= 5, "two lanes came, two went, and the link stopped to be one")
    }
  }

  /// A lane with an open stream is not idle.
  @Test func aLaneInUseStays() async throws {
    try await withHosts { hosts in
      for _ in 0..<2 { try await hosts.connect() }
      let count: Int = await hosts.run { hosts, done in
        let (loop, start) = (hosts.loop, hosts.loop.now)
        let lanes = LinkLanes(of: hosts.dialed[0], loop: loop)
        _ = lanes.add(hosts.dialed[1])
        _ = lanes.usable.last?.open(1 << 20)
        for seconds in 0..<60 { lanes.check(at: start + .seconds(seconds)) }
        let count = lanes.count
        lanes.close()
        whenEmpty(lanes, loop) { done(count) }
      }
      #expect(count == 1)
    }
  }

  /// Makes a link count as silent: the loop reads nothing during the checks.
  private func silence(_ link: Link, _ loop: EventLoop) {
    _ = link.openStream()
    let now = loop.now
    for check in 1...12 { link.checkLife(at: now + LinkClock.watchPeriod * check) }
  }

  @Test func aSilentLaneIsGivenUpWhileAnotherPathIsHeard() async throws {
    try await withHosts { hosts in
      for _ in 0..<3 { try await hosts.connect() }
      let (usable, ends): ([[UInt64]], [LinkStreamEnd]) = await hosts.run { hosts, done in
        let (loop, start) = (hosts.loop, hosts.loop.now)
        let lanes = LinkLanes(of: hosts.dialed[0], loop: loop)
        for link in hosts.dialed[1...] { _ = lanes.add(link) }
        lanes.check(at: start + .seconds(2))
        var usable = [lanes.usable.map(\.id.number)]
        var ends: [LinkStreamEnd] = []
        hosts.dialed[1].openStream().onEnd = { ends.append($0) }
        silence(hosts.dialed[1], loop)
        usable.append(lanes.usable.map(\.id.number))
        lanes.check(at: start + .seconds(2))
        usable.append(lanes.usable.map(\.id.number))
        lanes.close()
        done((usable, ends))
      }
      #expect(usable == [[1, 2], [2], [2]])
      #expect(ends == [.linkClosed])
    }
  }

  /// With no other way to the node, giving lanes up would gain nothing.
  @Test func lanesOfASilentPathStay() async throws {
    try await withHosts { hosts in
      for _ in 0..<3 { try await hosts.connect() }
      let (usable, count): ([UInt64], Int) = await hosts.run { hosts, done in
        let (loop, start) = (hosts.loop, hosts.loop.now)
        let lanes = LinkLanes(of: hosts.dialed[0], loop: loop)
        var wanted = 0
        lanes.onWanted = { wanted += $0 }
        lanes.join(User())
        for link in hosts.dialed[1...] { _ = lanes.add(link) }
        for link in hosts.dialed { silence(link, loop) }
        lanes.check(at: start + .seconds(2))
        done((lanes.usable.map(\.id.number), lanes.count + wanted))
        lanes.close()
      }
      #expect(usable == [0])
      #expect(count == 2)
    }
  }

  @Test func aLaneThatBreaksIsForgotten() async throws {
    try await withHosts { hosts in
      for _ in 0..<2 { try await hosts.connect() }
      let changes: Int = await hosts.run { hosts, done in
        let lanes = LinkLanes(of: hosts.dialed[0], loop: hosts.loop)
        let user = User()
        lanes.join(user)
        _ = lanes.add(hosts.dialed[1])
        hosts.accepted[1].close()
        whenEmpty(lanes, hosts.loop) {
          lanes.close()
          done(user.changes)
        }
      }
      #expect(changes == 2)
    }
  }

  @Test func thereIsALimit() async throws {
    try await withHosts { hosts in
      for _ in 0..<LinkLanes.limit + 2 { try await hosts.connect() }
      let ids: [LaneID?] = await hosts.run { hosts, done in
        let lanes = LinkLanes(of: hosts.dialed[0], loop: hosts.loop)
        done(hosts.dialed[1...].map { lanes.add($0) })
        lanes.close()
      }
      #expect(ids.count { $0 != nil } == LinkLanes.limit)
      #expect(ids.last == .some(nil))
    }
  }
}
