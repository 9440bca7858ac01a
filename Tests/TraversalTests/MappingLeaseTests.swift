import Primitives
import TestSupport
import Testing
import Traversal

/// When a router is asked to lead a port to a node, and what follows from its answers.
@Suite struct MappingLeaseTests {
  /// A lease, its router, and a clock.
  private struct World {
    private(set) var lease: MappingLease
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    /// Everything that was asked, with the seconds since the start.
    private(set) var asked: [(seconds: Int, question: PortMappingQuestion)] = []
    private var actions: [MappingLease.Action] = []
    /// How the router answers; nil to answer nothing yet.
    var answers: @Sendable (PortMappingQuestion) -> PortMappingAnswer? = { _ in .silent }

    init(seed: UInt64 = 1, methods: [PortMappingProtocol] = [.natPMP, .upnp]) {
      lease = MappingLease(random: SeededRandom(seed: seed))
      input { $0.setMethods(methods, at: $1) }
    }

    mutating func input(_ body: (inout MappingLease, Instant) -> [MappingLease.Action]) {
      actions += body(&lease, now)
      while !actions.isEmpty {
        let action = actions.removeFirst()
        asked.append((Int(now.nanoseconds / 1_000_000_000) - 1, action.question))
        guard let answer = answers(action.question) else { continue }
        actions += lease.answered(action.number, answer, at: now)
      }
    }

    mutating func run(for duration: Duration) {
      let end = now + duration
      var steps = 0
      while let due = lease.wakeAt, due <= end, steps < 10_000 {
        steps += 1
        now = max(now, due)
        input { $0.wake(at: $1) }
      }
      #expect(steps < 10_000, "it wants to be woken again and again")
      now = end
    }

    mutating func connect(own: String = "192.168.1.10", gateway: String = "192.168.1.1") throws {
      let router = MappingLease.Router(
        gateway: try #require(IPAddress(gateway)), interface: "eth0", own: try #require(IPAddress(own)))
      input { $0.setRouter(router, port: 15_000, at: $1) }
    }

    mutating func see(_ hosts: String...) throws {
      let addresses = try hosts.map { try #require(IPAddress($0)) }
      input { $0.setSeen(addresses, at: $1) }
    }

    var methods: [PortMappingProtocol] { asked.map(\.question.method) }
    var ports: [UInt16] { asked.map(\.question.outerPort) }
    var times: [Int] { asked.map(\.seconds) }
  }

  private static let outside = IPAddress("203.0.113.101")

  private static func grant(
    _ question: PortMappingQuestion, outside: IPAddress? = Self.outside, port: UInt16? = nil, seconds: Int = 7_200
  ) -> PortMappingAnswer {
    .granted(outside: outside, port: port ?? question.outerPort, lifetime: .seconds(seconds), location: "http://x/")
  }

  /// A world whose router has mapped the port by NAT-PMP.
  private func mapped() throws -> World {
    var world = World()
    world.answers = { Self.grant($0) }
    try world.connect()
    try world.see("203.0.113.101")
    return world
  }

  @Test func theRouterIsAskedForTheNodesOwnPort() throws {
    let world = try mapped()
    #expect(world.methods == [.natPMP] && world.ports == [15_000])
    let question = try #require(world.asked.first?.question)
    #expect(question.innerPort == 15_000 && question.lifetime == .seconds(7_200))
    #expect(question.gateway == IPAddress("192.168.1.1") && question.interface == "eth0")
    #expect(world.lease.endpoint == Endpoint("203.0.113.101:15000"))
  }

  /// Nothing is sent unless it can be of use.
  @Test func noRouterIsAskedWithoutNeed() throws {
    var world = World()
    try world.connect()
    world.run(for: .seconds(10_000))
    #expect(world.lease.state == .unneeded)
    try world.see("192.168.1.10")
    try world.see("2001:db8::1")
    #expect(world.asked.isEmpty)
    var off = World(methods: [])
    try off.connect()
    try off.see("203.0.113.101")
    off.run(for: .seconds(10_000))
    #expect(off.asked.isEmpty)
    var alone = World()
    try alone.see("203.0.113.101")
    #expect(alone.asked.isEmpty && alone.lease.state == .withoutRouter)
  }

  @Test func aMappingIsRenewedAtHalfOfItsLife() throws {
    var world = try mapped()
    world.run(for: .seconds(15_000))
    #expect(world.times == [0, 3_600, 7_200, 10_800, 14_400])
    #expect(world.lease.endpoint != nil)
    world.answers = { Self.grant($0, seconds: 600) }
    world.run(for: .seconds(3_600))
    #expect(world.times.suffix(3) == [18_000, 18_300, 18_600])
  }

  /// A router that grants almost nothing, or almost forever, is asked neither constantly nor never again.
  @Test(arguments: [(1, 60), (1_000_000_000, 3_600)]) func theLifetimeIsBounded(seconds: Int, renewed: Int) throws {
    var world = World()
    world.answers = { Self.grant($0, seconds: seconds) }
    try world.connect()
    try world.see("203.0.113.101")
    world.run(for: .seconds(renewed))
    #expect(world.times == [0, renewed])
  }

  @Test func upnpIsTriedNextAndThenRests() throws {
    var world = World()
    try world.connect()
    try world.see("203.0.113.101")
    #expect(world.methods == [.natPMP, .upnp])
    #expect(world.lease.state == .failed([.natPMP: .silent, .upnp: .silent]))
    world.run(for: .seconds(20_000))
    #expect(world.times == [0, 0, 600, 600, 1_800, 1_800, 4_200, 4_200, 9_000, 9_000, 16_200, 16_200])
    world.answers = { $0.method == .upnp ? Self.grant($0) : .refused(code: -52) }
    world.run(for: .seconds(10_000))
    #expect(world.lease.state == .mapped(.upnp, try #require(Endpoint("203.0.113.101:15000"))))
    // It is renewed by the protocol that has worked, where the router was found.
    #expect(world.methods.last == .upnp && world.asked.last?.question.location == "http://x/")
  }

  @Test func threeOtherPortsAreTried() throws {
    var world = World()
    world.answers = { $0.method == .natPMP ? .silent : .taken }
    try world.connect()
    try world.see("203.0.113.101")
    #expect(world.methods == [.natPMP, .upnp, .upnp, .upnp, .upnp])
    #expect(Set(world.ports.dropFirst(2)).count == 3 && world.ports.dropFirst(2).allSatisfy { $0 >= 49_152 })
    #expect(world.lease.state == .failed([.natPMP: .silent, .upnp: .taken]))
    world.answers = { $0.outerPort == 15_000 ? .taken : Self.grant($0) }
    world.run(for: .seconds(600))
    let endpoint = try #require(world.lease.endpoint)
    #expect(endpoint.port == world.ports.last && endpoint.port != 15_000)
    // From now on that is the port that is renewed and removed.
    world.run(for: .seconds(3_600))
    #expect(world.ports.last == endpoint.port)
    #expect(world.lease.removal?.outerPort == endpoint.port)
  }

  /// NAT-PMP routers name another port by themselves.
  @Test func theRouterMayChooseThePort() throws {
    var world = World()
    world.answers = { Self.grant($0, port: 4_000) }
    try world.connect()
    try world.see("203.0.113.101")
    #expect(world.lease.endpoint == Endpoint("203.0.113.101:4000"))
    world.answers = { Self.grant($0, port: 0) }
    world.run(for: .seconds(3_600))
    #expect(world.lease.endpoint == Endpoint("203.0.113.101:4000"), "the mapping lasts although its renewal fails")
  }

  /// A mapping lasts until its end, whatever becomes of its renewal.
  @Test func aFailedRenewalIsRepeated() throws {
    var world = try mapped()
    world.answers = { _ in .silent }
    world.run(for: .seconds(7_199))
    #expect(world.times.prefix(4) == [0, 3_600, 3_900, 4_200])
    #expect(world.lease.endpoint != nil)
    world.run(for: .seconds(1))
    #expect(world.lease.endpoint == nil)
    #expect(world.lease.state == .failed([.natPMP: .silent, .upnp: .silent]))
    world.answers = { Self.grant($0) }
    world.run(for: .seconds(600))
    #expect(world.lease.endpoint != nil)
  }

  /// A mapping on a router whose own outside address is private leads here only from where that address is.
  @Test func aPrivateOutsideAddressCountsOnlyIfItIsSeen() throws {
    var world = World()
    let inner = IPAddress("100.64.3.4")
    world.answers = { Self.grant($0, outside: inner) }
    try world.connect()
    try world.see("203.0.113.101")
    #expect(world.lease.endpoint == nil && world.lease.state == .hidden(.natPMP, outside: inner))
    try world.see("203.0.113.101", "100.64.3.4")
    #expect(world.lease.endpoint == Endpoint("100.64.3.4:15000"))
    for useless in ["127.0.0.1", "0.0.0.0", "224.0.0.1", "169.254.1.1"] {
      var other = World()
      other.answers = { Self.grant($0, outside: IPAddress(useless)) }
      try other.connect()
      try other.see(useless)
      #expect(other.lease.endpoint == nil)
    }
    var unnamed = World()
    unnamed.answers = { Self.grant($0, outside: nil) }
    try unnamed.connect()
    try unnamed.see("203.0.113.101")
    #expect(unnamed.lease.state == .hidden(.natPMP, outside: nil))
  }

  /// A new address outside, or links that ended and came back, may mean that the router has lost its mappings.
  @Test func aChangedViewIsAReasonToAskAgain() throws {
    var world = try mapped()
    world.run(for: .seconds(100))
    try world.see()
    #expect(world.lease.endpoint != nil)
    try world.see("203.0.113.101")
    #expect(world.times == [0, 100])
    // Not more often than once in a minute.
    for number in 1...20 { try world.see("203.0.113.\(number)") }
    world.run(for: .seconds(59))
    #expect(world.times == [0, 100])
    world.run(for: .seconds(1))
    #expect(world.times == [0, 100, 160])
  }

  @Test func anotherNetworkHasAnotherRouter() throws {
    var world = try mapped()
    world.run(for: .seconds(100))
    // The answer to a question that was asked before comes too late.
    world.answers = { _ in nil }
    try world.connect(own: "10.0.0.2", gateway: "10.0.0.1")
    #expect(world.lease.endpoint == nil && world.lease.removal == nil && world.lease.state == .asking)
    world.answers = { Self.grant($0) }
    try world.connect(own: "10.1.0.2", gateway: "10.1.0.1")
    #expect(world.asked.map(\.question.gateway.description) == ["192.168.1.1", "10.0.0.1", "10.1.0.1"])
    let late = Self.grant(world.asked[1].question, outside: IPAddress("203.0.113.9"))
    world.input { lease, now in
      lease.answered(2, late, at: now)
    }
    #expect(world.lease.endpoint == Endpoint("203.0.113.101:15000"))
    world.input { $0.setRouter(nil, port: 15_000, at: $1) }
    world.run(for: .seconds(10_000))
    #expect(world.asked.count == 3 && world.lease.endpoint == nil)
  }

  @Test func theMappingIsRemovedWhenItIsNotWantedAnyMore() throws {
    var world = try mapped()
    let removal = try #require(world.lease.removal)
    #expect(removal.lifetime == .zero && removal.outerPort == 15_000 && removal.method == .natPMP)
    world.input { $0.setMethods([], at: $1) }
    #expect(world.asked.map(\.question.lifetime) == [.seconds(7_200), .zero])
    #expect(world.lease.endpoint == nil && world.lease.removal == nil)
    world.run(for: .seconds(10_000))
    #expect(world.asked.count == 2)
  }

  /// Whatever a router answers and whenever the network changes, it is asked for no more than it can bear, and what is
  /// announced has been granted.
  @Test(arguments: 0..<50 as Range<UInt64>) func anyRouterIsAskedSparingly(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var world = World(seed: seed)
    try world.connect()
    try world.see("203.0.113.101")
    for _ in 0..<200 {
      let kind = random.number(0...6)
      let (port, seconds) = (UInt16(random.number(0...65_535)), random.number(0...10_000))
      world.answers = { question in
        switch kind {
        case 0: .silent
        case 1: .taken
        case 2: .refused(code: 606)
        case 3: nil
        default:
          Self.grant(question, outside: kind == 4 ? IPAddress("10.9.9.9") : Self.outside, port: port, seconds: seconds)
        }
      }
      switch random.number(0...9) {
      case 0: try world.connect(gateway: "192.168.1.\(random.number(1...3))")
      case 1: try world.see("203.0.113.\(random.number(1...3))")
      case 2: try world.see()
      default: break
      }
      let before = world.asked.count
      world.run(for: .seconds(random.number(1...600)))
      #expect(world.asked.count - before <= 20, "seed \(seed)")
      if let endpoint = world.lease.endpoint { #expect(endpoint.host == "203.0.113.101", "seed \(seed)") }
      #expect(world.asked.allSatisfy { $0.question.lifetime == MappingLease.lifetime }, "seed \(seed)")
    }
  }
}
