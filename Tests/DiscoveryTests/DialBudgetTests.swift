import Primitives
import TestSupport
import Testing

@testable import Discovery

/// How often addresses that others have named are dialed.
@Suite struct DialBudgetTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  private func address(_ host: String, _ port: Int = 1) throws -> Address {
    .tcp(try #require(Endpoint(host: host, port: UInt16(port))))
  }

  /// The attempts at these hosts that are made within ten seconds, if each fails at once.
  private func attempts(_ hosts: [String]) throws -> Int {
    var budget = DialBudget()
    var (made, now) = (0, start)
    var port = 0
    while now < start + .seconds(10) {
      for host in hosts {
        port = port % 60_000 + 1
        if budget.delay(for: try address(host, port), at: now) == .zero { made += 1 }
      }
      now = now + .milliseconds(10)
    }
    return made
  }

  @Test func oneHostIsDialedAFewTimesPerSecond() throws {
    #expect((190...230).contains(try attempts(["192.0.2.1"])))
    #expect((190...230).contains(try attempts(["host.example"])))
    let ofOneSite = (1...9).map { "2001:db8:0:1::\($0)" }
    #expect((190...230).contains(try attempts(ofOneSite)))
  }

  @Test func allHostsTogetherAreBounded() throws {
    let made = try attempts((0..<200).map { "198.51.100.\($0)" })
    #expect((1_100...1_200).contains(made))
  }

  /// A wait that was given is long enough, and what a relay does is not counted.
  @Test func theDelayIsLongEnough() throws {
    var budget = DialBudget()
    var now = start
    for _ in 0..<1_000 {
      let delay = budget.delay(for: try address("192.0.2.1"), at: now)
      now = now + delay
      if delay > .zero { #expect(budget.delay(for: try address("192.0.2.1"), at: now) == .zero) }
    }
    for _ in 0..<1_000 { #expect(budget.delay(for: .relay(.filled(with: 1)), at: now) == .zero) }
  }

  /// Records of invented nodes name the ports of one host: neither the host nor other targets notice much.
  @Test func inventedNodesDoNotMakeAScanner() throws {
    var schedule = DialSchedule(random: SeededRandom(seed: 1))
    for number in 0..<400 {
      let addresses = try (0..<16).map { try address("192.0.2.1", 1 + number * 16 + $0) }
      schedule.want(.member(.filled(with: UInt8(number % 250), UInt8(number / 250))), at: addresses, now: start)
    }
    var (now, dials) = (start, 0)
    while now < start + .seconds(25) {
      for action in schedule.wake(now: now) {
        guard case .dial(let id, _, _) = action else { continue }
        dials += 1
        schedule.failed(id, now: now)
      }
      now = max(now + .milliseconds(1), schedule.wakeAt ?? now)
    }
    #expect(dials <= 128 + 8 * 25 + 1)
    let honest = try address("198.51.100.1")
    schedule.want(.member(.filled(with: 255)), at: [honest], now: now)
    let dialed = schedule.wake(now: now).contains { if case .dial(_, honest, _) = $0 { true } else { false } }
    #expect(dialed)
  }
}

extension NodeID {
  fileprivate static func filled(with first: UInt8, _ second: UInt8) -> NodeID {
    NodeID(bytes: [first] + [UInt8](repeating: second, count: 31)) ?? .filled(with: first)
  }
}
