import Crypto
import NodeCore
import Primitives
import Testing
import Wire

/// A bootstrap node of this version passes on what a node of a later version says about itself.
@Suite struct LaterVersionTests {
  private static let now = Timestamps(
    instant: Instant(nanoseconds: 0), wall: WallTime(milliseconds: 1_700_000_000_000))

  @Test func aRecordWithUnknownFieldsIsRelayedByteForByte() throws {
    let keys = try (0..<2).map { try KeyRing.key($0) }
    var core = NodeCore(
      NodeCoreConfiguration(
        key: try KeyRing.key(2), label: "bootstrap", software: "test", isBootstrap: true),
      random: SystemRandomNumberGenerator())
    for (number, key) in keys.enumerated() {
      let link = LinkID(number: UInt64(number) + 1)
      let binding = [UInt8](repeating: UInt8(number), count: 32)
      core.linkOpened(link, LinkFacts(peer: key.publicKey, dial: nil, binding: binding, remote: nil), at: Self.now)
      let hello = Hello(label: "peer", software: "test", isBootstrap: false, clock: Self.now.wall)
      core.received(.hello(hello), on: link, at: Self.now)
      core.received(.topics([Lab.channel.topic]), on: link, at: Self.now)
    }
    while core.nextEffect() != nil {}
    let known = PresenceRecord(
      node: keys[0].publicKey, topic: Lab.channel.topic, addresses: [], issued: Self.now.wall,
      expires: Self.now.wall + .seconds(600))
    var later = try PresenceRecord(body: known.body + [200, 0, 3, 1, 2, 3, 1, 0, 2, 99, 1], signature: known.signature)
    later.signature = keys[0].sign(later.signedBytes)
    var forged = try PresenceRecord(body: later.body + [201, 0, 0], signature: later.signature)
    core.received(.presence([forged]), on: LinkID(number: 1), at: Self.now)
    forged.signature = keys[1].sign(forged.signedBytes)
    core.received(.presence([forged]), on: LinkID(number: 1), at: Self.now)
    while let effect = core.nextEffect() {
      if case .link(.send(_, .presence)) = effect { Issue.record("a forged record is relayed") }
    }

    core.received(.presence([later]), on: LinkID(number: 1), at: Self.now)
    var relayed: [PresenceRecord] = []
    while let effect = core.nextEffect() {
      if case .link(.send(LinkID(number: 2), .presence(let records))) = effect { relayed += records }
    }
    #expect(relayed == [later])
  }
}
