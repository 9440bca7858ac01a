import Crypto
import Discovery
import NodeCore
import Primitives
import Testing
import Wire

/// A bootstrap node is dialed at several ports, because a network may let connections out to few of them.
@Suite struct BootstrapPortTests {
  private let given: Endpoint
  private let hub: SigningKey
  private var core: NodeCore
  private var time = Instant(nanoseconds: 1_000_000_000)

  init() throws {
    given = try #require(Endpoint(host: "hub.example.org", port: 14_507))
    hub = try KeyRing.key(1)
    core = NodeCore(
      NodeCoreConfiguration(
        key: try KeyRing.key(0), label: "client", software: "test", bootstraps: [given]),
      random: SystemRandomNumberGenerator())
    core.setAddresses([], port: 5_000, at: now)
  }

  private var now: Timestamps { Timestamps(instant: time, wall: WallTime(milliseconds: 1_700_000_000_000)) }

  /// What the node dials from now on until the time is over.
  private mutating func dials(for duration: Duration) -> [(id: DialID, place: String, after: Duration)] {
    let (start, end) = (time, time + duration)
    var dials: [(id: DialID, place: String, after: Duration)] = []
    while true {
      while let effect = core.nextEffect() {
        if case .link(.dial(let id, let address, _)) = effect { dials.append((id, "\(address)", time - start)) }
      }
      guard let next = core.wakeAt, next <= end else { break }
      time = max(time, next)
      core.wake(at: now)
    }
    time = end
    return dials
  }

  private mutating func link(by dial: DialID, addresses: [Address]) {
    let facts = LinkFacts(peer: hub.publicKey, dial: dial, binding: [UInt8](repeating: 1, count: 32), remote: nil)
    core.linkOpened(LinkID(number: 1), facts, at: now)
    let hello = Hello(
      label: "hub", software: "test", isBootstrap: true, clock: now.wall, addresses: addresses)
    core.received(.hello(hello), on: LinkID(number: 1), at: now)
  }

  @Test mutating func port443HasItsTurnIfTheGivenPortDoesNotAnswer() {
    let dials = dials(for: .seconds(2))
    #expect(dials.map(\.place) == ["hub.example.org:14507", "hub.example.org:443"])
    #expect(dials.last?.after == DialSchedule.headStart)
  }

  @Test mutating func aWebServerIsDialedByWebSocketAlone() throws {
    let server = try #require(Endpoint(host: "www.example.org", port: 443))
    core = NodeCore(
      NodeCoreConfiguration(
        key: try KeyRing.key(0), label: "client", software: "test",
        webSocketBootstraps: [.secureWebSocket(server), .webSocket(given)]),
      random: SystemRandomNumberGenerator())
    core.setAddresses([], port: 5_000, at: now)
    let dials = dials(for: .seconds(2))
    #expect(Set(dials.map(\.place)) == ["wss://www.example.org:443", "ws://hub.example.org:14507"])
    link(by: try #require(dials.first { $0.place.hasPrefix("wss") }).id, addresses: [.tcp(given)])
    core.linkClosed(LinkID(number: 1), at: now)
    let later = Set(self.dials(for: .seconds(5)).map(\.place))
    #expect(later == ["wss://www.example.org:443"], "a server may not send its clients elsewhere")
  }

  @Test mutating func whatCouldNotBeReachedIsDialedImmediatelyIfTheWayHasChanged() {
    for _ in 0..<8 {
      for dial in dials(for: .seconds(30)) {
        guard let address = Address(dial.place) else { continue }
        core.dialFailed(dial.id, DialProblem(address: address, reason: "nothing answers."), at: now)
      }
    }
    #expect(dials(for: .seconds(1)).isEmpty, "it waits for up to a minute")
    core.dialingChanged(at: now)
    #expect(dials(for: .milliseconds(300)).map(\.place) == ["hub.example.org:14507", "hub.example.org:443"])
  }

  @Test mutating func aPortThatAnswersIsTheOnlyOne() throws {
    let first = try #require(dials(for: .milliseconds(100)).first)
    link(by: first.id, addresses: [])
    #expect(dials(for: .seconds(5)).isEmpty)
  }

  @Test mutating func portsThatTheNodeHasNamedAreDialedLater() throws {
    let first = try #require(dials(for: .milliseconds(100)).first)
    let named = [14_507, 443, 80, 8_443, 80, 81, 82, 83].compactMap { Endpoint(host: "192.0.2.7", port: $0) }
    link(by: first.id, addresses: named.map { .tcp($0) })
    _ = dials(for: .seconds(60))
    core.linkClosed(LinkID(number: 1), at: now)
    let places = dials(for: .seconds(5)).map(\.place)
    #expect(places == [14_507, 443, 80, 8_443, 81, 82].map { "hub.example.org:\($0)" }, "no other host is dialed")
  }

  @Test mutating func aNodeNamesEachOfItsPorts() throws {
    core.setAddresses([given], port: 14_507, furtherPorts: [443], at: now)
    core.setLocalNetwork(LocalNetwork(hosts: ["10.1.2.3"], networks: []), at: now)
    _ = dials(for: .zero)
    let facts = LinkFacts(peer: hub.publicKey, dial: nil, binding: [UInt8](repeating: 1, count: 32), remote: nil)
    core.linkOpened(LinkID(number: 1), facts, at: now)
    var named: [String] = []
    while let effect = core.nextEffect() {
      if case .link(.send(_, .hello(let hello))) = effect { named = hello.addresses.map(\.description) }
    }
    #expect(named == ["hub.example.org:14507", "10.1.2.3:14507", "10.1.2.3:443"])
  }
}
