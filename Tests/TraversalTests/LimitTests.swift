import Primitives
import TestSupport
import Testing
import Wire

@testable import Traversal

/// What rounds may cost, and which candidates are believed.
@Suite struct LimitTests {
  private static let start = Instant(nanoseconds: 3_600_000_000_000)

  private func endpoints(_ host: Int, _ count: Int = 1) -> [Endpoint] {
    (1...count).compactMap { Endpoint(host: "203.0.113.\(host)", port: UInt16(2_000 + $0)) }
  }

  @Test func aHostIsDialedThreeTimesInTenSecondsAndTenInTenMinutes() {
    var budget = PunchBudget()
    var admitted: [Int] = []
    for second in 0..<700 {
      let now = Self.start + .seconds(second)
      if budget.admit(PunchTargets(tcp: endpoints(1)), for: .filled(with: 1), at: now) != nil {
        admitted.append(second)
      }
    }
    #expect(admitted == [0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 600, 601, 602, 610, 611, 612, 620, 621, 622, 630])
    let other = budget.admit(PunchTargets(udp: endpoints(2)), for: .filled(with: 1), at: Self.start + .seconds(100))
    #expect(other != nil)
  }

  /// Local addresses lead to the node only from within its network.
  @Test(arguments: [
    // Where this node is seen, where the other one is, and whether 10.9.0.5 is dialed.
    (["203.0.113.1:9"], ["203.0.113.2:9"], false), (["203.0.113.1:9"], ["203.0.113.1:8"], true),
    (["10.7.0.1:9"], ["10.9.0.5:8"], true), (["10.7.0.1:9"], ["10.9.0.6:8"], false),
    (["203.0.113.1:9"], ["10.9.0.5:8"], false),
  ])
  func localAddressesNeedAReason(own: [String], seen: [String], isDialed: Bool) throws {
    var outside = OutsideView()
    for text in own {
      let endpoint = try #require(Endpoint(text))
      _ = outside.record(endpoint, by: .filled(with: 1))
    }
    let side = OwnSide(outside: outside, port: 7, interfaces: [], networks: [])
    let filter = CandidateFilter(own: side, seen: seen.compactMap { Endpoint($0) })
    let address = try #require(IPAddress("10.9.0.5"))
    let candidate = try #require(Candidate(.local, address, port: 5_000))
    #expect(filter.admitted([candidate]) == (isDialed ? [candidate] : []))
    // The own network is a reason of its own.
    let network = try #require(IPNetwork(of: address, length: 16))
    let near = OwnSide(outside: outside, port: 7, interfaces: [], networks: [network])
    #expect(CandidateFilter(own: near, seen: []).admitted([candidate]) == [candidate])
  }

  /// A node does not dial itself, nor by a transport that it lacks.
  @Test func ownEndpointsAndOtherTransportsAreLeftOut() throws {
    var outside = OutsideView()
    let endpoint = try #require(Endpoint("203.0.113.1:4000"))
    _ = outside.record(endpoint, by: .filled(with: 1))
    let side = OwnSide(outside: outside, port: 7_000, interfaces: ["10.9.0.5"], networks: [])
    let filter = CandidateFilter(own: side, seen: [endpoint])
    let (host, inner) = (try #require(IPAddress("203.0.113.1")), try #require(IPAddress("10.9.0.5")))
    let other = try #require(Candidate(.seen, host, port: 4_001))
    let candidates = [
      Candidate(.seen, host, port: 4_000), Candidate(.ownPort, host, port: 7_000),
      Candidate(.local, inner, port: 7_000),
      Candidate(.seen, over: .udp, host, port: 4_002), other,
    ].compactMap { $0 }
    #expect(filter.admitted(candidates) == [other])
  }

  @Test func predictedPortsComeFirst() throws {
    var outside = OutsideView()
    let places = try ["203.0.113.1:4000", "203.0.113.1:4001"].map { try #require(Endpoint($0)) }
    for (number, place) in places.enumerated() { _ = outside.record(place, by: .filled(with: UInt8(number))) }
    let side = OwnSide(outside: outside, port: 7_000, interfaces: [], networks: [])
    let now = try #require(Endpoint("203.0.113.1:4004"))
    #expect(
      side.candidates(after: now).filter { $0.kind == .predicted }.map(\.port) == Array(4_005...4_012) + [4_003, 4_002])
    let last = try #require(Endpoint("203.0.113.1:65533"))
    #expect(side.candidates(after: last).prefix(3).map(\.port) == [65_534, 65_535, 65_532])
    #expect(side.candidates(after: last).count <= WireLimits.candidates)
  }

  /// Datagrams count as a round against their host, like dials.
  @Test func probesCountAsDialsDo() {
    var budget = PunchBudget()
    let mixed = PunchTargets(tcp: endpoints(1), udp: endpoints(1, 3), open: [.tcp, .udp])
    let counts = (0..<4).map { budget.admit(mixed, for: .filled(with: 1), at: Self.start + .seconds($0))?.udp.count }
    #expect(counts == [3, 3, 3, nil])
    #expect(budget.free(endpoints(1) + endpoints(2), at: Self.start + .seconds(4)) == endpoints(2))
  }

  /// Candidates for UDP never displace those for TCP that are needed.
  @Test func bothTransportsHaveCandidates() throws {
    var outside = OutsideView()
    for number in 1...4 as ClosedRange<UInt8> {
      let endpoint = try #require(Endpoint("203.0.113.\(number):4000"))
      _ = outside.record(endpoint, by: .filled(with: number))
    }
    let hosts = (1...6).map { "192.168.1.\($0)" } + (1...6).map { "2001:db8::\($0)" }
    let datagrams = OwnSide.Datagrams(outside: outside, port: 7_001, isBlocked: false)
    let side = OwnSide(outside: outside, port: 7_000, interfaces: hosts, networks: [], datagrams: datagrams)
    #expect(side.candidates.count == WireLimits.candidates)
    let udp = side.candidates.filter { $0.transport == .udp }
    #expect(udp.map(\.kind) == [.seen, .seen, .local, .local, .ipv6, .ownPort])
    #expect(udp.map(\.port) == [4_000, 4_000, 7_001, 7_001, 7_001, 7_001])
    let router = try #require(Endpoint("203.0.113.9:7001"))
    let led = OwnSide.Datagrams(outside: outside, port: 7_001, isBlocked: false, mapped: router)
    let mapped = OwnSide(outside: outside, port: 7_000, interfaces: hosts, networks: [], datagrams: led).candidates
    #expect(mapped.count == WireLimits.candidates)
    #expect(mapped.filter { $0.transport == .udp }.map(\.kind) == [.mapped, .seen, .seen, .local, .local, .ipv6])
    let next = try #require(Endpoint("203.0.113.4:4004"))
    #expect(side.candidates(after: next).filter { $0.transport == .udp } == udp)
    #expect(side.candidates(after: next).count <= WireLimits.candidates)
    let blocked = OwnSide.Datagrams(outside: outside, port: 7_001, isBlocked: true)
    let without = OwnSide(outside: outside, port: 7_000, interfaces: hosts, networks: [], datagrams: blocked)
    #expect(without.candidates.allSatisfy { $0.transport == .tcp } && without.udpMapping == .none)
  }

  @Test func unfinishedDialsAreLimited() {
    var budget = PunchBudget()
    let counts = (1...4).map { peer in
      budget.admit(PunchTargets(tcp: endpoints(peer, 15)), for: .filled(with: UInt8(peer)), at: Self.start)?.tcp.count
    }
    #expect(counts == [15, 15, 2, nil])
    budget.ended(.filled(with: 1))
    let next = budget.admit(PunchTargets(tcp: endpoints(5, 16)), for: .filled(with: 5), at: Self.start)
    #expect(next?.tcp.count == 15)
    // A round that only waits needs no dial.
    let waiting = budget.admit(PunchTargets(), for: .filled(with: 6), at: Self.start)
    #expect(waiting == PunchTargets())
  }

  /// Sixteen sessions take place; the others follow.
  @Test func furtherSessionsWait() {
    var schedule = PunchSchedule(of: .filled(with: 0), random: SeededRandom(seed: 1))
    var asked = 0
    for peer in 1...40 as ClosedRange<UInt8> {
      let link = ReachLink(id: LinkID(number: UInt64(peer)), binding: [peer], seen: [])
      asked += schedule.want(.filled(with: peer), over: [link], at: Self.start).count
    }
    #expect(asked == PunchBudget.maximumSessions)
    for peer in 1...16 as ClosedRange<UInt8> { _ = schedule.linked(.filled(with: peer), now: Self.start) }
    asked += schedule.wake(at: Self.start + .seconds(1)).count
    #expect(asked == 32)
    #expect(schedule.keepsItsDeadlines)
  }
}

/// The difference between the starts of the two ends, in milliseconds.
enum PunchScheduleTimes {
  static func shift(_ round: UInt8) -> Int {
    let controlled = PunchPlan.delay(in: round, isControlling: false).wholeMilliseconds
    return Int(controlled) - Int(PunchPlan.delay(in: round, isControlling: true).wholeMilliseconds)
  }
}
