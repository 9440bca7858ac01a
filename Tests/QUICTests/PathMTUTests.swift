import Crypto
import Primitives
import TestSupport
import Testing

@testable import QUIC

/// How large packets become where this machine's network has jumbo frames, and what the rest of the way does to them.
@Suite struct PathMTUTests {
  private static let bytes = PatternBytes.make(400_000)

  /// Both ends on networks of this MTU, with a stream that the client has opened.
  private static func world(routeMTU: Int?, pathLimit: Int, seed: UInt64 = 1) throws -> (QUICWorld, stream: Int64) {
    let keys = (client: try SigningKey.generate(), server: try SigningKey.generate())
    let world = try QUICWorld(client: keys.client, server: keys.server, routeMTU: routeMTU, seed: seed)
    world.pathLimit = pathLimit
    #expect(world.run { $0.client.isEstablished && $0.server?.isEstablished == true }, "seed \(seed)")
    return (world, try #require(world.client.connection.openStream()))
  }

  /// The client sends bytes that are not the end of the stream.
  private static func pass(_ world: QUICWorld, _ stream: Int64) -> Bool {
    let before = world.server?.received[stream]?.count ?? 0
    world.client.send(bytes, on: stream, ends: false)
    return world.run { $0.server?.received[stream]?.count == before + bytes.count }
  }

  /// The size of the packets that carry most bytes of a log.
  private static func usualSize(_ log: ArraySlice<(isToServer: Bool, packet: [UInt8])>) -> Int {
    let sizes = Dictionary(grouping: log.filter(\.isToServer), by: \.packet.count)
    return sizes.max { ($0.key * $0.value.count, $0.key) < ($1.key * $1.value.count, $1.key) }?.key ?? 0
  }

  @Test(arguments: [
    (limit: 1_200, usual: 1_197...1_200), (1_300, 1_229...1_232), (1_450, 1_441...1_444), (1_472, 1_441...1_444),
    (8_900, 1_441...1_444), (8_952, 8_949...8_952), (65_507, 8_949...8_952),
  ])
  func packetsBecomeAsLargeAsThePathCarries(limit: Int, usual: ClosedRange<Int>) throws {
    let (world, stream) = try Self.world(routeMTU: 9_000, pathLimit: limit)
    #expect(Self.pass(world, stream))
    let before = world.log.count
    #expect(Self.pass(world, stream))
    #expect(usual.contains(Self.usualSize(world.log[before...])), "\(Self.usualSize(world.log[before...]))")
    // Either end tries the size that does not pass twice; a packet in which the padding finds no room may have it too.
    #expect(world.log.filter { $0.packet.count > limit }.count <= 6)
  }

  @Test(arguments: [nil, 1_500, 8_999] as [Int?])
  func withoutJumboFramesPacketsStayThoseOfEthernet(routeMTU: Int?) throws {
    let (world, stream) = try Self.world(routeMTU: routeMTU, pathLimit: 65_507)
    #expect(Self.pass(world, stream) && Self.pass(world, stream))
    let largest = world.log.map(\.packet.count).max() ?? 0
    #expect((1_400...1_452).contains(largest), "\(largest)")
  }

  @Test(arguments: 1...10) func lossDoesNotKeepBytesFromArriving(seed: UInt64) throws {
    let (world, stream) = try Self.world(routeMTU: 9_000, pathLimit: seed.isMultiple(of: 2) ? 1_400 : 9_000, seed: seed)
    world.loss = 5
    #expect(Self.pass(world, stream) && Self.pass(world, stream), "seed \(seed)")
    #expect(world.server?.received[stream] == Self.bytes + Self.bytes, "seed \(seed)")
  }

  /// The path leads through another network from a moment on, which drops large packets without a word.
  @Test(arguments: 1...4) func aPathThatNarrowsGoesOn(seed: UInt64) throws {
    let (world, stream) = try Self.world(routeMTU: 9_000, pathLimit: 9_000, seed: seed)
    #expect(Self.pass(world, stream))
    let start = world.now
    world.client.send(Self.bytes, on: stream, ends: false)
    #expect(world.run { $0.now > start + .milliseconds(15) })
    world.pathLimit = 1_400
    #expect(world.run { $0.server?.received[stream]?.count == 2 * Self.bytes.count }, "seed \(seed)")
    #expect(world.now < start + .seconds(7), "seed \(seed)")
    let before = world.log.count
    #expect(Self.pass(world, stream))
    #expect((1_369...1_372).contains(Self.usualSize(world.log[before...])), "seed \(seed)")
  }

  @Test func noPaddingIsLargerThanThePeerAccepts() throws {
    var search = try #require(PathMTUSearch(routeMTU: 65_536))
    #expect(search.probe(limit: 104) == nil)
    let probe = try #require(search.probe(limit: 1_300))
    search.sentProbe(probe.size)
    #expect(search.probe(limit: 1_300) == nil, "one at a time")
    search.probeEnded(probe.number + 1, hasArrived: true)
    #expect(search.size == PathMTUSearch.base, "another one")
    search.probeEnded(probe.number, hasArrived: true)
    #expect(search.size == probe.size && search.probe(limit: 1_300) == nil)
  }

  @Test func silenceBeginsTheSearchAgain() throws {
    var search = try #require(PathMTUSearch(routeMTU: 9_000))
    var now = Instant(nanoseconds: 1_000_000_000)
    while let probe = search.probe(limit: 9_000) {
      search.sentProbe(probe.size)
      search.probeEnded(probe.number, hasArrived: true)
    }
    #expect(search.size == PathMTUSearch.largest)
    search.sent(1_200, at: now)
    search.check(at: now + .seconds(60), timeout: .milliseconds(20))
    #expect(search.size == PathMTUSearch.largest, "a small packet says nothing")
    search.sent(8_952, at: now)
    search.check(at: now + .milliseconds(999), timeout: .milliseconds(20))
    search.check(at: now + .milliseconds(1_499), timeout: .milliseconds(500))
    #expect(search.size == PathMTUSearch.largest)
    search.answered()
    now = now + .seconds(5)
    search.check(at: now, timeout: .milliseconds(20))
    #expect(search.size == PathMTUSearch.largest, "answered")
    search.sent(8_952, at: now)
    search.check(at: now + .milliseconds(1_500), timeout: .milliseconds(500))
    #expect(search.size == PathMTUSearch.base && search.probe(limit: 9_000) != nil)
  }
}
