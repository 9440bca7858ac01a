import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Wire

/// What identities that cost nothing may take of a node.
@Suite struct StrangersTests {
  private let now = Timestamps(
    instant: Instant(nanoseconds: 1_000_000_000), wall: WallTime(milliseconds: 1_700_000_000_000))

  private func core(maximumLinks: Int) throws -> NodeCore {
    NodeCore(
      NodeCoreConfiguration(
        key: try KeyRing.key(200), label: "node", software: "test", isBootstrap: true, maximumLinks: maximumLinks),
      random: SeededRandom(seed: 1))
  }

  /// Opens a link from this host. Returns why it was refused.
  private func open(_ number: UInt64, from host: String, _ core: inout NodeCore) throws -> Goodbye.Code? {
    let endpoint = try #require(Endpoint(host: host, port: UInt16(number)))
    let link = LinkID(number: number)
    let id = try #require(NodeID(bytes: (0..<32).map { UInt8(truncatingIfNeeded: number >> (8 * ($0 % 8))) }))
    core.linkOpened(link, LinkFacts(peer: id, dial: nil, binding: [1], remote: .tcp(endpoint)), at: now)
    var code: Goodbye.Code?
    while let effect = core.nextEffect() {
      if case .link(.close(link, let goodbye)) = effect { code = goodbye.code }
    }
    return code
  }

  /// A quarter of the places is enough for a laboratory behind one address, and leaves the rest to others.
  @Test func oneAddressGetsAQuarterOfTheLinks() throws {
    var core = try core(maximumLinks: 400)
    for number in 1...100 as ClosedRange<UInt64> {
      #expect(try open(number, from: "192.0.2.1", &core) == nil)
    }
    #expect(try open(101, from: "192.0.2.1", &core) == .full)
    core.linkClosed(LinkID(number: 101), at: now)
    #expect(try open(102, from: "192.0.2.2", &core) == nil)
    core.linkClosed(LinkID(number: 1), at: now)
    #expect(try open(103, from: "192.0.2.1", &core) == nil)
  }
}
