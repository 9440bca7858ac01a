import Discovery
import Primitives
import TestSupport
import Testing

@testable import Daemon

/// `WorkShares`: how long peers wait before their messages may cause more work.
@Suite struct WorkSharesTests {
  private static let home = PeerOrigin.endSite([192, 0, 2, 1])

  private static func node(_ number: Int) throws -> NodeID {
    try #require(NodeID(bytes: [UInt8](repeating: UInt8(number), count: NodeID.byteCount)))
  }

  /// The units of work that each origin does in ten seconds, if the peers behind it always have more to do.
  private func work(of peers: [PeerOrigin: Int]) throws -> [PeerOrigin: Int] {
    let shares = WorkShares()
    var done: [PeerOrigin: Int] = [:]
    var nextTurns = try peers.flatMap { origin, count in try (0..<count).map { (origin, 0, try Self.node($0)) } }
    for millisecond in 0..<10_000 {
      let now = Instant(nanoseconds: 1_000_000_000 + UInt64(millisecond) * 1_000_000)
      for place in nextTurns.indices where nextTurns[place].1 <= millisecond {
        let origin = nextTurns[place].0
        done[origin, default: 0] += 100
        let delay = shares.delay(for: 100, of: nextTurns[place].2, from: origin, at: now)
        nextTurns[place].1 = millisecond + max(1, Int(delay.wholeMilliseconds))
      }
    }
    return done
  }

  @Test func identitiesFromOneAddressShareItsWork() throws {
    let one = try #require(try work(of: [Self.home: 1])[Self.home])
    let hundred = try #require(try work(of: [Self.home: 100])[Self.home])
    #expect((45_000...56_000).contains(one))
    // Each may begin a message before it learns that it has to wait.
    #expect((45_000...66_000).contains(hundred))
  }

  /// However many origins there are, this node has time for others.
  @Test func allOriginsTogetherAreBounded() throws {
    let origins = (0..<50).map { PeerOrigin.endSite([198, 51, 100, $0]) }
    let done = try work(of: Dictionary(uniqueKeysWithValues: origins.map { ($0, 4) }))
    let total = done.values.reduce(0, +)
    #expect(total < 250_000, "\(total) in ten seconds")
    let (least, most) = (done.values.min() ?? 0, done.values.max() ?? 0)
    #expect(least * 2 > most, "each gets a similar share")
  }

  /// Whoever asks little waits for nobody.
  @Test func aQuietPeerDoesNotWaitForFloods() throws {
    let shares = WorkShares()
    var now = Instant(nanoseconds: 1_000_000_000)
    for round in 0..<200 {
      for number in 0..<20 {
        _ = try shares.delay(for: 1_000, of: Self.node(number), from: .endSite([198, 51, 100, UInt8(number)]), at: now)
      }
      if round % 10 == 0 {
        #expect(try shares.delay(for: 5, of: Self.node(20), from: Self.home, at: now) == .zero)
      }
      now = now + .milliseconds(50)
    }
  }

  /// Nor do those behind whose address the flood begins: a laboratory shares one.
  @Test func aQuietPeerDoesNotWaitForItsNeighborsFlood() throws {
    let shares = WorkShares()
    var now = Instant(nanoseconds: 1_000_000_000)
    var longest: Duration = .zero
    for round in 0..<200 {
      for number in 0..<20 { _ = try shares.delay(for: 100, of: Self.node(number), from: Self.home, at: now) }
      if round % 10 == 0 {
        longest = max(longest, try shares.delay(for: 5, of: Self.node(20), from: Self.home, at: now))
      }
      now = now + .milliseconds(50)
    }
    #expect(longest < .milliseconds(20), "\(longest)")
  }

  /// What takes longer than it should costs more, and so does the processor's being slow, but not without end.
  @Test func whatTakesLongCostsMore() throws {
    func delay(within time: Duration) throws -> Duration {
      try WorkShares().delay(
        for: 5_000, within: time, of: Self.node(1), from: Self.home, at: Instant(nanoseconds: 1_000_000_000))
    }
    let (usual, twice, endless) = try (
      delay(within: .zero), delay(within: .milliseconds(300)), delay(within: .seconds(90))
    )
    #expect(try usual == delay(within: .milliseconds(150)))
    #expect(twice > usual)
    #expect(endless > twice && endless <= .seconds(4))
  }

  /// An IPv6 subscriber has 2⁶⁴ addresses or more.
  @Test func anEndSiteIsOneOrigin() throws {
    func origin(_ host: String) throws -> PeerOrigin {
      let endpoint = try #require(Endpoint(host: host, port: 1))
      return PeerOrigin(.tcp(endpoint))
    }
    #expect(try origin("2001:db8:0:1::1") == origin("2001:db8:0:1:ffff::2"))
    #expect(try origin("2001:db8:0:1::1") != origin("2001:db8:0:2::1"))
    #expect(try origin("192.0.2.1") != origin("192.0.2.2"))
    #expect(try origin("::ffff:192.0.2.1") == origin("192.0.2.1"))
  }
}
