import Crypto
import Discovery
import NodeCore
import Primitives
import TestSupport
import Testing
import Wire

/// A bootstrap node with many members of many channels: each costs it what the members of its own channel cost.
@Suite struct CrowdedBootstrapTests {
  private static let membersOfChannel = 5

  /// The core of a bootstrap node, without the network.
  private struct Hub {
    private(set) var core: NodeCore
    /// How many records each link was sent.
    private(set) var records: [LinkID: Int] = [:]
    private(set) var messages = 0
    private let now = Timestamps(
      instant: Instant(nanoseconds: 1_000_000_000), wall: WallTime(milliseconds: 1_700_000_000_000))

    init() throws {
      core = NodeCore(
        NodeCoreConfiguration(
          key: try KeyRing.key(200), label: "hub", software: "test", isBootstrap: true),
        random: SeededRandom(seed: 1))
    }

    /// A member is linked, names its topic and announces itself.
    mutating func meet(_ number: Int) throws {
      let key = try SigningKey(seed: [UInt8](repeating: 9, count: 30) + [UInt8(number >> 8), UInt8(number & 0xff)])
      let address = try #require(Endpoint(host: "10.0.\(number >> 8).\(number & 0xff)", port: 14_507))
      let link = LinkID(number: UInt64(number) + 1)
      let channel = number / CrowdedBootstrapTests.membersOfChannel
      let topic = try #require(
        Topic(bytes: [UInt8](repeating: 7, count: Topic.byteCount - 2) + [UInt8(channel >> 8), UInt8(channel & 0xff)]))
      core.linkOpened(
        link,
        LinkFacts(peer: key.publicKey, dial: nil, binding: [UInt8](repeating: 1, count: 32), remote: .tcp(address)),
        at: now)
      let hello = Hello(label: "", software: "", isBootstrap: false, clock: now.wall, addresses: [.tcp(address)])
      let record = PresenceRecord(
        node: key.publicKey, topic: topic, addresses: [.tcp(address)], issued: now.wall,
        expires: now.wall + .seconds(600)
      ).signed(with: key)
      for message in [ControlMessage.hello(hello), .topics([topic]), .presence([record])] {
        core.received(message, on: link, at: now)
      }
      while let effect = core.nextEffect() {
        guard case .link(.send(let link, let message)) = effect else { continue }
        messages += 1
        if case .presence(let sent) = message { records[link, default: 0] += sent.count }
      }
    }
  }

  @Test func everyMemberMeetsItsChannelAtTheSameCost() throws {
    var hub = try Hub()
    var costs: [Int] = []
    for number in 0..<600 {
      let before = hub.messages
      try hub.meet(number)
      costs.append(hub.messages - before)
    }
    #expect(hub.core.linkedCount == 600)
    #expect(hub.core.configuration.maximumLinks >= 10_000)
    // Each has got the records of the others of its channel, and nothing else.
    #expect(hub.records.count == 600 && hub.records.values.allSatisfy { $0 == Self.membersOfChannel - 1 })
    let channels = stride(from: 0, to: costs.count, by: Self.membersOfChannel).map {
      Array(costs[$0..<$0 + Self.membersOfChannel])
    }
    #expect(Set(channels).count == 1, "\(channels)")
    #expect(hub.core.keepsItsDeadlines)
  }
}
