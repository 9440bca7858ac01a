import Crypto
import Discovery
import NodeCore
import Primitives
import Testing
import Wire

/// Over a link through a proxy, neither end sees the other's address.
@Suite struct ProxiedLinkTests {
  private let hub: Endpoint
  private let seen: Endpoint
  private var core: NodeCore
  private let now = Timestamps(instant: Instant(nanoseconds: 1), wall: WallTime(milliseconds: 1_700_000_000_000))

  init() throws {
    hub = try #require(Endpoint(host: "203.0.113.1", port: 443))
    seen = try #require(Endpoint(host: "203.0.113.200", port: 40_000))
    core = NodeCore(
      NodeCoreConfiguration(key: try KeyRing.key(0), label: "client", software: "test", bootstraps: [hub]),
      random: SystemRandomNumberGenerator())
    core.setAddresses([], port: 5_000, at: now)
  }

  /// Opens a link and returns the hello that the node sends over it.
  private mutating func open(_ number: UInt64, dial: DialID?, path: PathKind) throws -> Hello {
    let key = try KeyRing.key(Int(number))
    let facts = LinkFacts(
      peer: key.publicKey, dial: dial, binding: [UInt8](repeating: UInt8(number), count: 32), remote: .tcp(hub),
      path: path)
    core.linkOpened(LinkID(number: number), facts, at: now)
    var hello: Hello?
    while let effect = core.nextEffect() {
      if case .link(.send(_, .hello(let sent))) = effect { hello = sent }
    }
    let answer = Hello(
      label: "hub", software: "test", isBootstrap: true, clock: now.wall, observed: .tcp(seen))
    core.received(.hello(answer), on: LinkID(number: number), at: now)
    return try #require(hello)
  }

  private mutating func firstDial() throws -> DialID {
    core.wake(at: now)
    while let effect = core.nextEffect() {
      if case .link(.dial(let id, _, _)) = effect { return id }
    }
    throw KacheryError(.internalError, "nothing was dialed")
  }

  @Test(arguments: [PathKind.direct, .proxied, .webSocket])
  mutating func theProxysAddressIsNotAnnounced(path: PathKind) throws {
    let isSeen = path == .direct
    let first = try open(1, dial: try firstDial(), path: path)
    #expect(first.observed == (isSeen ? .tcp(hub) : nil))
    let second = try open(2, dial: nil, path: .direct)
    #expect(second.addresses.map(\.description) == (isSeen ? ["203.0.113.200:40000", "203.0.113.200:5000"] : []))
  }

  @Test func aPathThroughAProxyRanksBetweenDirectAndRelayed() {
    let inOrder = [PathKind.lan, .direct, .proxied, .webSocket, .relayed]
    #expect(inOrder.map(\.rank) == inOrder.map(\.rank).sorted() && Set(inOrder.map(\.rank)).count == inOrder.count)
    #expect(PathKind.punched.rank == PathKind.direct.rank)
  }
}
