import Primitives
import TestSupport
import Testing
import Traversal

/// The router is asked for the UDP port once it has mapped the TCP port.
@Suite struct MappingLeasesTests {
  private static let outside = IPAddress("203.0.113.101")

  /// Both leases, and a router that answers immediately.
  private struct World {
    private(set) var leases = MappingLeases(random: SeededRandom(seed: 1))
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    private(set) var asked: [PortMappingQuestion] = []
    var answer: @Sendable (PortMappingQuestion) -> PortMappingAnswer = { _ in .silent }

    init(udpPort: UInt16? = 15_001, _ answer: @escaping @Sendable (PortMappingQuestion) -> PortMappingAnswer) throws {
      self.answer = answer
      input { $0.setMethods([.natPMP, .upnp], at: $1) }
      let router = MappingLease.Router(
        gateway: try #require(IPAddress("192.168.1.1")), interface: "eth0", own: try #require(IPAddress("192.168.1.10"))
      )
      input { $0.setRouter(router, tcpPort: 15_000, udpPort: udpPort, at: $1) }
      let seen = try #require(MappingLeasesTests.outside)
      input { $0.setSeen([seen], at: $1) }
    }

    mutating func input(_ body: (inout MappingLeases, Instant) -> [MappingLease.Action]) {
      var actions = body(&leases, now)
      while !actions.isEmpty {
        let action = actions.removeFirst()
        asked.append(action.question)
        actions += leases.answered(action.number, action.question.transport, answer(action.question), at: now)
      }
    }

    mutating func run(for time: Duration) {
      let end = now + time
      while let due = leases.wakeAt, due <= end {
        now = max(now, due)
        input { $0.wake(at: $1) }
      }
      now = end
    }
  }

  private static func grant(_ question: PortMappingQuestion) -> PortMappingAnswer {
    .granted(
      outside: outside, port: question.outerPort, lifetime: question.lifetime,
      location: question.method == .upnp ? "http://192.168.1.1/x" : "")
  }

  @Test func bothPortsAreMapped() throws {
    var world = try World { Self.grant($0) }
    #expect(world.asked.map(\.transport) == [.tcp, .udp] && world.asked.map(\.innerPort) == [15_000, 15_001])
    #expect(world.leases.tcp.endpoint?.port == 15_000 && world.leases.udp.endpoint?.port == 15_001)
    world.run(for: .seconds(3_700))
    #expect(world.asked.dropFirst(2).map(\.transport).sorted { "\($0)" < "\($1)" } == [.tcp, .udp])
    #expect(world.leases.removals.map(\.transport) == [.tcp, .udp])
    #expect(world.leases.removals.allSatisfy { $0.lifetime == .zero })
    world.input { $0.setMethods([], at: $1) }
    #expect(world.asked.suffix(2).allSatisfy { $0.lifetime == .zero } && world.leases.removals.isEmpty)
  }

  /// A router that does not map the TCP port is not asked for the other one, nor one whose mapping leads nowhere.
  @Test func theOtherPortFollows() throws {
    let silent = try World { _ in .silent }
    #expect(silent.asked.map(\.transport) == [.tcp, .tcp])
    let hidden = try World { question in
      .granted(outside: IPAddress("100.64.0.7"), port: question.outerPort, lifetime: question.lifetime)
    }
    #expect(hidden.asked.map(\.transport) == [.tcp] && hidden.leases.udp.endpoint == nil)
    let without = try World(udpPort: nil) { Self.grant($0) }
    #expect(without.asked.map(\.transport) == [.tcp])
  }

  /// The protocol that has worked is used, and a UPnP router is not searched for again.
  @Test func theRouterIsAskedWhereItHasAnswered() throws {
    let world = try World { $0.method == .natPMP ? .silent : Self.grant($0) }
    #expect(world.asked.map(\.method) == [.natPMP, .upnp, .upnp])
    #expect(world.asked.last?.transport == .udp && world.asked.last?.location == "http://192.168.1.1/x")
  }

  /// Either of the two may fail alone.
  @Test func aRouterMayRefuseUDP() throws {
    let world = try World { $0.transport == .udp ? .refused(code: 2) : Self.grant($0) }
    #expect(world.leases.tcp.endpoint != nil && world.leases.udp.endpoint == nil)
    #expect(world.asked.count == 2 && world.leases.removals.map(\.transport) == [.tcp])
  }
}
